"""A page as values: well-formed, or `MalformedError`."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError
from secure_fetch.index.model import PageFile, ProjectPage, printable, usable_hashes

from .strategies import PAGE_URL, PAGES

GOOD = PageFile(filename="foo-1.0.tar.gz", url="https://index.example/foo-1.0.tar.gz", hashes={"sha256": "a" * 64})
PAGE = ProjectPage(name="foo", url=PAGE_URL, files=(GOOD,))


@pytest.mark.parametrize(
    "change",
    [
        {"filename": ""},
        {"filename": "."},
        {"filename": "..", "url": "https://index.example/.."},
        {"filename": "a/b", "url": "https://index.example/a%2Fb"},
        {"filename": "a\\b", "url": "https://index.example/a%5Cb"},
        {"filename": "a\nb", "url": "https://index.example/a%0Ab"},
        {"filename": "a\x9bb", "url": "https://index.example/a%C2%9Bb"},
        {"filename": "a" * 513, "url": "https://index.example/" + "a" * 513},
        {"filename": "foo-2.0.tar.gz"},
        {"filename": "\ufffd", "url": "https://index.example/%FF"},
        {"filename": "index.example", "url": "https://index.example"},
        {"url": "foo-1.0.tar.gz"},
        {"url": "https:///foo-1.0.tar.gz"},
        {"url": "https://index.example/foo-1.0.tar.gz#sha256=aa"},
        {"url": "https://index.example/a b/foo-1.0.tar.gz"},
        {"url": "https://index.example/ä/foo-1.0.tar.gz"},
        {"url": "https://index.example/foo-1.0.tar.gz/"},
        {"url": "HTTPS://index.example/foo-1.0.tar.gz"},
        {"url": "https://index.example/foo-1.0.tar.gz%zz"},
        {"hashes": {"sha256": "A" * 64}},
        {"hashes": {"sha256": "a" * 62}},
        {"hashes": {"sha256": "g" * 64}},
        {"hashes": {"SHA256": "a" * 64}},
        {"hashes": {"whirlpool": "a" * 31}},
        {"requires_python": ">=3\x00"},
        {"yanked": "\x1b[31m"},
        {"core_metadata": {}},
        {"core_metadata": {"sha256": "a"}},
        {"size": -1},
        {"size": True},
        {"size": 1.0},
        {"size": 2**63},
        {"upload_time": "2024-01-01"},
        {"upload_time": "2024-01-01T00:00:00"},
        {"upload_time": "2024-01-01T00:00:00+00:00"},
        {"upload_time": "2024-01-01T00:00:00.1234567Z"},
        {"upload_time": "2023-02-29T00:00:00Z"},
        {"upload_time": "\uff12024-01-01T00:00:00Z"},
        {"provenance": "../provenance"},
    ],
)
def test_a_file_that_is_not_well_formed_does_not_exist(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(GOOD, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../etc"},
        {"name": "foo\n"},
        {"name": ""},
        {"url": "simple/foo/"},
        {"api_version": "2.0"},
        {"api_version": "1"},
        {"api_version": "1.0.1"},
        {"api_version": "1.9999999999"},
        {"status": "\x07"},
        {"status_reason": "\x07"},
        {"versions": ("1.0", "\x00")},
        {"alternate_locations": ("\x00",)},
        {"tracks": ("\x00",)},
        {"files": (GOOD, GOOD)},
        {"files": (GOOD, replace(GOOD, url="https://other.example/foo-1.0.tar.gz"))},
        {"files": (replace(GOOD, url="ftp://index.example/foo-1.0.tar.gz"),)},
    ],
)
def test_a_page_that_is_not_well_formed_does_not_exist(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(PAGE, **change)


def test_times_may_be_whole_seconds() -> None:
    assert replace(GOOD, upload_time="2024-02-29T23:59:59Z").upload_time == "2024-02-29T23:59:59Z"


def test_a_page_on_disk_may_link_to_files_on_disk() -> None:
    page = ProjectPage(
        name="foo", url="file:///srv/simple/foo/", files=(replace(GOOD, url="file:///srv/foo-1.0.tar.gz"),)
    )
    assert page.files[0].url == "file:///srv/foo-1.0.tar.gz"


def test_a_file_by_its_name() -> None:
    assert PAGE.file("foo-1.0.tar.gz") is GOOD
    assert PAGE.file("foo-2.0.tar.gz") is None


def test_urls_are_replaced() -> None:
    moved = PAGE.replace_urls(
        lambda file: f"http://127.0.0.1/files/{file.filename}", url="http://127.0.0.1/simple/foo/"
    )
    assert moved.url == "http://127.0.0.1/simple/foo/"
    assert moved.files == (replace(GOOD, url="http://127.0.0.1/files/foo-1.0.tar.gz"),)
    assert PAGE.replace_urls(lambda file: file.url) == PAGE


def test_a_new_url_has_to_keep_the_name() -> None:
    with pytest.raises(MalformedError):
        PAGE.replace_urls(lambda _: "http://127.0.0.1/another")


@given(PAGES)
def test_pages_travel_between_processes(page: ProjectPage) -> None:
    copy = pickle.loads(pickle.dumps(page))  # noqa: S301 - what was pickled here
    assert copy == page
    assert [copy.file(file.filename) for file in copy.files] == list(page.files)


@given(st.text())
def test_printable_text_holds_no_control_characters(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert replace(GOOD, yanked=shown).yanked == shown


def test_line_ends_become_line_feeds_and_the_rest_is_marked() -> None:
    assert printable("a\r\nb\rc\td\x1b[0m\x00\ud800") == "a\nb\nc\td\ufffd[0m\ufffd\ufffd"


def test_only_what_has_the_form_of_a_hash_is_usable() -> None:
    offered = {
        "sha256": "AB" * 32,
        "sha512": "ab",
        "md5": "x" * 32,
        "Sha1": "a" * 40,
        "blake3": "a" * 64,
        "x": "a" * 129,
    }
    assert usable_hashes(offered) == {"sha256": "ab" * 32, "blake3": "a" * 64}
