"""Reading pages in HTML."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError
from secure_fetch.index.html_page import parse_html
from secure_fetch.index.pages import PageFile, ProjectPage

from .strategies import PAGE_URL

SHA = "a" * 64


def read(body: str, *, url: str = PAGE_URL) -> ProjectPage:
    return parse_html(body.encode(), project="foo", url=url)


def one(body: str) -> PageFile:
    (file,) = read(body).files
    return file


def test_a_page_as_an_index_writes_it() -> None:
    found = read(
        f"""<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3">
        <title>Links for foo</title></head><body><h1>Links for foo</h1>
        <a href="../../packages/foo-1.0.tar.gz#sha256={SHA}" data-requires-python="&gt;=3.7" >foo-1.0.tar.gz</a><br/>
        <a href="https://files.example/foo-1.0-py3-none-any.whl" data-yanked="bad">foo-1.0-py3-none-any.whl</a><br />
        </body></html><!--SERIAL 123-->"""
    )
    assert (found.name, found.api_version) == ("foo", "1.3")
    assert found.files == (
        PageFile(
            filename="foo-1.0.tar.gz",
            url="https://index.example/root/packages/foo-1.0.tar.gz",
            hashes={"sha256": SHA},
            requires_python=">=3.7",
        ),
        PageFile(
            filename="foo-1.0-py3-none-any.whl",
            url="https://files.example/foo-1.0-py3-none-any.whl",
            hashes={},
            yanked="bad",
        ),
    )


def test_a_page_that_says_no_version_has_the_first() -> None:
    assert read("").api_version == "1.0"


@pytest.mark.parametrize(
    ("fragment", "hashes"),
    [
        ("", {}),
        ("#", {}),
        (f"#sha256={SHA.upper()}", {"sha256": SHA}),
        (f"#sha256={SHA}&md5={'b' * 32}", {"sha256": SHA, "md5": "b" * 32}),
        (f"#egg=foo&sha256={SHA}&sha256={SHA}", {"sha256": SHA}),
        ("#sha256=short", {}),
        (f"#{SHA}", {}),
    ],
)
def test_hashes_stand_in_the_fragment(fragment: str, hashes: dict[str, str]) -> None:
    assert one(f"<a href='foo-1.0.tar.gz{fragment.replace('&', '&amp;')}'>").hashes == hashes


def test_two_hashes_of_one_algorithm_are_refused() -> None:
    with pytest.raises(MalformedError, match="two sha256 hashes"):
        read(f"<a href='foo-1.0.tar.gz#sha256={SHA}&amp;sha256={'b' * 64}'>x</a>")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", None),
        ("data-core-metadata", True),
        ('data-core-metadata="true"', True),
        ('data-core-metadata="false" data-dist-info-metadata="true"', False),
        (f'data-core-metadata="sha256={SHA}"', {"sha256": SHA}),
        (f'data-dist-info-metadata="sha256={SHA}"', {"sha256": SHA}),
        ('data-dist-info-metadata="sha256=short"', True),
    ],
)
def test_core_metadata(attributes: str, expected: object) -> None:
    assert one(f'<a href="foo-1.0.tar.gz" {attributes}>foo-1.0.tar.gz</a>').core_metadata == expected


@pytest.mark.parametrize(
    ("attributes", "yanked"), [("", None), ("data-yanked", ""), ('data-yanked=""', ""), ("data-yanked='a&#x1b;'", "a")]
)
def test_yanked(attributes: str, yanked: str | None) -> None:
    assert one(f'<a href="foo-1.0.tar.gz" {attributes}>').yanked == yanked


@pytest.mark.parametrize(
    ("attributes", "gpg_sig"),
    [("", None), ("data-gpg-sig='true'", True), ("data-gpg-sig='false'", False), ("data-gpg-sig", None)],
)
def test_gpg_sig(attributes: str, gpg_sig: bool | None) -> None:
    assert one(f"<a href='foo-1.0.tar.gz' {attributes}>").gpg_sig is gpg_sig


def test_provenance_is_joined_and_may_be_empty() -> None:
    assert one("<a href='foo-1.0.tar.gz' data-provenance=''>").provenance is None
    assert one("<a href='foo-1.0.tar.gz' data-provenance='/p'>").provenance == "https://index.example/p"


def test_the_name_is_the_end_of_the_url_and_not_the_text() -> None:
    assert one("<a href='x/foo-1.0%2Blocal.tar.gz?q=/y#z'>bar-9.tar.gz</a>").filename == "foo-1.0+local.tar.gz"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "mailto:a@b.example",
        "file:///etc/passwd",
        "ftp://index.example/foo-1.0.tar.gz",
        "..",
        "../",
        "",
        "#top",
        "https://index.example",
        "https://index.example?q",
        "vbscript:x",
    ],
)
def test_links_to_no_file_are_left_out(link: str) -> None:
    assert read(f"<a href='{link}'>x</a><a name='top'>x</a>").files == ()


@pytest.mark.parametrize(
    "link",
    [
        "a%2Fb",
        "a%5Cb",
        "a\\b",
        "%2e%2e",
        "a%00b",
        "a&#10;b",
        "%ff",
        "http://[::1/x",
        "http://index.example:99999x/x",
        "https:///x",
        "https://ìndex.example/x",
        "//user@/x",
        "//[/x",
        "https:foo",
    ],
)
def test_hostile_links_are_refused(link: str) -> None:
    with pytest.raises(MalformedError):
        read(f"<a href='{link}'>x</a>", url="http://index.example/simple/foo/")


def test_a_page_on_disk_links_to_files_on_disk() -> None:
    (file,) = read("<a href='../x/foo-1.0.tar.gz'>", url="file:///srv/simple/foo/index.html").files
    assert file.url == "file:///srv/simple/x/foo-1.0.tar.gz"


def test_the_first_base_counts_wherever_it_stands() -> None:
    found = read("<a href='foo-1.0.tar.gz'></a><base target='x'><base href='/files/'><base href='/others/'>")
    assert found.files[0].url == "https://index.example/files/foo-1.0.tar.gz"


def test_a_base_on_the_network_does_not_forbid_files_on_disk_to_a_page_on_disk() -> None:
    found = read("<base href='https://index.example/'><a href='file:///srv/a'></a>", url="file:///srv/simple/foo/")
    assert found.files[0].url == "file:///srv/a"


@pytest.mark.parametrize("base", ["javascript:x", "data:,", "file:///etc/", "http://[", "a\\b"])
def test_a_hostile_base_is_refused(base: str) -> None:
    with pytest.raises(MalformedError):
        read(f"<base href='{base}'><a href='foo-1.0.tar.gz'>x</a>")


def test_what_the_page_says_of_itself() -> None:
    found = read(
        '<meta name="pypi:project-status" content="quarantined"><meta name="pypi:project-status-reason" content="why">'
        '<meta name="pypi:tracks" content="a"><meta name="pypi:tracks" content="b"><meta charset="utf-8"><meta name>'
        '<meta name="pypi:alternate-locations" content="c"><meta name="generator" content="x">'
    )
    assert (found.status, found.status_reason) == ("quarantined", "why")
    assert (found.tracks, found.alternate_locations) == (("a", "b"), ("c",))


@pytest.mark.parametrize(
    "body",
    [
        '<meta name="pypi:repository-version" content="2.0">',
        '<meta name="pypi:repository-version">',
        '<meta name="pypi:repository-version" content="1.0"><meta name="pypi:repository-version" content="1.1">',
        '<meta name="pypi:project-status" content="a"><meta name="pypi:project-status" content="b">',
        "<a href='foo-1.0.tar.gz'></a><a href='/x/foo-1.0.tar.gz'></a>",
        "<a href='foo-1.0.tar.gz' href='foo-2.0.tar.gz'></a>",
        '<a href="foo-1.0.tar.gz" href="foo-2.0.tar.gz"></a>',
    ],
)
def test_pages_that_contradict_themselves_are_refused(body: str) -> None:
    with pytest.raises(MalformedError):
        read(body)


def test_a_project_that_cannot_be_is_refused() -> None:
    with pytest.raises(MalformedError):
        parse_html(b"", project="..", url=PAGE_URL)


PIECES = st.sampled_from(
    [
        "<a ",
        "<a href='",
        '<a href="',
        "'",
        '"',
        ">",
        "</a>",
        "<base href=",
        '<meta name="pypi:',
        'project-status"',
        ' content="x"',
        "foo-1.0.tar.gz",
        "#sha256=",
        "data-yanked",
        "=",
        " ",
        "&",
        "&#",
        "&#x110000;",
        "&#99999999999;",
        "%2F",
        "..",
        "/",
        "\\",
        "<!--",
        "-->",
        "<![",
        "]]>",
        "<!",
        "<?",
        "</",
        "<script>",
        "</script>",
        "javascript:",
        "http://",
        "[",
        "]",
        "@",
        ":",
        "\x00",
        "\ud7ff",
        "é",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_html_of_any_shape_is_a_page_or_malformed(body: str) -> None:
    with contextlib.suppress(MalformedError):
        assert read(body).name == "foo"
