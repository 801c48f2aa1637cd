"""Project pages, both ways: bytes of HTML or JSON ↔ `ProjectPage`.

Reading what `render_html` or `render_json` wrote gives the same page again, in every field that the format has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from . import html_page, json_page
from .distributions import belongs, project_name
from .html_page import parse_html, render_html
from .json_page import parse_json, render_json
from .model import PageFile, ProjectPage

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "PageFile",
    "ProjectPage",
    "belongs",
    "parse",
    "parse_html",
    "parse_json",
    "render_html",
    "render_json",
    "render_project_list_html",
    "render_project_list_json",
]


def parse(data: bytes, *, project: str, url: str, content_type: Literal["html", "json"]) -> ProjectPage:
    """Read the page of `project`, which lies at `url`; raises `MalformedError` for any other bytes."""
    reader = parse_json if content_type == "json" else parse_html
    return reader(data, project=project, url=url)


def render_project_list_html(names: Iterable[str]) -> bytes:
    """Write the root of an index in HTML (PEP 503); raises `UsageError` for a name that is not legal."""
    return html_page.render_project_list_html(_sorted(names))


def render_project_list_json(names: Iterable[str]) -> bytes:
    """Write the root of an index in JSON (PEP 691); raises `UsageError` for a name that is not legal."""
    return json_page.render_project_list_json(_sorted(names))


def _sorted(names: Iterable[str]) -> dict[str, str]:
    """Return normalised names, sorted and each once, with the names as given."""
    return dict(sorted({project_name(name): name for name in names}.items()))
