"""Joining, comparing and normalising URLs."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError
from secure_fetch.index.urls import Base, check, last_segment, normalise_url

BASES = st.sampled_from(
    (
        "https://index.example/root/simple/foo/",
        "https://index.example/root/simple/foo",
        "https://index.example",
        "https://index.example/a//b/../c/./d",
        "http://index.example:8080/x/y/z?q=/1/2",
        "file:///srv/simple/foo/",
    )
)
RELATIVE = st.lists(
    st.sampled_from(("..", ".", "", "a", "b.c", "x-1.0+l.whl", "a;b", "c:d", "%2e", "~", "@", "=")), max_size=6
).map("/".join)


@given(BASES, RELATIVE)
def test_the_fast_way_to_join_is_the_standard_one(base: str, link: str) -> None:
    try:
        joined = Base(base).join(link)
    except MalformedError:
        return
    assert joined is None or joined == urljoin(base, link)


@given(BASES, st.text(st.sampled_from("ab/.:;?%#@[]\\ \t\x00é&=+"), max_size=12))
def test_any_link_leads_to_a_well_formed_url_or_nowhere(base: str, link: str) -> None:
    try:
        joined = Base(base).join(link.partition("#")[0])
    except MalformedError:
        return
    if joined is not None:
        check(joined, "the link")


@given(BASES, BASES, RELATIVE)
def test_what_is_relative_leads_back(base: str, other: str, link: str) -> None:
    try:
        url = Base(other).join(link)
    except MalformedError:
        return
    if url is not None:
        assert Base(base).join(Base(base).relative(url)) in {url, None}  # None: another scheme


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("a b/ä.whl", "https://index.example/x/a%20b/%C3%A4.whl"),
        (" a.whl\n", "https://index.example/x/a.whl"),
        ("HTTP://Host.example/A", "http://Host.example/A"),
        ("//files.example/a", "https://files.example/a"),
        ("/a%zz", "https://index.example/a%25zz"),
        ("a?b|c", "https://index.example/x/a?b%7Cc"),
        ("../../../a", "https://index.example/a"),
        ("a#b", "https://index.example/x/a"),
        ("https:a", "https://index.example/x/a"),
        ("https://index.example/../a//b", "https://index.example/../a//b"),
        ("tel:1", None),
        ("a:b", None),
    ],
)
def test_links_are_joined(link: str, expected: str | None) -> None:
    assert Base("https://index.example/x/y").join(link) == expected


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://index.example/root/simple/foo/a", "a"),
        ("https://index.example/root/simple/bar/a", "../bar/a"),
        ("https://index.example/a", "../../../a"),
        ("https://index.example/root/a//b", "https://index.example/root/a//b"),
        ("https://index.example//a", "https://index.example//a"),
        ("https://index.example/root/../a", "https://index.example/root/../a"),
        ("https://index.example/root/simple/foo/c:d", "https://index.example/root/simple/foo/c:d"),
        ("https://index.example.evil.example/a", "https://index.example.evil.example/a"),
        ("http://index.example/root/simple/foo/a", "http://index.example/root/simple/foo/a"),
    ],
)
def test_links_are_relative_where_they_can_be(url: str, link: str) -> None:
    assert Base("https://index.example/root/simple/foo/").relative(url) == link


@pytest.mark.parametrize("url", ["https://index.example///other.example/a", "https://index.example///@/a"])
def test_a_doubled_slash_never_becomes_a_host(url: str) -> None:
    assert Base("https://index.example/").relative(url) == url


def test_links_are_absolute_where_the_page_has_a_strange_path() -> None:
    assert Base("https://index.example/a/../b/").relative("https://index.example/b/c") == "https://index.example/b/c"


@pytest.mark.parametrize(
    "url", ["", "x", "/x", "https://", "https:///x", "https://a b/", "https://a/#x", "1://a/", "https://ä/"]
)
def test_a_page_has_an_absolute_url(url: str) -> None:
    with pytest.raises(MalformedError):
        Base(url)


@pytest.mark.parametrize(
    ("url", "segment"),
    [
        ("https://a.example", ""),
        ("https://a.example?x/y", ""),
        ("https://a.example/", ""),
        ("https://a.example/x", "x"),
        ("https://a.example/x/y%20z?q=/r", "y z"),
        ("https://a.example/x://y", "y"),
        ("file:///x", "x"),
    ],
)
def test_the_last_segment(url: str, segment: str) -> None:
    assert last_segment(url, "the URL") == segment


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://User:Pass@Index.Example.:443/A//b/./c/../d?x=%7e#frag", "https://index.example/A/b/d?x=~"),
        ("https://index.example", "https://index.example/"),
        ("http://index.example:0080/", "http://index.example/"),
        ("http://index.example:443/", "http://index.example:443/"),
        ("http://index.example:/", "http://index.example/"),
        ("https://a@b@index.example/", "https://index.example/"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
        ("https://index.example/%7e%41%c3%a4ä b%2b+", "https://index.example/~A%C3%A4%C3%A4%20b%2B+"),
        ("https://index.example/a/%2e%2E/b/", "https://index.example/b/"),
        ("https://index.example/../../a/..", "https://index.example/"),
        ("https://index.example/a/b/..", "https://index.example/a/"),
        ("https://index.example/a/.", "https://index.example/a/"),
        ("https://index.example/a%252e", "https://index.example/a%252e"),
        ("https://index.example/a?b=%2f", "https://index.example/a?b=%2F"),
        ("https://index.example/a?", "https://index.example/a?"),
        ("file:///srv//a", "file:///srv/a"),
    ],
)
def test_urls_are_normalised(url: str, normal: str) -> None:
    assert normalise_url(url) == normal
    assert normalise_url(normal) == normal


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "//index.example/a",
        "https:a",
        "https:///a",
        "https://user@/a",
        "https://a../",  # found by the fuzzer: it lost one dot each time it was normalised
        "https://.a/",
        "https://a..b/",
        "https://index.example:99999/",
        "https://index.example:x/",
        "https://index.example\\@evil.example/",
        "https://\u212aindex.example/",
        "https://index .example/",
        "https://index.example/a%2fb",
        "https://index.example/a%5Cb",
        "https://index.example/a\\b",
        "https://index.example/a%00",
        "https://index.example/a?b=%0d%0ac",
        "https://index.example/a\nb",
        "https://index.example/a%7F",
        "https://index.example/a%",
        "https://index.example/a%zz",
        "https://index.example/\ud800",
        "file://:80/a",
    ],
)
def test_what_could_be_read_two_ways_is_refused(url: str) -> None:
    with pytest.raises(MalformedError):
        normalise_url(url)


@given(st.text(st.sampled_from("abAB/.:?%#@[]\\ é&=+~2eEfF5cC0"), max_size=20))
def test_what_is_normal_stays_so(rest: str) -> None:
    try:
        normal = normalise_url("https://index.example/" + rest)
    except MalformedError:
        return
    assert normalise_url(normal) == normal
    assert normal.startswith("https://index.example/")
    assert "//" not in normal.removeprefix("https://").partition("?")[0]
