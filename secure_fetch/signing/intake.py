"""Files on their way in: copied and hashed once, read in full, and only then given their place under `packages/`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from . import distribution
from .catalog import CatalogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from .writer import Writer

_CHUNK = 1 << 20
_ORDINARY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,254}")  # what wheels and sdists are called; `!` is an epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file that was read and found to be right: its place in the catalog, its copy, and a wheel's metadata."""

    file: CatalogFile
    draft: Path
    metadata: bytes | None

    def settle(self, public: Path, writer: Writer) -> None:
        """Move the copy to its place, and write the sidecar beside it (PEP 658)."""
        path = public / self.file.path
        writer.adopt(self.draft, path)
        if self.metadata is not None:
            writer.put(path.with_name(f"{path.name}.metadata"), self.metadata)


def receive(
    paths: Iterable[str | Path], writer: Writer, now: datetime, advance: Callable[[int], None]
) -> list[Arrival]:
    """Copy and check files; raises `UsageError` naming the first that is wrong. Nothing is visible yet."""
    arrivals = []
    for path in map(Path, paths):
        arrivals.append(_receive(path, writer, now))
        advance(1)
    return arrivals


def _receive(path: Path, writer: Writer, now: datetime) -> Arrival:
    """Copy one file and check the copy: what is checked cannot change any more."""
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise UsageError(f"{path} was not added: {what}.", hint="Nothing was added.")
    if not _ORDINARY.fullmatch(path.name):
        raise UsageError(
            f"{path.name!r} was not added: it is not the name of a wheel or an sdist.", hint="Nothing was added."
        )
    draft = writer.draft()
    length, hashes = _copy(path, draft)
    contents = distribution.read(draft, path.name)
    place = hashes["blake2b-256"]
    metadata = contents.metadata
    file = CatalogFile(
        filename=path.name,
        project=contents.project,
        version=contents.version,
        path=f"packages/{place[:2]}/{place[2:4]}/{place[4:]}/{path.name}",
        length=length,
        hashes=hashes,
        upload_time=f"{now:%Y-%m-%dT%H:%M:%S}Z",
        requires_python=contents.requires_python,
        metadata=None
        if metadata is None
        else {"length": len(metadata), "hashes": {"sha256": hashlib.sha256(metadata).hexdigest()}},
    )
    return Arrival(file=file, draft=draft, metadata=metadata)


def _copy(source: Path, draft: Path) -> tuple[int, dict[str, str]]:
    """Copy a file, and return its length in bytes and its hashes."""
    sha256, blake2b = hashlib.sha256(), hashlib.blake2b(digest_size=32)
    length = 0
    with source.open("rb") as reading, draft.open("xb") as writing:
        while chunk := reading.read(_CHUNK):
            length += len(chunk)
            writing.write(chunk)
            sha256.update(chunk)
            blake2b.update(chunk)
    return length, {"sha256": sha256.hexdigest(), "blake2b-256": blake2b.hexdigest()}
