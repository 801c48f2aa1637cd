"""The two readers of HTML: they agree, and neither can be kept busy."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError
from secure_fetch.index import html_tags
from secure_fetch.index.html_tags import Tags, read_tags
from secure_fetch.index.pages import ProjectPage, parse_html, render_html

from .strategies import PAGES


def test_what_indexes_write_is_read_the_fast_way() -> None:
    warehouse = (
        '<!DOCTYPE html>\n<html>\n  <head>\n    <meta name="pypi:repository-version" content="1.0">\n'
        "    <title>Links for foo</title>\n  </head>\n  <body>\n    <h1>Links for foo</h1>\n"
        '<a href="https://files.example/foo-1.0.tar.gz#sha256=00" data-requires-python="&gt;=3.7" >foo-1.0.tar.gz</a>'
        "<br />\n</body>\n</html>\n"
    )
    tags = html_tags._plain(warehouse)
    assert tags is not None
    assert tags.anchors == [{"href": "https://files.example/foo-1.0.tar.gz#sha256=00", "data-requires-python": ">=3.7"}]
    assert tags.metas == [{"name": "pypi:repository-version", "content": "1.0"}]


@given(PAGES)
def test_both_readers_agree_on_what_is_written_here(page: ProjectPage) -> None:
    text = render_html(page).decode()
    fast = html_tags._plain(text)
    assert fast is None or fast == html_tags._general(text, "the page")


PIECES = st.sampled_from(
    [
        '<a href="x">',
        '<a href="x" >',
        '<a\nhref="x"\n>',
        "<a>",
        "</a>",
        "<br>",
        "<br/>",
        "<br />",
        '<meta name="a" content="&quot;&#39;&amp;amp;"/>',
        '<a href="&lt;" b="&gt;">',
        '<a href="&ltx">',
        '<a HREF="x">',
        '<A href="x">',
        "<a href=x>",
        '<a href="x" href="y">',
        '<a  b="">',
        '<a href="a"b="c">',
        "<title>",
        "</title>",
        "<title>x</title>",
        '<html lang="x">',
        "<p>",
        "</p>",
        "<h1>",
        "<ul>",
        "<li>",
        "<!DOCTYPE html>",
        "<!doctype html>",
        "<!DOCTYPE a b>",
        "<!-- x -->",
        "text",
        "&amp;",
        "&#x41;",
        "& ",
        ">",
        '"',
        "'",
        " ",
        "\n",
        "\x00",
        "<script>",
        "</script>",
        "<textarea>",
        "<plaintext>",
        '<base href="x">',
        "<svg>",
        "<?x>",
        "<![CDATA[x]]>",
        "</ a>",
        '</a b="c">',
        "<br//>",
        "<a/>",
        "<a / >",
        "\x0c",
        "\r",
    ]
)


@given(st.lists(PIECES, max_size=10).map("".join))
def test_both_readers_agree_on_what_both_read(text: str) -> None:
    fast = html_tags._plain(text)
    if fast is not None:
        assert fast == html_tags._general(text, "the page")


def test_anything_else_is_read_the_general_way() -> None:
    text = "<p class=x><A HREF='a&amp;b'>1</A><!-- <a href='no'> --><script><a href='no'></script><base href=/c><base>"
    assert html_tags._plain(text) is None
    assert read_tags(text.encode(), "the page") == Tags([{"href": "a&b"}], [], ["/c"])


def test_a_base_without_a_value_is_empty() -> None:
    assert read_tags(b"<base href=''>", "the page").bases == [""]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"<a href='x'",
        b"<!-- x",
        b"<script>x",
        b"<a href='x'>x</a",
        b"<![x",
        b"<![bogus[x]]>",
        b"<a href='&#" + b"9" * 5_000 + b";'>",
        b"<a x=1 X=2>",
        b"<meta a a>",
        b"<" * (html_tags.MAX_TAGS + 1),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_has_no_end_or_no_meaning_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        read_tags(data, "the page")


def test_text_may_end_in_half_a_character_reference() -> None:
    assert read_tags(b"<b>x &am", "the page") == Tags()


@pytest.mark.parametrize(
    "piece",
    [
        "<a x='",
        '<a x="',
        "<a x=",
        "<!--",
        "<!-- -",
        "<![",
        "<!x",
        "<?",
        "</",
        "</>",
        "<a ",
        "<a a a",
        "&#",
        "< ",
        "<",
        "<a\n\n",
    ],
)
def test_nothing_takes_time_in_the_square_of_its_length(piece: str) -> None:
    page = (piece * (1_000_000 // len(piece))).encode()
    start = time.process_time()
    for data in (page, page + b">", b"<a " + page):
        try:
            read_tags(data, "the page")
        except MalformedError:
            continue
    assert time.process_time() - start < 30, "in the square of the length it would be many minutes"


def test_a_hundred_thousand_links_take_seconds() -> None:
    links = "".join(
        f'<a href="../../packages/foo-{number}.0.tar.gz#sha256={number:064x}">foo-{number}.0.tar.gz</a><br/>\n'
        for number in range(100_000)
    )
    start = time.process_time()
    page = parse_html(links.encode(), project="foo", url="https://index.example/simple/foo/")
    assert len(page.files) == 100_000
    assert time.process_time() - start < 10, "about one second on an idle machine"
