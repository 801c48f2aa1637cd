"""What an HTTP server owes its clients: negotiation, conditions, ranges, reason phrases."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secure_fetch.http_answers import byte_range, has_tag, negotiate, reason_phrase

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
TEXT = "text/html"
OFFERED = (JSON, HTML, TEXT)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        (JSON, JSON),
        (HTML, HTML),
        (TEXT, TEXT),
        (f"{JSON}, {HTML};q=0.1, {TEXT};q=0.01", JSON),  # pip
        (f"{JSON}, {HTML};q=0.2, {TEXT};q=0.01", JSON),
        (f"{JSON};q=0.1, {TEXT};q=0.9", TEXT),
        (f"{JSON};q=0, */*", HTML),
        (f"{JSON} ; Q=0.5 , {HTML} ; q=0.6", HTML),
        (f"{HTML}, {JSON}", JSON),  # liked as much: ours first
        (JSON.upper(), JSON),
        ("application/*", JSON),
        (f"{JSON};q=2, {TEXT}", TEXT),  # no weight
        (f"{JSON};q=x", None),
        ("application/json", None),
        ("image/png, nonsense, a/b/c", None),
        ("text/html;q=0", None),
    ],
)
def test_the_media_type_that_is_liked_best_is_chosen(accept: str | None, chosen: str | None) -> None:
    assert negotiate(accept, OFFERED) == chosen


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("Bytes=3-5", (3, 6)),
        ("bytes=3-99999999999", (3, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=10-", (0, 0)),
        ("bytes=-0", (0, 0)),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=\u0661-", None),
        (f"bytes={'9' * 5000}-", None),
    ],
)
def test_single_ranges_are_understood(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 10) == expected


def test_every_range_of_an_empty_file_is_empty() -> None:
    assert byte_range("bytes=0-", 0) == byte_range("bytes=-5", 0) == (0, 0)


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 100))
@settings(max_examples=200)
def test_a_range_never_leaves_the_file(header: str, length: int) -> None:
    found = byte_range(header, length)
    assert found is None or found == (0, 0) or 0 <= found[0] < found[1] <= length


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ("*", True),
        ("abc", False),
        ('"x"', False),
    ],
)
def test_entity_tags_are_compared_weakly(header: str | None, expected: bool) -> None:
    assert has_tag(header, "abc") is expected


@given(st.text(max_size=600))
@settings(max_examples=200)
def test_a_reason_phrase_is_one_printable_line_of_latin_1(text: str) -> None:
    reason = reason_phrase(text)
    reason.encode("latin-1")
    assert all(character.isprintable() for character in reason)
    assert len(reason) <= 400


def test_a_reason_phrase_keeps_what_it_can() -> None:
    assert reason_phrase("größer\r\nX-Evil: 1 \u202e\x1b[31m ☃") == "größer X-Evil: 1 ??[31m ?"
    assert reason_phrase("a" * 1000).endswith("a...")


@given(st.text(max_size=100))
@settings(max_examples=200)
def test_no_header_is_too_strange(text: str) -> None:
    assert negotiate(text, OFFERED) in (*OFFERED, None)
    assert has_tag(text, "abc") in (True, False)
    byte_range(text, 5)
