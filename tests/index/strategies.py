"""What hypothesis makes project pages of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from hypothesis import strategies as st

from secure_fetch.index.pages import PageFile, ProjectPage

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_URL = "https://index.example/root/simple/foo/"

PROJECTS = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,12}[A-Za-z0-9])?", fullmatch=True)
PRINTABLE = st.characters(exclude_categories=("Cc", "Cs"))
TEXTS = st.text(st.one_of(PRINTABLE, st.sampled_from("\t\n\"'<>&;#é\u202e")), max_size=20)
FILE_NAMES = st.one_of(
    st.from_regex(r"foo-[0-9]{1,3}\.[0-9](?:\+local)?(?:-py3-none-any\.whl|\.tar\.gz|\.zip)", fullmatch=True),
    st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\"), min_size=1, max_size=12).filter(
        lambda name: name not in (".", "..")
    ),
)
FOLDERS = st.one_of(
    st.sampled_from(
        (
            "https://index.example/root/packages/aa/bb/",
            "https://index.example/root/simple/foo/",
            "https://index.example/",
            "https://index.example/root/a%20b/c:d/",
            "https://index.example/root//a/./b/../",
            "https://index.example:8443/root/",
            "http://index.example/root/",
            "https://user:word@files.example/x/",
            "https://[2001:db8::1]/x/",
        )
    ),
    st.lists(st.sampled_from(("root", "simple", "foo", ".", "..", "", "x;y", "a,b=c", "%2e", "c:")), max_size=5).map(
        lambda folders: "https://index.example/" + "".join(f"{folder}/" for folder in folders)
    ),
)
QUERIES = st.sampled_from(("", "", "", "?", "?a=b&c", "?x=/y/z"))
DIGITS = {"md5": 32, "sha256": 64, "sha512": 128}
HASHES = st.dictionaries(
    st.sampled_from(("sha256", "sha512", "md5", "blake2b_256", "whirlpool")), st.integers(0, 2**128 - 1), max_size=3
).map(lambda numbers: {name: f"{number:032x}" * (DIGITS.get(name, 64) // 32) for name, number in numbers.items()})
CORE_METADATA: st.SearchStrategy[Mapping[str, str] | bool | None] = st.one_of(
    st.none(), st.booleans(), HASHES.filter(bool)
)
TIMES = st.datetimes().map(lambda time: time.isoformat(timespec="microseconds") + "Z")


@st.composite
def files(draw: st.DrawFn) -> PageFile:
    filename = draw(FILE_NAMES)
    safe = draw(st.sampled_from(("", "+", "+!$&'()*,;=:@~")))
    return PageFile(
        filename=filename,
        url=draw(FOLDERS) + quote(filename, safe=safe) + draw(QUERIES),
        hashes=draw(HASHES),
        requires_python=draw(st.none() | TEXTS | st.just(">=3.8,<4")),
        yanked=draw(st.none() | TEXTS),
        core_metadata=draw(CORE_METADATA),
        size=draw(st.none() | st.integers(0, 2**63 - 1)),
        upload_time=draw(st.none() | TIMES),
        gpg_sig=draw(st.none() | st.booleans()),
        provenance=draw(st.none() | st.just("https://index.example/integrity/foo/1/provenance")),
    )


PAGES = st.builds(
    ProjectPage,
    name=PROJECTS,
    url=st.sampled_from((PAGE_URL, "https://index.example", "http://index.example/a//b/../foo/index.html?x=1")),
    files=st.lists(files(), max_size=6, unique_by=lambda file: file.filename).map(tuple),
    versions=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
    api_version=st.integers(0, 99).map(lambda minor: f"1.{minor}"),
    status=st.none() | st.sampled_from(("active", "archived", "quarantined")) | TEXTS,
    status_reason=st.none() | TEXTS,
    alternate_locations=st.lists(TEXTS, max_size=2).map(tuple),
    tracks=st.lists(TEXTS, max_size=2).map(tuple),
)


def one(hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the hash that a link in HTML carries."""
    for name in ("sha256", "sha512", "md5", *sorted(hashes)):
        if name in hashes:
            return {name: hashes[name]}
    return {}


def as_in_html(page: ProjectPage) -> ProjectPage:
    """Return a page with only those fields that HTML has a place for."""
    reduced = tuple(
        replace(
            file,
            hashes=one(file.hashes),
            core_metadata=(file.core_metadata or None)
            if isinstance(file.core_metadata, bool) or file.core_metadata is None
            else one(file.core_metadata),
            size=None,
            upload_time=None,
        )
        for file in page.files
    )
    return replace(page, files=reduced, versions=None)
