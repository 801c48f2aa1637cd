"""Wheels and sdists read before they are signed: whole, and of the project and version that their names say."""

from __future__ import annotations

import gzip
import lzma
import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.version import InvalidVersion, Version

from ..errors import UsageError
from ..index import distributions
from ..index.model import printable

if TYPE_CHECKING:
    from pathlib import Path

_MOST_METADATA = 16 * 1024 * 1024
_CHUNK = 1 << 20
_WHEEL_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_SDIST_METADATA = re.compile(r"[^/]+/PKG-INFO")
# What `zipfile`, `tarfile` and the decompressors raise for bytes that are not what they should be.
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the metadata inside a distribution says; `metadata` is the file itself, for a wheel."""

    project: str
    version: str
    requires_python: str | None
    metadata: bytes | None


def read(path: Path, filename: str) -> Contents:
    """Read the distribution at `path`, which is called `filename`, in full.

    Raises `UsageError` for a file that is no wheel or sdist, is broken, or whose metadata names another project or
    version than its name does.
    """
    if filename.endswith(".whl"):
        metadata = _from_zip(path, filename, _WHEEL_METADATA)
    elif filename.endswith(".zip"):
        metadata = _from_zip(path, filename, _SDIST_METADATA)
    elif filename.endswith(".tar.gz"):
        metadata = _from_tar(path, filename)
    else:
        raise _refused(filename, "it is neither a wheel (.whl) nor an sdist (.tar.gz, .zip)")
    return _checked(metadata, filename)


def _checked(metadata: bytes, filename: str) -> Contents:
    raw, _ = parse_email(metadata)
    name, version = raw.get("name"), raw.get("version")
    if name is None or version is None or not distributions.is_project_name(name):
        raise _refused(filename, "its metadata does not name a project and a version")
    named = distributions.read(filename, distributions.normalise(name))
    if named is None:
        raise _refused(filename, f"its metadata is that of the project {name!r}")
    try:
        same = Version(version) == named.version
    except InvalidVersion:
        same = False
    if not same:
        raise _refused(filename, f"its metadata is that of version {version!r}")
    requires = raw.get("requires_python")
    return Contents(
        project=named.project,
        version=str(named.version),
        requires_python=None if requires is None else printable(requires).strip() or None,
        metadata=metadata if named.kind == "wheel" else None,
    )


def _from_zip(path: Path, filename: str, wanted: re.Pattern[str]) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise _refused(filename, f"{broken[:200]!r} inside of it is damaged")
            entries = [entry for entry in archive.infolist() if wanted.fullmatch(entry.filename)]
            if len(entries) != 1:
                raise _without_metadata(filename, len(entries))
            if entries[0].file_size > _MOST_METADATA:
                raise _refused(filename, f"its metadata is larger than {_MOST_METADATA} bytes")
            return archive.read(entries[0])
    except _BROKEN as error:
        raise _refused(filename, f"it is broken ({error})") from error


def _from_tar(path: Path, filename: str) -> bytes:
    found = []
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.isfile() and _SDIST_METADATA.fullmatch(member.name):
                    if member.size > _MOST_METADATA:
                        raise _refused(filename, f"its metadata is larger than {_MOST_METADATA} bytes")
                    opened = archive.extractfile(member)
                    found.append(opened.read() if opened else b"")
            while stream.read(_CHUNK):  # up to the checksum at the end
                pass
    except _BROKEN as error:
        raise _refused(filename, f"it is broken ({error})") from error
    if len(found) != 1:
        raise _without_metadata(filename, len(found))
    return found[0]


def _without_metadata(filename: str, count: int) -> UsageError:
    return _refused(filename, f"it holds {count} metadata files where there should be one")


def _refused(filename: str, why: str) -> UsageError:
    return UsageError(f"{filename} was not added: {why}.", hint="Nothing was added.")
