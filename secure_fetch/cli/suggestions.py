"""What somebody may have meant by a name that is not there, or a version that nothing has."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ..errors import NotFoundError, SecureFetchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from packaging.requirements import Requirement

    from ..client import Client
    from ..index.pages import ProjectPage

_LIST = "simple/index.json"
_SHOWN = 3


def page_of(clients: Callable[[str], Client], name: str) -> ProjectPage:
    """Return a project's verified page; where there is none, the `NotFoundError` suggests names that are like it.

    Raises what `Client.project` raises.
    """
    client = clients(name)
    try:
        return client.project(name)
    except NotFoundError as error:
        if name.lower().endswith(".txt"):
            error.hint = f"To ask for what a requirements file lists: -r {name}"
            raise
        close = difflib.get_close_matches(name.lower(), project_names(client), n=_SHOWN, cutoff=0.7)
        if close:
            error.hint = f"Did you mean {' or '.join(close)}?"
        raise


def project_names(client: Client) -> list[str]:
    """Return the projects on the repository's own list, if it signs one and it can be read, else none."""
    from ..trust.document import read_json

    try:
        target = client.find(_LIST)
        if target is None:
            return []
        with client.open(target) as opened:
            listed = read_json(opened.file.read(), "the list of projects")
        return [str(entry["name"]).lower() for entry in listed["projects"]]
    except (SecureFetchError, TypeError, KeyError):  # a suggestion is worth no error of its own
        return []


def nothing_fits(clients: Callable[[str], Client], requirement: Requirement) -> NotFoundError:
    """Return the error for a requirement that an installer found no file for, with what there is instead."""
    from ..index.choose import Environment, choose
    from ..index.distributions import version_of

    try:
        page = page_of(clients, requirement.name)
        choose(page, requirement, Environment.here())
    except NotFoundError as error:
        return error
    versions = {version for file in page.files if (version := version_of(file.filename, page.name)) is not None}
    shown = ", ".join(map(str, sorted(versions, reverse=True)[:10]))
    return NotFoundError(
        f"A file for {requirement} that fits this Python, the options and the other requirements",
        where=f"the project page of {page.name}",
        hint=f"Its versions: {shown}.{_newest(page)}",
    )


def _newest(page: ProjectPage) -> str:
    """Return the names of a few files of the newest version: their tags say which Python they are for."""
    from ..index.distributions import version_of

    versions = {file.filename: version_of(file.filename, page.name) for file in page.files}
    newest = max((version for version in versions.values() if version is not None), default=None)
    names = [name for name, version in versions.items() if version is not None and version == newest]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" The files of the newest: {', '.join(names[:_SHOWN])}{more}." if names else ""
