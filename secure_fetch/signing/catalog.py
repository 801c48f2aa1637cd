"""What the repository is to hold: every file that was added, with what its page says about it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from ..errors import NotFoundError, StoreError, UsageError
from ..index.pages import PageFile, ProjectPage
from ..trust.names import TargetPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FORMAT = 1
#: Pages hold links that are relative to themselves, so where they are served does not matter; this is a name for it.
ORIGIN = "https://repository.invalid/"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFile:
    """One distribution file. `path` is its target path; `metadata` is the length and hashes of its sidecar, if any."""

    filename: str
    project: str
    version: str
    path: str
    length: int
    hashes: Mapping[str, str]
    upload_time: str
    requires_python: str | None = None
    yanked: str | None = None
    metadata: Mapping[str, Any] | None = None

    def targets(self) -> dict[str, dict[str, Any]]:
        """Return the targets that this file makes: itself, and its sidecar (PEP 658)."""
        targets: dict[str, dict[str, Any]] = {self.path: {"length": self.length, "hashes": dict(self.hashes)}}
        if self.metadata is not None:
            targets[f"{self.path}.metadata"] = dict(self.metadata)
        return targets

    def on_page(self, url: str) -> PageFile:
        """Return the entry of a project page. It names sha256 only: other names than `hashlib`'s are for metadata."""
        return PageFile(
            filename=self.filename,
            url=url,
            hashes={"sha256": self.hashes["sha256"]},
            requires_python=self.requires_python,
            yanked=self.yanked,
            core_metadata=None if self.metadata is None else {"sha256": self.metadata["hashes"]["sha256"]},
            size=self.length,
            upload_time=self.upload_time,
        )


class Catalog:
    """The files by name. A catalog is a value: a change gives a new one."""

    def __init__(self, files: Mapping[str, CatalogFile]) -> None:
        self.files = files

    @classmethod
    def from_bytes(cls, data: bytes, what: object) -> Catalog:
        """Read what `to_bytes` wrote; raises `StoreError` naming `what`."""
        try:
            values = json.loads(data)
            if values["format"] != _FORMAT:
                raise StoreError(what, f"its format is {values['format']!r}, and this version reads {_FORMAT}")
            return cls({entry["filename"]: CatalogFile(**entry) for entry in values["files"]})
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(what, f"it is damaged ({error!r})", hint="Restore it from a backup.") from error

    def to_bytes(self) -> bytes:
        """Return the catalog as JSON, the same bytes for the same files."""
        files = [asdict(self.files[name]) for name in sorted(self.files)]
        return json.dumps({"format": _FORMAT, "files": files}, indent=1, sort_keys=True).encode()

    def projects(self) -> dict[str, list[CatalogFile]]:
        """Return the files of each project, both in order of their names."""
        found: dict[str, list[CatalogFile]] = {}
        for file in sorted(self.files.values(), key=lambda file: (file.project, file.filename)):
            found.setdefault(file.project, []).append(file)
        return found

    def with_files(self, files: Iterable[CatalogFile]) -> tuple[Catalog, tuple[CatalogFile, ...]]:
        """Return the catalog with `files`, and those of them that are new.

        A name stands for one content for ever, and names that differ in case only are one (`UsageError`): installers,
        caches and file systems would take one for the other.
        """
        held = dict(self.files)
        by_name = {name.casefold(): file for name, file in held.items()}
        new = []
        for file in files:
            there = by_name.setdefault(file.filename.casefold(), file)
            if there is file:
                held[file.filename] = file
                new.append(file)
            elif there.filename != file.filename or there.hashes["sha256"] != file.hashes["sha256"]:
                raise UsageError(
                    f"{file.filename} was not added: {there.filename} is here already, with other content."
                    if there.filename == file.filename
                    else f"{file.filename} was not added: {there.filename} is here already.",
                    hint="Give the new build a new version or build number; what was published under a name stays.",
                )
        return Catalog(held), tuple(new)

    def without(self, filenames: Iterable[str]) -> Catalog:
        """Return the catalog without files; raises `NotFoundError` for one that it does not have."""
        held = dict(self.files)
        for name in dict.fromkeys(filenames):
            if held.pop(name, None) is None:
                raise NotFoundError(name, where="this repository", hint="Nothing was removed.")
        return Catalog(held)


def digest(values: object) -> str:
    """Return a hash of JSON values, to see later whether they changed."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def page(project: str, files: Iterable[CatalogFile]) -> ProjectPage:
    """Return the page of a project, at its place under `ORIGIN`."""
    listed = list(files)
    versions = {file.version for file in listed}
    return ProjectPage(
        name=project,
        url=f"{ORIGIN}simple/{project}/",
        files=tuple(file.on_page(ORIGIN + TargetPath(file.path).url()) for file in listed),
        versions=tuple(sorted(versions, key=Version)),
        api_version="1.1",
    )
