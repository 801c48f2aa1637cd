"""Choosing a file, and saying why there is none."""

from __future__ import annotations

import sys

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag

from secure_fetch.errors import NotFoundError, UsageError
from secure_fetch.index.choose import Environment, choose
from secure_fetch.index.pages import PageFile, ProjectPage

from .strategies import PAGE_URL

HERE = Environment(
    python_version="3.12.4",
    tags=(Tag("cp312", "cp312", "linux_x86_64"), Tag("cp312", "abi3", "linux_x86_64"), Tag("py3", "none", "any")),
)
ANY = "py3-none-any.whl"


def file(name: str, *, yanked: str | None = None, python: str | None = None) -> PageFile:
    url = f"https://index.example/{name}"
    return PageFile(filename=name, url=url, hashes={}, yanked=yanked, requires_python=python)


def page(*files: PageFile | str, status: str | None = None) -> ProjectPage:
    made = tuple(each if isinstance(each, PageFile) else file(each) for each in files)
    return ProjectPage(name="Foo", url=PAGE_URL, files=made, status=status)


def chosen(
    where: ProjectPage, requirement: str = "foo", *, allow_sdist: bool = True, prereleases: bool | None = None
) -> str:
    return choose(where, Requirement(requirement), HERE, allow_sdist=allow_sdist, prereleases=prereleases).filename


def why(
    where: ProjectPage, requirement: str = "foo", *, allow_sdist: bool = True, prereleases: bool | None = None
) -> str:
    with pytest.raises(NotFoundError) as caught:
        chosen(where, requirement, allow_sdist=allow_sdist, prereleases=prereleases)
    return caught.value.hint


def test_the_newest_version_wins() -> None:
    where = page("foo-1.10.tar.gz", f"foo-1.9-{ANY}", "foo-1.2.tar.gz")
    assert chosen(where) == "foo-1.10.tar.gz"
    assert chosen(where, "foo<1.10") == f"foo-1.9-{ANY}"
    assert chosen(where, allow_sdist=False) == f"foo-1.9-{ANY}"
    assert chosen(where, "FOO==1.2") == "foo-1.2.tar.gz"
    assert chosen(where, "foo===1.2") == "foo-1.2.tar.gz"


def test_the_most_specific_wheel_wins() -> None:
    abi3, own = "foo-1.0-cp37-abi3-linux_x86_64.whl", "foo-1.0-cp312-cp312-linux_x86_64.whl"
    both = "foo-1.0-cp311.cp312-abi3-linux_x86_64.whl"
    assert chosen(page("foo-1.0.tar.gz", own, f"foo-1.0-{ANY}")) == own
    assert chosen(page(f"foo-1.0-{ANY}", both)) == both
    assert chosen(page("foo-1.0.tar.gz", abi3)) == "foo-1.0.tar.gz"
    assert chosen(page("foo-1.0.zip", f"foo-1.0-{ANY}")) == f"foo-1.0-{ANY}"


def test_build_numbers_decide_between_equal_tags() -> None:
    assert chosen(page(f"foo-1.0-10-{ANY}", f"foo-1.0-{ANY}", f"foo-1.0-9-{ANY}")) == f"foo-1.0-10-{ANY}"


def test_the_last_of_equals_is_taken_as_in_pip() -> None:
    assert chosen(page("foo-1.0.tar.gz", "foo-1.0.zip")) == "foo-1.0.zip"


def test_prereleases_only_when_asked_for_or_alone() -> None:
    where = page("foo-1.0.tar.gz", "foo-2.0rc1.tar.gz", "foo-2.0.dev1.tar.gz")
    assert chosen(where) == "foo-1.0.tar.gz"
    assert chosen(where, "foo>=1.5") == "foo-2.0rc1.tar.gz"
    assert chosen(where, "foo>=1.0rc1") == "foo-2.0rc1.tar.gz"
    assert chosen(where, prereleases=True) == "foo-2.0rc1.tar.gz"
    assert chosen(where, "foo>=1.0rc1", prereleases=False) == "foo-1.0.tar.gz"
    hint = why(where, "foo>=1.5", prereleases=False)
    assert "Only pre-releases fit: 2.0rc1, 2.0.dev1." in hint


def test_yanked_files_only_when_pinned() -> None:
    where = page(file("foo-2.0.tar.gz", yanked="it broke\x21"), file(f"foo-2.0-{ANY}", yanked=""), "foo-1.0.tar.gz")
    assert chosen(where) == "foo-1.0.tar.gz"
    assert chosen(where, "foo==2.0") == f"foo-2.0-{ANY}"
    assert chosen(where, "foo===2.0") == f"foo-2.0-{ANY}"
    for unpinned in ("foo>1", "foo==2.*", "foo~=2.0"):
        hint = why(where, unpinned)
        assert "was withdrawn (yanked): 2.0." in hint
        assert "'it broke!'" in hint
        assert "==" in hint


def test_a_file_of_the_same_version_that_is_not_yanked_is_preferred() -> None:
    where = page(file(f"foo-1.0-{ANY}", yanked=""), "foo-1.0.tar.gz")
    assert chosen(where, "foo==1.0") == "foo-1.0.tar.gz"


def test_yanked_final_versions_do_not_let_prereleases_in() -> None:
    where = page(file("foo-1.0.tar.gz", yanked=""), "foo-2.0rc1.tar.gz")
    assert "yanked" in why(where)


def test_files_for_other_pythons_are_left_out() -> None:
    where = page(file("foo-2.0.tar.gz", python=">=3.13"), file("foo-1.0.tar.gz", python=">=3.8,<4"))
    assert chosen(where) == "foo-1.0.tar.gz"
    assert "Files of 2.0 need another Python than 3.12.4." in why(where, "foo>1")


@pytest.mark.parametrize("python", ["", "nonsense", ">=3.8.*", ">=" + "9" * 5_000, ">=3," * 1_000])
def test_what_cannot_be_read_restricts_nothing(python: str) -> None:
    assert chosen(page(file("foo-1.0.tar.gz", python=python))) == "foo-1.0.tar.gz"


def test_files_of_other_projects_and_formats_are_not_considered() -> None:
    where = page(
        "foo-1.0.tar.gz", "foo_bar-2.0.tar.gz", "foo-bar-3.0.tar.gz", "foo-4.0-py2.7.egg", "foo-5.0.tar.gz.asc"
    )
    assert chosen(where) == "foo-1.0.tar.gz"
    strange = page("foo_bar-2.0.tar.gz", "foo-4.0-py2.7.egg")
    assert why(strange) == "None of its 2 files is a wheel or an sdist of Foo with a valid version."


def test_an_empty_page_says_so() -> None:
    assert why(page()) == "It lists no files."
    assert why(page(status="quarantined")).startswith("The project is marked as 'quarantined'.")
    assert why(page(status="active")) == "It lists no files."


def test_the_nearest_versions_are_named() -> None:
    where = page(*(f"foo-{number}.0.tar.gz" for number in range(1, 21)))
    assert why(where, "foo==10.5") == "No version fits; the nearest of 20 are 9.0, 10.0, 11.0, 12.0, 13.0."
    assert "16.0, 17.0, 18.0, 19.0, 20.0." in why(where, "foo>99")
    assert "1.0, 2.0, 3.0, 4.0, 5.0." in why(where, "foo<1")
    assert "nearest of 20" in why(where, "foo===what")
    assert why(page("foo-1.0.tar.gz"), "foo==2.*") == "No version fits; the only one is 1.0."


def test_other_platforms_and_source_distributions_are_named() -> None:
    wheels = [f"foo-{number}-cp39-cp39-win32.whl" for number in range(1, 8)]
    hint = why(page("foo-1.tar.gz", *wheels), allow_sdist=False)
    assert "Files of 7, 6, 5, 4, 3 and 2 more are for other platforms or Pythons." in hint
    assert "Files of 1 are source distributions, which are not allowed here." in hint


def test_the_error_names_the_requirement_and_the_page() -> None:
    with pytest.raises(NotFoundError, match=r"foo>=3 is not in the project page of Foo\. "):
        chosen(page("foo-1.0.tar.gz"), "foo>=3")


@pytest.mark.parametrize("requirement", ["bar", "foo @ https://index.example/foo-1.0.tar.gz"])
def test_requirements_that_ask_for_something_else(requirement: str) -> None:
    with pytest.raises(UsageError):
        chosen(page("foo-1.0.tar.gz"), requirement)


def test_the_environment_here() -> None:
    here = Environment.here()
    assert here.python_version == "{}.{}.{}".format(*sys.version_info)
    assert Tag("py3", "none", "any") in here.tags


def test_an_environment_has_a_version() -> None:
    with pytest.raises(UsageError):
        Environment(python_version="three", tags=())
