"""Reading pages in JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError
from secure_fetch.index.json_page import parse_json
from secure_fetch.index.pages import PageFile, ProjectPage

from .strategies import PAGE_URL

ENTRY = {"filename": "foo-1.0.tar.gz", "url": "foo-1.0.tar.gz", "hashes": {"sha256": "a" * 64}}


def page(**fields: Any) -> dict[str, Any]:
    return {"meta": {"api-version": "1.1"}, "name": "foo", "files": [], **fields}


def read(document: object, *, project: str = "foo") -> ProjectPage:
    return parse_json(json.dumps(document).encode(), project=project, url=PAGE_URL)


def read_file(**fields: Any) -> PageFile:
    return read(page(files=[{**ENTRY, **fields}])).files[0]


def test_a_page_as_an_index_writes_it() -> None:
    found = read(
        page(
            meta={"_last-serial": 10, "api-version": "1.4", "tracks": ["https://t.example/"]},
            versions=["1.0"],
            files=[{**ENTRY, "unknown": {"a": [None]}, "size": 3, "upload-time": "2024-01-01T00:00:00Z"}],
            **{"project-status": {"status": "archived"}, "alternate-locations": ["https://a.example/"]},
        )
    )
    assert found.api_version == "1.4"
    assert found.versions == ("1.0",)
    assert (found.status, found.status_reason) == ("archived", None)
    assert found.tracks == ("https://t.example/",)
    assert found.alternate_locations == ("https://a.example/",)
    assert found.files[0].url == "https://index.example/root/simple/foo/foo-1.0.tar.gz"
    assert found.files[0].size == 3


def test_names_are_compared_normalised() -> None:
    assert read(page(name="Zope.Interface"), project="zope_interface").name == "Zope.Interface"
    with pytest.raises(MalformedError, match="it is the page of 'bar'"):
        read(page(name="bar"))


def test_null_is_the_same_as_no_field() -> None:
    names = ("requires-python", "yanked", "core-metadata", "size", "upload-time", "gpg-sig", "provenance", "hashes")
    found = read_file(**dict.fromkeys(names))
    assert found == PageFile(filename=found.filename, url=found.url, hashes={})
    whole = read(page(versions=None, tracks=None, **{"project-status": None, "alternate-locations": None}))
    assert (whole.versions, whole.status, whole.alternate_locations) == (None, None, ())


def test_an_empty_list_of_versions_is_not_no_list() -> None:
    assert read(page(versions=[])).versions == ()


@pytest.mark.parametrize(("value", "yanked"), [(False, None), (True, ""), ("", ""), ("bad\r\n", "bad\n")])
def test_yanked(value: object, yanked: str | None) -> None:
    assert read_file(yanked=value).yanked == yanked


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"core-metadata": True}, True),
        ({"core-metadata": False, "dist-info-metadata": True}, False),
        ({"dist-info-metadata": {"sha256": "B" * 64}}, {"sha256": "b" * 64}),
        ({"core-metadata": None, "dist-info-metadata": True}, True),
        ({"core-metadata": {}}, True),
        ({"core-metadata": {"sha256": "short"}}, True),
    ],
)
def test_core_metadata(fields: dict[str, Any], expected: object) -> None:
    assert read_file(**fields).core_metadata == expected


def test_hashes_that_are_none_vouch_for_nothing() -> None:
    assert read_file(hashes={"sha256": "zz", "md5": "C" * 32}).hashes == {"md5": "c" * 32}


def test_the_fragment_of_a_url_is_dropped() -> None:
    assert read_file(url="/x/foo-1.0.tar.gz#sha256=00").url == "https://index.example/x/foo-1.0.tar.gz"


def test_a_provenance_that_cannot_be_fetched_is_left_out() -> None:
    assert read_file(provenance="data:,x").provenance is None
    assert read_file(provenance="/p").provenance == "https://index.example/p"


@pytest.mark.parametrize(
    "fields",
    [
        {"url": None},
        {"url": 1},
        {"url": "javascript:alert(1)/foo-1.0.tar.gz"},
        {"url": "data:,foo-1.0.tar.gz"},
        {"url": "file:///etc/foo-1.0.tar.gz"},
        {"url": "http://[/foo-1.0.tar.gz"},
        {"url": "https:///foo-1.0.tar.gz"},
        {"url": "x\\foo-1.0.tar.gz"},
        {"url": "foo-2.0.tar.gz"},
        {"filename": None},
        {"filename": "../foo-1.0.tar.gz"},
        {"hashes": []},
        {"hashes": {"sha256": 1}},
        {"requires-python": 3},
        {"yanked": 1},
        {"core-metadata": "true"},
        {"core-metadata": {"sha256": None}},
        {"size": True},
        {"size": "3"},
        {"size": -3},
        {"gpg-sig": "true"},
        {"upload-time": "yesterday"},
        {"provenance": 1},
    ],
)
def test_a_file_of_the_wrong_form_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        read_file(**fields)


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        {},
        page(meta=None),
        page(meta={}),
        page(meta={"api-version": 1}),
        page(meta={"api-version": "2.0"}),
        page(meta={"api-version": "1.2", "tracks": "x"}),
        page(name=None),
        page(name="foo/"),
        page(files=None),
        page(files={}),
        page(files=[[]]),
        page(files=[ENTRY, ENTRY]),
        page(versions="1.0"),
        page(versions=[1]),
        page(**{"project-status": "archived"}),
        page(**{"project-status": {"status": 1}}),
        page(**{"alternate-locations": [{}]}),
    ],
)
def test_a_page_of_the_wrong_form_is_refused(document: object) -> None:
    with pytest.raises(MalformedError):
        read(document)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf{}",
        b'{"meta":{"api-version":"1.0"},"name":"foo","name":"foo","files":[]}',
        b'{"meta":{"api-version":"1.0","x":NaN},"name":"foo","files":[]}',
        b'{"meta":{"api-version":"1.0"},"name":"foo","files":[]} x',
        b'{"meta":{"api-version":"1.0"},"name":"fo\xff","files":[]}',
        b'{"meta":{"api-version":"1.0"},"name":"foo\\ud800","files":[]}',
        b"[" * 1_000_000,
        b'{"x":' * 200_000,
        b"9" * 10_000,
    ],
    ids=["empty", "bom", "duplicate", "nan", "after", "utf-8", "surrogate", "deep list", "deep object", "integer"],
)
def test_json_is_strict(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_json(data, project="foo", url=PAGE_URL)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("meta", "name", "files", "versions", "project-status"), VALUES)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("filename", "url", "hashes", "yanked", "core-metadata"), VALUES)),
)
def test_json_of_any_shape_is_a_page_or_malformed(fields: dict[str, Any], entry: dict[str, Any]) -> None:
    for document in ({**page(), **fields}, page(files=[{**ENTRY, **entry}])):
        try:
            assert read(document).name
        except MalformedError:
            continue
