"""Where an index keeps its pages and files, and which of them are targets under which path (DESIGN, section 6).

The layouts differ in data only: `pep458` is what the signing side of this project writes, `warehouse` is the draft
integration of the public index, `flat` is what signing services for artifacts make of an index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from ..errors import ConfigurationError, MalformedError
from ..trust.digest import preferred
from ..trust.names import TargetPath
from .distributions import project_name
from .urls import normalise_url

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LAYOUTS", "Layout", "index_root", "layout", "normalise_url"]

ContentType = Literal["json", "html"]

_HASHED = re.compile(r"(?:.*/)?[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+")
_UNDER_PACKAGES = re.compile(r".*/(packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)")
_UNDER_ANYTHING = re.compile(r".*/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)")
_DIGEST = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One kind of index.

    `pages` are the target paths of a project's page, the preferred first, `*` for the project; `page` is the form of
    all of them. `hashed_page` and `plain_page` are the paths where a page lies, with its hash in front of the last
    segment or without, `*` for its target path. `files` finds a file's target path at the end of its URL; None: files
    are not targets. `under_root`: a file under the index's root has the path from there instead.
    """

    name: str
    pages: tuple[tuple[str, ContentType], ...]
    page: re.Pattern[str]
    hashed_page: str = "*"
    plain_page: str = "*"
    files: re.Pattern[str] | None
    under_root: bool = True

    def page_targets(self, project: str) -> tuple[tuple[TargetPath, ContentType], ...]:
        """Return the targets that can be the page of `project`, the preferred first (`UsageError`: no legal name)."""
        name = project_name(project)
        return tuple((TargetPath(pattern.replace("*", name)), kind) for pattern, kind in self.pages)

    def page_url(self, index_url: str, project: str) -> str:
        """Return the URL under which installers ask for the page of `project` (PEP 503)."""
        return f"{_closed(index_url)}{project_name(project)}/"

    def file_target(self, url: str, *, index_root: str) -> TargetPath | None:
        """Return the target path of the file at `url`, or None in a layout whose files are not targets.

        This is the path under `index_root`, decoded once; of a file elsewhere, the part of its path that begins at
        `packages/` (`pep458`) or at its hash (`flat`). Which host a URL names does not matter for trust: the bytes
        have to be those of the target. Raises `MalformedError` for a URL that leads to no target.
        """
        if self.files is None:
            return None
        root = _closed(normalise_url(index_root).partition("?")[0])
        normal = normalise_url(url).partition("?")[0]
        found = self.files.fullmatch(normal)
        if found and not (self.under_root and normal.startswith(root)):
            path = found[1]
        elif normal.startswith(root):
            path = normal[len(root) :]
        else:
            raise MalformedError("a file's URL", f"{url[:200]!r} does not lie under {root}")
        try:
            return TargetPath(unquote(path, errors="strict"))
        except UnicodeDecodeError:
            raise MalformedError("a file's URL", f"{url[:200]!r} is not UTF-8") from None

    def target_urls(
        self, path: TargetPath, hashes: Mapping[str, str], *, base: str, hashed: bool | None, consistent: bool
    ) -> tuple[str, ...]:
        """Return the URLs where the target can lie, in the order in which to try them.

        `base` is what targets are relative to, and goes out as it is; `hashed` says whether files have their hash in
        front of their name, None: not known; `consistent` is the root's `consistent_snapshot`. A page follows
        `consistent` alone. Which hash stands in a name depends on `hashes` only. Raises `MalformedError` for one that
        is not hexadecimal.
        """
        base = _closed(base)
        digest = preferred(hashes) if hashes else None
        if digest is not None and not _DIGEST.fullmatch(digest):
            raise MalformedError(f"the hash of {path}", f"{digest[:140]!r} is not hexadecimal")
        if self.page.fullmatch(path.text):
            if consistent and digest:
                return (base + TargetPath(self.hashed_page.replace("*", path.text)).url(digest),)
            return (base + TargetPath(self.plain_page.replace("*", path.text)).url(),)
        plain, named = base + path.url(), base + path.url(digest)
        if digest is None or hashed is False or (hashed is None and not consistent):
            return (plain,)
        if hashed:
            return (named,)
        return (plain, named) if _HASHED.fullmatch(path.text) else (named, plain)


_INDEX_PAGE = re.compile(r"simple/(?:[^/]+/)?index\.(?:json|html)")

LAYOUTS = {
    made.name: made
    for made in (
        Layout(
            name="pep458",
            pages=(("simple/*/index.json", "json"), ("simple/*/index.html", "html")),
            page=_INDEX_PAGE,
            files=_UNDER_PACKAGES,
        ),
        Layout(
            name="warehouse",
            pages=(("*", "html"),),
            page=re.compile(r"[^/]+"),
            hashed_page="*/*.html",
            plain_page="*/index.html",
            files=None,
        ),
        Layout(
            name="flat",
            pages=(("*/*.html", "html"),),
            page=re.compile(r"([^/]+)/\1\.html"),
            files=_UNDER_ANYTHING,
            under_root=False,
        ),
    )
}


def layout(name: str) -> Layout:
    """Return the layout of that name (`ConfigurationError`)."""
    if name not in LAYOUTS:
        raise ConfigurationError(f"There is no layout {name!r}.", hint=f"There are {', '.join(sorted(LAYOUTS))}.")
    return LAYOUTS[name]


def index_root(index_url: str) -> str:
    """Return the parent of an index URL that ends in `/simple/`, as it is spelled (`ConfigurationError`)."""
    closed = _closed(index_url)
    if not closed.endswith("/simple/") or "?" in closed or "#" in closed or closed == "/simple/":
        raise ConfigurationError(
            "The index URL does not end in /simple/, so where its metadata and files lie has to be said.",
            hint="Set the metadata URL and the targets URL, or an index URL that ends in /simple/.",
        )
    return closed.removesuffix("simple/")


def _closed(url: str) -> str:
    """Return `url` with one slash at its end."""
    return url.rstrip("/") + "/"
