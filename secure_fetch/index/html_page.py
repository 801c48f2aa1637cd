"""Project pages in HTML (PEP 503, with PEP 592, 629, 658, 708, 714, 740 and 792), read and written."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..errors import MalformedError
from .html_tags import read_tags
from .model import PageFile, ProjectPage, printable, usable_hashes
from .urls import Base, last_segment, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .html_tags import Attributes, Tags

_PREFIX = "pypi:"
# What pip reads from the end of a link, the best first; any other hash vouches only for those who know it.
_IN_FRAGMENTS = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5")


def parse_html(data: bytes, *, project: str, url: str) -> ProjectPage:
    """Read a page in HTML; raises `MalformedError` for any bytes that are not one.

    A file's name is the last segment of its URL, decoded once: this is what pip and uv install it by, and so the text
    between `<a>` and `</a>`, which PEP 503 wants to be the same, is not asked. Links to what cannot be fetched
    (`javascript:`, `mailto:`) or is no file (a URL that ends in a slash) are left out. The page does not say its
    project, so `name` is `project` as given.
    """
    what = f"the project page of {project[:80]}"
    tags = read_tags(data, what)
    own = Base(url)
    base = _base(own, url, tags, what)
    said = _said(tags, what)
    return ProjectPage(
        name=project,
        url=url,
        files=tuple(file for anchor in tags.anchors if (file := _file(base, anchor)) is not None),
        api_version=_only(said, "repository-version", what) or "1.0",
        status=_only(said, "project-status", what),
        status_reason=_only(said, "project-status-reason", what),
        alternate_locations=tuple(said.get("alternate-locations", ())),
        tracks=tuple(said.get("tracks", ())),
    )


def _base(own: Base, url: str, tags: Tags, what: str) -> Base:
    """Return what links are relative to: the first `<base>` counts, wherever it stands."""
    if not tags.bases:
        return own
    joined = own.join(tags.bases[0], what)
    if joined is None:
        raise MalformedError(what, f"nothing can be fetched from its base {tags.bases[0][:200]!r}")
    return Base(joined, scheme=split(url, what).scheme)


def _said(tags: Tags, what: str) -> dict[str, list[str]]:
    """Return the contents of the page's own meta tags, by the part of their names after the prefix."""
    said: dict[str, list[str]] = {}
    for meta in tags.metas:
        name = meta.get("name") or ""
        if name.startswith(_PREFIX):
            content = meta.get("content")
            if content is None:
                raise MalformedError(what, f"its {name[:80]} has no content")
            said.setdefault(name.removeprefix(_PREFIX), []).append(printable(content))
    return said


def _only(said: Mapping[str, list[str]], name: str, what: str) -> str | None:
    values = said.get(name, [])
    if len(values) > 1:
        raise MalformedError(what, f"it says its {name} {len(values)} times")
    return values[0] if values else None


def _file(base: Base, anchor: Attributes) -> PageFile | None:
    href = anchor.get("href")
    if href is None:
        return None
    link, _, fragment = href.partition("#")
    what = f"the link {link[:200]!r}"
    url = base.join(link, what)
    if url is None:
        return None
    filename = last_segment(url, what)
    if not filename:
        return None
    provenance = anchor.get("data-provenance")
    requires_python = anchor.get("data-requires-python")
    return PageFile(
        filename=filename,
        url=url,
        hashes=_hashes(fragment, what),
        requires_python=None if requires_python is None else printable(requires_python),
        yanked=printable(anchor["data-yanked"] or "") if "data-yanked" in anchor else None,
        core_metadata=_core_metadata(anchor, what),
        gpg_sig={"true": True, "false": False}.get(anchor.get("data-gpg-sig") or ""),
        provenance=base.join(provenance, what) if provenance else None,
    )


def _hashes(fragment: str, what: str) -> dict[str, str]:
    """Return every hash in a fragment (`sha256=…`, joined with `&` where there are several); other parts count not."""
    hashes: dict[str, str] = {}
    for part in fragment.split("&") if fragment else ():
        name, equals, digest = part.partition("=")
        if equals and hashes.setdefault(name, digest) != digest:
            raise MalformedError(what, f"it has two {name[:40]} hashes")
    return usable_hashes(hashes)


def _core_metadata(anchor: Attributes, what: str) -> Mapping[str, str] | bool | None:
    """Read PEP 714's attribute, or PEP 658's where it is missing: `true`, or a hash. Anything else has no hash."""
    name = "data-core-metadata" if "data-core-metadata" in anchor else "data-dist-info-metadata"
    if name not in anchor:
        return None
    value = anchor[name] or ""
    return False if value == "false" else _hashes(value, what) or True


def render_html(page: ProjectPage) -> bytes:
    """Write a page in HTML: the same bytes for the same page, in UTF-8, with everything escaped.

    Every field but sizes, upload times and versions, which HTML has no place for; of several hashes the one that pip
    would take. Links are relative where they can be.
    """
    base = Base(page.url)
    title = escape(page.name)
    lines = [
        "<!DOCTYPE html>",
        "<html>",
        "  <head>",
        '    <meta charset="utf-8">',
        *(f'    <meta name="{_PREFIX}{name}" content="{escape(content)}">' for name, content in _metas(page)),
        f"    <title>Links for {title}</title>",
        "  </head>",
        "  <body>",
        f"    <h1>Links for {title}</h1>",
        *(f"    {_anchor(base, file)}<br />" for file in page.files),
        "  </body>",
        "</html>",
    ]
    return "\n".join([*lines, ""]).encode("utf-8")


def _metas(page: ProjectPage) -> Iterator[tuple[str, str]]:
    yield "repository-version", page.api_version
    if page.status is not None:
        yield "project-status", page.status
    if page.status_reason is not None:
        yield "project-status-reason", page.status_reason
    for location in page.alternate_locations:
        yield "alternate-locations", location
    for tracked in page.tracks:
        yield "tracks", tracked


def _anchor(base: Base, file: PageFile) -> str:
    link = base.relative(file.url)
    if file.hashes:
        link += f"#{_one_hash(file.hashes)}"
    attributes = {"href": link, "data-requires-python": file.requires_python, "data-yanked": file.yanked}
    if file.core_metadata:
        metadata = "true" if file.core_metadata is True else _one_hash(file.core_metadata)
        # Here, unlike in JSON, the old name is safe, and pip before 23.2 knows no other (PEP 714).
        attributes |= {"data-core-metadata": metadata, "data-dist-info-metadata": metadata}
    if file.gpg_sig is not None:
        attributes["data-gpg-sig"] = "true" if file.gpg_sig else "false"
    attributes["data-provenance"] = file.provenance
    text = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items() if value is not None)
    return f"<a{text}>{escape(file.filename)}</a>"


def _one_hash(hashes: Mapping[str, str]) -> str:
    name = next((name for name in _IN_FRAGMENTS if name in hashes), min(hashes))
    return f"{name}={hashes[name]}"


def render_project_list_html(names: Mapping[str, str]) -> bytes:
    """Write the root of an index: `names` maps normalised names (in the links) to names as they are shown."""
    lines = [
        "<!DOCTYPE html>",
        "<html>",
        "  <head>",
        '    <meta charset="utf-8">',
        f'    <meta name="{_PREFIX}repository-version" content="1.0">',
        "    <title>Simple index</title>",
        "  </head>",
        "  <body>",
        *(f'    <a href="{escape(name)}/">{escape(shown)}</a><br />' for name, shown in names.items()),
        "  </body>",
        "</html>",
    ]
    return "\n".join([*lines, ""]).encode("utf-8")
