"""pip reads our pages as we do, and chooses the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.version import Version
from pip._internal.index.collector import IndexContent, LinkCollector, parse_links
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.network.session import PipSession
from pip._vendor.packaging.specifiers import SpecifierSet

from secure_fetch.errors import NotFoundError
from secure_fetch.index.choose import Environment, choose
from secure_fetch.index.pages import PageFile, ProjectPage, render_html, render_json

from .strategies import PAGE_URL, PAGES, one

if TYPE_CHECKING:
    from pip._internal.models.link import Link

if Version(pip.__version__) < Version("23.2"):
    pytest.skip("pip before 23.2 does not know PEP 714", allow_module_level=True)

TYPES = {"html": "text/html", "json": "application/vnd.pypi.simple.v1+json"}


def as_pip_reads(page: ProjectPage, kind: str) -> list[Link]:
    data = render_html(page) if kind == "html" else render_json(page)
    return list(parse_links(IndexContent(data, TYPES[kind], None, page.url, cache_link_parsing=False)))


@pytest.mark.parametrize("kind", ["html", "json"])
@given(page=PAGES)
def test_pip_reads_the_same(kind: str, page: ProjectPage) -> None:
    links = as_pip_reads(page, kind)
    assert len(links) == len(page.files)
    for link, file in zip(links, page.files, strict=True):
        assert link.filename == file.filename.rstrip("/")
        assert (link.requires_python or "") == (file.requires_python or "")
        assert link.yanked_reason == file.yanked
        assert (link.metadata_file_data is not None) == bool(file.core_metadata)
        offered = one(file.hashes) if kind == "html" else file.hashes
        expected = {
            name: digest for name, digest in offered.items() if kind == "json" or name in ("md5", "sha256", "sha512")
        }
        assert dict(link._hashes) == expected


VERSIONS = st.sampled_from(("1.0", "1.1", "1.1.post1", "2.0rc1", "2.0", "2.1.dev3", "1!0.5", "1.0+local"))
ENDINGS = st.sampled_from(
    (
        ".tar.gz",
        ".zip",
        "-py3-none-any.whl",
        "-1-py3-none-any.whl",
        "-2a-py2.py3-none-any.whl",
        "-cp27-none-win32.whl",
        f"-{next(sys_tags())}.whl",
    )
)
PYTHONS = st.sampled_from((None, None, "", ">=3.8", "<3", "nonsense", "!=3.*"))
SPECIFIERS = st.sampled_from(
    (
        "",
        "==1.0",
        "==1.*",
        "===2.0",
        "~=1.0",
        ">=1.1",
        ">1.0,<3",
        "<2.0rc1",
        ">=2.0rc1",
        "!=2.0",
        "==2.1.dev3",
        ">9",
        ">=1!0",
    )
)


@st.composite
def small_pages(draw: st.DrawFn) -> ProjectPage:
    names = draw(
        st.lists(st.tuples(VERSIONS, ENDINGS).map(lambda pair: f"foo-{pair[0]}{pair[1]}"), unique=True, max_size=8)
    )
    files = tuple(
        PageFile(
            filename=name,
            url=f"https://index.example/{name}",
            hashes={},
            yanked=draw(st.sampled_from((None, None, "", "bad"))),
            requires_python=draw(PYTHONS),
        )
        for name in names
    )
    return ProjectPage(name="foo", url=PAGE_URL, files=files)


def as_pip_chooses(page: ProjectPage, specifier: SpecifierSet) -> str | None:
    scope = SearchScope.create(find_links=[], index_urls=[], no_index=True)
    collector = LinkCollector(session=PipSession(), search_scope=scope)
    finder = PackageFinder.create(link_collector=collector, selection_prefs=SelectionPreferences(allow_yanked=True))
    found = finder.evaluate_links(finder.make_link_evaluator("foo"), as_pip_reads(page, "json"))
    evaluator = finder.make_candidate_evaluator("foo", specifier)
    applicable = evaluator.get_applicable_candidates(found)
    # What pip's resolver does with yanked files (PEP 592).
    pinned = any(part.operator == "===" or (part.operator == "==" and part.version[-2:] != ".*") for part in specifier)
    if not (pinned and all(candidate.link.is_yanked for candidate in applicable)):
        applicable = [candidate for candidate in applicable if not candidate.link.is_yanked]
    return applicable[-1].link.filename if applicable else None


@pytest.mark.skipif(
    Version(pip.__version__) < Version("26"), reason="pip before 26 finds no pre-release where only `!=` speaks of it"
)
@settings(max_examples=200)
@given(small_pages(), SPECIFIERS)
def test_pip_chooses_the_same(page: ProjectPage, specifier: str) -> None:
    try:
        ours = choose(page, Requirement(f"foo{specifier}"), Environment.here()).filename
    except NotFoundError:
        ours = None
    assert ours == as_pip_chooses(page, SpecifierSet(specifier))
