"""Both formats, both ways: what was written reads as the same page again."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError, UsageError
from secure_fetch.index.pages import (
    PageFile,
    ProjectPage,
    belongs,
    parse,
    parse_html,
    parse_json,
    render_html,
    render_json,
    render_project_list_html,
    render_project_list_json,
)

from .strategies import PAGE_URL, PAGES, as_in_html


@given(PAGES)
def test_json_carries_every_field(page: ProjectPage) -> None:
    assert parse_json(render_json(page), project=page.name, url=page.url) == page


@given(PAGES)
def test_html_carries_every_field_it_has_a_place_for(page: ProjectPage) -> None:
    assert parse_html(render_html(page), project=page.name, url=page.url) == as_in_html(page)


@given(PAGES)
def test_writing_is_deterministic(page: ProjectPage) -> None:
    again = parse_json(render_json(page), project=page.name, url=page.url)
    assert render_json(again) == render_json(page)
    assert render_html(again) == render_html(page)


@given(st.binary(max_size=200), st.sampled_from(("html", "json")))
def test_any_bytes_are_a_page_or_malformed(data: bytes, content_type: Literal["html", "json"]) -> None:
    try:
        page = parse(data, project="foo", url=PAGE_URL, content_type=content_type)
    except MalformedError:
        return
    assert page.url == PAGE_URL


@given(PAGES, st.data())
def test_a_damaged_page_is_a_page_or_malformed(page: ProjectPage, data: st.DataObject) -> None:
    for content_type, rendered in (("html", render_html(page)), ("json", render_json(page))):
        start = data.draw(st.integers(0, len(rendered)))
        end = data.draw(st.integers(start, min(len(rendered), start + 5)))
        damaged = rendered[:start] + data.draw(st.binary(max_size=5)) + rendered[end:]
        try:
            parse(damaged, project=page.name, url=page.url, content_type="html" if content_type == "html" else "json")
        except MalformedError:
            continue


FULL = ProjectPage(
    name="Foo",
    url=PAGE_URL,
    files=(
        PageFile(
            filename="foo-1.0+local.tar.gz",
            url="https://index.example/root/packages/aa/bb/foo-1.0%2Blocal.tar.gz",
            hashes={"sha512": "b" * 128, "sha256": "a" * 64},
            requires_python=">=3.8",
            yanked='it "broke" <things> & more',
            core_metadata={"sha256": "c" * 64},
            size=1024,
            upload_time="2024-02-29T12:00:00.123456Z",
            gpg_sig=True,
            provenance="https://index.example/integrity/foo/provenance",
        ),
        PageFile(
            filename="foo-2.0-py3-none-any.whl",
            url="https://files.example/foo-2.0-py3-none-any.whl",
            hashes={},
            core_metadata=True,
            yanked="",
            gpg_sig=False,
        ),
    ),
    versions=("1.0+local", "2.0"),
    api_version="1.4",
    status="archived",
    status_reason="see <bar>",
    alternate_locations=("https://other.example/simple/foo/",),
    tracks=("https://tracked.example/simple/foo/",),
)

FULL_HTML = f"""\
<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <meta name="pypi:repository-version" content="1.4">
    <meta name="pypi:project-status" content="archived">
    <meta name="pypi:project-status-reason" content="see &lt;bar&gt;">
    <meta name="pypi:alternate-locations" content="https://other.example/simple/foo/">
    <meta name="pypi:tracks" content="https://tracked.example/simple/foo/">
    <title>Links for Foo</title>
  </head>
  <body>
    <h1>Links for Foo</h1>
    <a href="../../packages/aa/bb/foo-1.0%2Blocal.tar.gz#sha256={"a" * 64}" data-requires-python="&gt;=3.8" \
data-yanked="it &quot;broke&quot; &lt;things&gt; &amp; more" data-core-metadata="sha256={"c" * 64}" \
data-dist-info-metadata="sha256={"c" * 64}" data-gpg-sig="true" \
data-provenance="https://index.example/integrity/foo/provenance">foo-1.0+local.tar.gz</a><br />
    <a href="https://files.example/foo-2.0-py3-none-any.whl" data-yanked="" data-core-metadata="true" \
data-dist-info-metadata="true" data-gpg-sig="false">foo-2.0-py3-none-any.whl</a><br />
  </body>
</html>
"""


def test_a_page_in_html() -> None:
    assert render_html(FULL).decode() == FULL_HTML


def test_a_page_in_json() -> None:
    assert json.loads(render_json(FULL)) == {
        "meta": {"api-version": "1.4", "tracks": ["https://tracked.example/simple/foo/"]},
        "name": "Foo",
        "alternate-locations": ["https://other.example/simple/foo/"],
        "project-status": {"status": "archived", "reason": "see <bar>"},
        "versions": ["1.0+local", "2.0"],
        "files": [
            {
                "filename": "foo-1.0+local.tar.gz",
                "url": "../../packages/aa/bb/foo-1.0%2Blocal.tar.gz",
                "hashes": {"sha256": "a" * 64, "sha512": "b" * 128},
                "requires-python": ">=3.8",
                "yanked": 'it "broke" <things> & more',
                "core-metadata": {"sha256": "c" * 64},
                "size": 1024,
                "upload-time": "2024-02-29T12:00:00.123456Z",
                "gpg-sig": True,
                "provenance": "https://index.example/integrity/foo/provenance",
            },
            {
                "filename": "foo-2.0-py3-none-any.whl",
                "url": "https://files.example/foo-2.0-py3-none-any.whl",
                "hashes": {},
                "core-metadata": True,
                "yanked": True,
                "gpg-sig": False,
            },
        ],
    }


def test_a_page_without_anything() -> None:
    page = ProjectPage(name="foo", url=PAGE_URL, files=())
    assert render_json(page) == b'{"files":[],"meta":{"api-version":"1.0"},"name":"foo"}\n'
    assert parse(render_html(page), project="foo", url=PAGE_URL, content_type="html") == page


def test_the_root_of_an_index() -> None:
    names = ["zope.interface", "Flask", "flask", "a_b"]
    assert json.loads(render_project_list_json(names)) == {
        "meta": {"api-version": "1.0"},
        "projects": [{"name": "a_b"}, {"name": "flask"}, {"name": "zope.interface"}],
    }
    html = render_project_list_html(names).decode()
    links = [line.strip() for line in html.splitlines() if "<a " in line]
    assert links == [
        '<a href="a-b/">a_b</a><br />',
        '<a href="flask/">flask</a><br />',
        '<a href="zope-interface/">zope.interface</a><br />',
    ]


@pytest.mark.parametrize("render", [render_project_list_html, render_project_list_json])
def test_the_root_of_an_index_has_legal_names_only(render: object) -> None:
    assert callable(render)
    with pytest.raises(UsageError):
        render(["../etc"])


def test_which_files_belong_is_said_here_too() -> None:
    assert belongs("foo-1.0.tar.gz", "Foo")
    assert not belongs("foo-1.0.tar.gz", "bar")
