"""The catalog: one name for one content, and the same bytes for the same files."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import NotFoundError, StoreError, UsageError
from secure_fetch.signing.catalog import Catalog, CatalogFile, page

FILE = CatalogFile(
    filename="demo-1.0-py3-none-any.whl",
    project="demo",
    version="1.0",
    path=f"packages/aa/bb/{'c' * 60}/demo-1.0-py3-none-any.whl",
    length=3,
    hashes={"sha256": "1" * 64, "blake2b-256": f"aabb{'c' * 60}"},
    upload_time="2030-01-01T00:00:00Z",
    requires_python=">=3.8",
    metadata={"length": 2, "hashes": {"sha256": "2" * 64}},
)
SDIST = replace(FILE, filename="demo-1.0.tar.gz", path=f"packages/aa/bb/{'d' * 60}/demo-1.0.tar.gz", metadata=None)


def test_a_catalog_reads_back_as_it_was_written() -> None:
    catalog, new = Catalog({}).with_files([SDIST, FILE])
    assert new == (SDIST, FILE)
    data = catalog.to_bytes()
    again = Catalog.from_bytes(data, "catalog.json")
    assert again.files == {FILE.filename: FILE, SDIST.filename: SDIST}
    assert again.to_bytes() == data == Catalog({}).with_files([FILE, SDIST])[0].to_bytes()


def test_the_same_file_again_is_not_new() -> None:
    catalog, _ = Catalog({}).with_files([FILE])
    later = replace(FILE, upload_time="2031-01-01T00:00:00Z")
    same, new = catalog.with_files([later, later])
    assert new == ()
    assert same.files == {FILE.filename: FILE}


def test_a_name_with_other_content_is_refused() -> None:
    other = replace(FILE, hashes={**FILE.hashes, "sha256": "3" * 64})
    for files in ([FILE], [other]), ([], [FILE, other]):
        catalog, _ = Catalog({}).with_files(files[0])
        with pytest.raises(UsageError, match="is here already, with other content"):
            catalog.with_files(files[1])


def test_names_that_differ_in_case_only_are_refused() -> None:
    catalog, _ = Catalog({}).with_files([SDIST])
    with pytest.raises(UsageError, match=r"Demo-1\.0\.tar\.gz was not added: demo-1\.0\.tar\.gz is here already\."):
        catalog.with_files([replace(SDIST, filename="Demo-1.0.tar.gz")])


def test_files_are_taken_out_by_name() -> None:
    catalog, _ = Catalog({}).with_files([FILE, SDIST])
    assert catalog.without([FILE.filename, FILE.filename]).files == {SDIST.filename: SDIST}
    with pytest.raises(NotFoundError, match=r"absent\.whl is not in this repository"):
        catalog.without([FILE.filename, "absent.whl"])


def test_a_wheel_makes_two_targets() -> None:
    assert FILE.targets() == {
        FILE.path: {"length": 3, "hashes": dict(FILE.hashes)},
        f"{FILE.path}.metadata": {"length": 2, "hashes": {"sha256": "2" * 64}},
    }
    assert list(SDIST.targets()) == [SDIST.path]


def test_versions_on_a_page_are_in_the_order_of_pep_440() -> None:
    files = [replace(FILE, version=version) for version in ("1.10", "1.9", "1.10rc1", "1.9")]
    named = [replace(file, filename=f"x{number}-1.whl", path=f"p/x{number}-1.whl") for number, file in enumerate(files)]
    assert page("demo", named).versions == ("1.9", "1.10rc1", "1.10")


def test_a_file_name_is_quoted_in_its_url() -> None:
    name = "demo-1!2.0+local.1-py3-none-any.whl"
    [file] = page("demo", [replace(FILE, filename=name, path=f"packages/{name}")]).files
    assert file.url.endswith("/packages/demo-1%212.0%2Blocal.1-py3-none-any.whl")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "files": [{}]}',
        b'{"format": 1, "files": [{"filename": 1}]}',
    ],
)
def test_a_damaged_catalog_is_an_error_of_the_disk(data: bytes) -> None:
    with pytest.raises(StoreError, match=r"catalog\.json: it is damaged"):
        Catalog.from_bytes(data, "catalog.json")


def test_a_catalog_of_a_later_format_is_not_guessed_at() -> None:
    with pytest.raises(StoreError, match="its format is 2, and this version reads 1"):
        Catalog.from_bytes(json.dumps({"format": 2}).encode(), "catalog.json")


@given(data=st.binary(max_size=100))
def test_any_bytes_are_an_error_of_the_disk(data: bytes) -> None:
    with pytest.raises(StoreError):
        Catalog.from_bytes(data, "catalog.json")
