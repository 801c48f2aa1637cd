"""Names of projects and of files."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from secure_fetch.errors import UsageError
from secure_fetch.index.distributions import belongs, normalise, project_name, read, version_of

from .strategies import PROJECTS


@given(PROJECTS)
def test_legal_names_are_normalised(name: str) -> None:
    normal = project_name(name)
    assert project_name(normal) == normal == normalise(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "-a", "a-", "a\n", "\u212a", "\u017f", "a b", "é", "a" * 256, "a\x00b"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        project_name(name)


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("foo-1.0-py3-none-any.whl", "foo", "1.0"),
        ("foo_bar-1.0-2b-py2.py3-none-any.whl", "foo-bar", "1.0"),
        ("Foo.Bar-1.0.tar.gz", "foo-bar", "1.0"),
        ("foo-bar-1.0.zip", "foo-bar", "1.0"),
        ("foo-1.0.tgz", "foo", "1.0"),
        ("foo-1.0.tar.bz2", "foo", "1.0"),
        ("foo-1-1.tar.gz", "foo", "1.post1"),
        ("foo-1-1.tar.gz", "foo-1", "1"),
        ("foo-1.0-1.tar.gz", "foo", "1.0.post1"),
        ("foo-1.0-py2.7.egg", "foo", "1.0"),
        ("foo-1.0-py2.7-linux-x86_64.egg", "foo", "1.0"),
        ("foo-1.0.win32-py2.7.exe", "foo", "1.0"),
        ("foo-1.0.win-amd64.msi", "foo", "1.0"),
        ("foo-1.0-1.noarch.rpm", "foo", "1.0"),
    ],
)
def test_files_that_belong(filename: str, project: str, version: str) -> None:
    assert belongs(filename, project)
    assert belongs(filename, project.upper())
    assert version_of(filename, project) == Version(version)


@pytest.mark.parametrize(
    ("filename", "project"),
    [
        ("foo-1.0-py3-none-any.whl", "bar"),
        ("foo_bar-1.0-py3-none-any.whl", "foo"),
        ("foo-bar-1.0.tar.gz", "foo"),
        ("foo-bar-1.0.tar.gz", "bar"),
        ("foo-1.0.tar.gz", "fo"),
        ("foo-latest.tar.gz", "foo"),
        ("foo-1.0.tar.gz.asc", "foo"),
        ("foo.tar.gz", "foo"),
        ("-1.0.tar.gz", ""),
        ("foo-1.0-py3-none.whl", "foo"),
        ("foo-x-py3-none-any.whl", "foo"),
        ("foo-1.0-x1-py3-none-any.whl", "foo"),
        ("é-1.0-py3-none-any.whl", "é"),
        ("foo-1.0.txt", "foo"),
        ("foo-x-py2.7.egg", "foo"),
        ("bar-1.0-py2.7.egg", "foo"),
        (f"foo-{'9' * 5000}.tar.gz", "foo"),
    ],
)
def test_files_that_do_not_belong(filename: str, project: str) -> None:
    assert not belongs(filename, project)
    assert version_of(filename, project) is None


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("foo-1.0-py3-none-any.whl", "1.0"),
        ("foo-bar-1.0rc1.tar.gz", "1.0rc1"),
        ("foo-1.0.tar.xz", "1.0"),
        ("foo-1.0-py2.7.egg", None),
        ("-1.0.tar.gz", None),
        ("foo.tar.gz", None),
        ("foo", None),
    ],
)
def test_the_version_of_a_file_of_any_project(filename: str, version: str | None) -> None:
    assert version_of(filename) == (None if version is None else Version(version))


def test_what_a_wheel_runs_on() -> None:
    found = read("foo-1.0-3x-cp310.cp311-abi3-manylinux_2_17_x86_64.whl")
    assert found is not None
    assert (found.kind, found.build) == ("wheel", (3, "x"))
    assert {str(tag) for tag in found.tags} == {"cp310-abi3-manylinux_2_17_x86_64", "cp311-abi3-manylinux_2_17_x86_64"}


def test_a_name_that_stands_for_millions_of_tags_is_not_read() -> None:
    part = ".".join(f"t{number}" for number in range(60))
    start = time.process_time()
    assert read(f"foo-1.0-{part}-{part}-{part}.whl") is None
    assert time.process_time() - start < 5


@given(
    st.text(st.sampled_from("foo-1.0_py3nane!whltargzip+é\x00"), max_size=30),
    st.sampled_from((".whl", ".tar.gz", ".egg", "")),
)
def test_any_name_is_read_or_not(stem: str, suffix: str) -> None:
    for project in (None, "foo"):
        found = read(stem + suffix, project)
        assert found is None or project in (None, found.project)
