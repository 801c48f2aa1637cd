"""Verified pages as installers get them: links that lead here, hashes they know, metadata if it is vouched for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

from .errors import HashError, VerificationError
from .index.distributions import project_name
from .index.layout import layout
from .trust.names import TargetPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .config import Repository
    from .index.pages import PageFile, ProjectPage
    from .targets import Target

SIDECAR = ".metadata"  # PEP 658: a file's metadata lies beside it, under its name and this
_KNOWN = ("sha256", "sha384", "sha512")  # hashes that vouch for something and that pip knows; it knows no blake2b


class Finder(Protocol):
    """The part of a client that is needed here."""

    repository: Repository

    def find(self, path: str | TargetPath) -> Target | None:
        """Return the target of that path, or None."""
        ...

    def find_all(self, paths: Iterable[str | TargetPath]) -> dict[str, Target | None]:
        """Return the targets of many paths."""
        ...

    def path_of(self, url: str) -> TargetPath | None:
        """Return the target path of a file's URL, or None where files are vouched for by pages alone."""
        ...


def presented(client: Finder, page: ProjectPage, *, origin: str) -> ProjectPage:
    """Return a verified page as it is handed out: `<origin>simple/<project>/`, with files at `<origin>files/…`.

    Every field is kept. What the page lacks, the sha256 of a file or the hashes of its metadata, is taken from their
    own targets, looked up together; where those lack it too, the file is announced without. Metadata that nothing
    vouches for is not announced.
    """
    name = project_name(page.name)
    paths: dict[str, TargetPath] = {}
    for file in page.files:
        lacking = [""] if "sha256" not in file.hashes else []
        lacking += [SIDECAR] if file.core_metadata and not _known(file.core_metadata) else []
        for suffix in lacking:
            path = _path(client, file, suffix)
            if path is not None:
                paths[file.filename + suffix] = path
    found = client.find_all(paths.values()) if paths else {}
    hashes = {key: _known(target.hashes) for key, path in paths.items() if (target := found[path.text]) is not None}

    def metadata(file: PageFile) -> Mapping[str, str] | bool | None:
        if not file.core_metadata:
            return file.core_metadata
        return _known(file.core_metadata) or hashes.get(file.filename + SIDECAR) or None

    files = tuple(
        replace(
            file,
            url=f"{origin}files/{name}/{quote(file.filename, safe='')}",
            hashes={**hashes.get(file.filename, {}), **file.hashes},
            core_metadata=metadata(file),
        )
        for file in page.files
    )
    return replace(page, files=files, url=f"{origin}simple/{name}/")


def _known(hashes: Mapping[str, str] | Literal[True]) -> dict[str, str]:
    return {} if hashes is True else {name: hashes[name] for name in _KNOWN if name in hashes}


def _path(client: Finder, file: PageFile, suffix: str) -> TargetPath | None:
    """Return the target path of a file or of its sidecar, or None where its URL leads to no target."""
    try:
        path = client.path_of(file.url)
    except VerificationError:
        return None
    return None if path is None else TargetPath(path.text + suffix)


def sidecar(client: Finder, page: ProjectPage, filename: str) -> Target | None:
    """Return the target of a file's metadata: its own, or one that the page's own hash for it vouches for.

    None where neither does. Raises `HashError` where they contradict each other.
    """
    file = page.file(filename)
    if file is None or not file.core_metadata:
        return None
    said = _known(file.core_metadata)
    path = _path(client, file, SIDECAR)
    target = None if path is None else client.find(path)
    if target is None:
        return _vouched_by_page(client, page, file, said) if said else None
    for algorithm, digest in said.items():
        signed = target.hashes.get(algorithm)
        if signed is not None and signed != digest:
            raise HashError(filename + SIDECAR, algorithm=algorithm, expected=signed, actual=digest)
    return target


def _vouched_by_page(client: Finder, page: ProjectPage, file: PageFile, hashes: Mapping[str, str]) -> Target | None:
    for path, _ in layout(client.repository.layout).page_targets(page.name):
        vouching = client.find(path)
        if vouching is not None:
            return replace(
                vouching,
                path=TargetPath(file.filename + SIDECAR),
                length=None,
                hashes=hashes,
                custom={},
                vouched_by="page",
                page=page.name,
                url=file.url + SIDECAR,
            )
    return None
