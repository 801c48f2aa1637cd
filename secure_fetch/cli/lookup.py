"""What somebody means by a file, a URL, a target path or a requirement, and the target that vouches for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..errors import MalformedError, NotFoundError, UsageError
from ..index import distributions
from ..index.choose import Environment, choose
from ..index.layout import index_root, layout, normalise_url
from ..transport import redact
from ..trust.names import TargetPath
from .suggestions import page_of

if TYPE_CHECKING:
    from ..client import Client, Target
    from ..config import Repository
    from ..index.pages import PageFile
    from .context import Context

_SIDECAR = ".metadata"  # PEP 658


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """A target, the client of the repository that vouches for it, and what the user has of it.

    `file` is the entry on the project's page, where the target was found by one; `local` a file on disk to compare.
    """

    client: Client
    target: Target
    file: PageFile | None = None
    local: Path | None = None


def look_up(context: Context, text: str, repository: str | None) -> Meant:
    """Return what is meant by `text`, in the repository of that name or in the one that its project is looked up in.

    Raises `UsageError` kinds for what cannot be meant or is not there, and what a lookup raises.
    """
    before, at, url = text.partition(" @ ")  # a direct reference (PEP 508)
    if at and "://" in url:
        text = url.partition(";")[0].strip()
    if "://" in text:
        return _by_url(context, text, repository)
    name = os.path.basename(text)  # noqa: PTH119 - a URL's or a path's last segment
    local = _local(text, name)
    if local is not None or (name == text and project_in(name) is not None):
        project = project_in(name)
        if project is None:
            raise UsageError(
                f"{text} is neither a wheel nor an sdist.", hint="Give the path that it has in the repository."
            )
        return _by_file_name(_client(context, repository, project), project, name, local)
    if "/" in text:
        return _by_path(context, text, repository)
    return _by_requirement(context, before, repository)


def project_in(name: str) -> str | None:
    """Return the project that a file name speaks of, normalised, or None."""
    found = distributions.read(name.removesuffix(_SIDECAR))
    return None if found is None else found.project


def _local(text: str, name: str) -> Path | None:
    """Return the local file that is meant; a mere word is one only if it is the name of a distribution."""
    try:
        path = Path(text)
        there = path.is_file()
    except (OSError, ValueError):  # too long, or no name at all
        return None
    if there and (name != text or project_in(name) is not None):
        return path
    if not there and (path.is_absolute() or text.startswith(("./", "../", "~"))):
        raise UsageError(f"There is no file {text}.", hint="Check the path.")
    return None


def _client(context: Context, repository: str | None, project: str | None) -> Client:
    clients, configuration = context.clients(), context.configuration()
    if repository is not None:
        return clients.named(repository)
    if project is not None or not configuration.repositories:
        return clients.for_project(project or "")
    if len(configuration.repositories) == 1:
        return clients.of(configuration.repositories[0])
    names = ", ".join(one.name for one in configuration.repositories)
    raise UsageError(
        "Which repository is meant cannot be told from the name.", hint=f"Add --repository NAME; there are {names}."
    )


def _by_requirement(context: Context, text: str, repository: str | None) -> Meant:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise UsageError(
            f"{text!r} is neither a file nor a requirement: {why}.",
            hint="Such as flask, 'flask==3.0', flask-3.0-py3-none-any.whl, or a path in the repository.",
        ) from None
    client = _client(context, repository, requirement.name)
    page = page_of(lambda _: client, requirement.name)
    file = choose(page, requirement, Environment.here())
    return Meant(client=client, target=client.locate(page, file.filename), file=file)


def _by_file_name(client: Client, project: str, name: str, local: Path | None) -> Meant:
    page = client.project(project)
    file = page.file(name.removesuffix(_SIDECAR))
    if file is not None and name.endswith(_SIDECAR):
        path = client.path_of(file.url)
        if path is not None:
            return Meant(client=client, target=_find(client, path.text + _SIDECAR), local=local)
    return Meant(client=client, target=client.locate(page, name), file=file, local=local)


def _by_path(context: Context, path: str, repository: str | None) -> Meant:
    segments = path.split("/")
    project = project_in(segments[-1])
    if project is None and segments[0] == "simple" and len(segments) > 2:  # noqa: PLR2004 - simple/<project>/…
        project = segments[1]
    client = _client(context, repository, project)
    try:
        return Meant(client=client, target=_find(client, path))
    except MalformedError as error:
        raise UsageError(f"{path!r} is not the path of a target: {error.why}.", hint="Check the path.") from None


def _find(client: Client, path: str) -> Target:
    wanted = TargetPath(path)
    target = client.find(wanted)
    if target is None:
        raise NotFoundError(
            path,
            where=f"what the repository {client.repository.name} vouches for",
            hint="Do not use it as if it were; check the path, or tell the operator of the repository.",
        )
    return target


def _by_url(context: Context, url: str, repository: str | None) -> Meant:
    shown = redact(url)
    try:
        normal = normalise_url(url)
    except MalformedError as error:
        raise UsageError(f"{shown} is not a URL of a file: {error.why}.", hint="Check the URL.") from None
    name = unquote(normal.partition("?")[0].rpartition("/")[2])
    project = project_in(name)
    home = next((one for one in context.configuration().repositories if _below(normal, _bases(one))), None)
    if repository is None and home is not None:
        repository = home.name
    elif repository is None and project is None:
        raise NotFoundError(shown, where="any trusted repository", hint="See `secure-fetch trust list`.")
    client = _client(context, repository, project)
    page = _page_at(client, normal)
    if page is not None:
        return Meant(client=client, target=page)
    try:
        path = client.path_of(url)
    except MalformedError as error:
        raise UsageError(f"{shown} is not the URL of a target: {error.why}.", hint="Check the URL.") from None
    if path is not None:
        return Meant(client=client, target=_find(client, path.text))
    if project is None:
        raise UsageError(f"{shown} is neither a wheel nor an sdist.", hint="Check the URL.")
    return _by_file_name(client, project, name, None)


def _bases(repository: Repository) -> list[str]:
    bases = list(repository.targets_urls)
    if repository.index_url is not None:
        bases.append(repository.index_url)
        if repository.index_url.rstrip("/").endswith("/simple"):
            bases.append(index_root(repository.index_url))
    return bases


def _below(normal: str, bases: list[str]) -> bool:
    return any(normal.startswith(normalise_url(base).rstrip("/") + "/") for base in bases)


def _page_at(client: Client, normal: str) -> Target | None:
    """Return the target that is the project page at a URL, or None where the URL is none of a page."""
    index_url = client.repository.index_url
    if index_url is None:
        return None
    base = normalise_url(index_url).rstrip("/") + "/"
    project = normal.removeprefix(base).rstrip("/")
    if not normal.startswith(base) or not distributions.is_project_name(project):
        return None
    paths = [path for path, _ in layout(client.repository.layout).page_targets(project)]
    found = client.find_all(paths)
    targets = [target for path in paths if (target := found[path.text]) is not None]
    if not targets:
        raise NotFoundError(
            f"The project {project}", where=f"the repository {client.repository.name}", hint="Check its spelling."
        )
    return targets[0]
