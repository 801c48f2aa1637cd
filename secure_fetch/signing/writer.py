"""Files written so that a reader never sees half of one, and a crash at any moment loses nothing that was signed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from typing import TYPE_CHECKING

from ..disk import sync_folder
from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_MANY = 256  # files; from here on one sync of everything costs less than one for each
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError` that names the file it is about, or else `path`."""
    try:
        yield
    except OSError as error:
        where = error.filename if error.filename is not None else path
        why = error.strerror or str(error)
        raise StoreError(
            where,
            why[:1].lower() + why[1:],
            hint="What was published before is unchanged. Make room or give access, then run the command again.",
        ) from error


def read_bytes(path: Path) -> bytes | None:
    """Return what a file holds, or None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


class Writer:
    """Writes into one repository's folder. Temporary files lie in `temporary`, never where a server sees them.

    Whoever writes holds the repository's lock, so what lies in `temporary` at the start was left by a crash.
    """

    def __init__(self, temporary: Path) -> None:
        self._temporary = temporary
        self._count = 0
        self._unsettled: list[Path] = []

    def clean(self) -> None:
        """Remove what a crash, or a run that failed, left."""
        self._unsettled.clear()
        self._temporary.mkdir(parents=True, exist_ok=True)
        for leftover in self._temporary.iterdir():
            leftover.unlink()

    def draft(self) -> Path:
        """Return the name of a temporary file that is not there yet."""
        self._count += 1
        return self._temporary / f"{self._count}"

    def put(self, path: Path, data: bytes) -> bool:
        """Write a file whose name holds the hash of its content; return False if it is there already, whole.

        What has that name and another content is damaged, and mended. It is on the disk for good after `settle`.
        """
        self._unsettled.append(path)
        if read_bytes(path) == data:
            return False
        self._move(self._write(data), path)
        return True

    def put_new(self, path: Path, data: bytes) -> None:
        """Write a file whose name was never used before: caches hold what had it for ever (`StoreError`)."""
        if path.exists():
            raise StoreError(path, "there is a file of that name already")
        self.put(path, data)

    def adopt(self, draft: Path, path: Path) -> None:
        """Give a temporary file its name, which holds the hash of its content; see `put`."""
        self._unsettled.append(path)
        if path.is_file() and _same(path, draft):
            draft.unlink()
        else:
            self._move(draft, path)

    def replace(self, path: Path, data: bytes) -> None:
        """Write a file that may be there already; it is on the disk for good when this returns."""
        draft = self._write(data)
        _sync(draft)
        self._move(draft, path)
        sync_folder(path.parent)

    def settle(self) -> None:
        """Return once everything that was put and adopted is on the disk for good, names included."""
        paths = dict.fromkeys(self._unsettled)
        if len(paths) > _MANY and sys.platform == "linux":
            os.sync()  # waits, on Linux; elsewhere it only starts to write
        else:
            for path in paths:
                _sync(path)
            folders = {folder for path in paths for folder in path.parents if self._is_inside(folder)}
            for folder in sorted(folders):
                sync_folder(folder)
        self._unsettled.clear()

    def _is_inside(self, folder: Path) -> bool:
        return folder.is_relative_to(self._temporary.parent.parent)

    def _write(self, data: bytes) -> Path:
        draft = self.draft()
        with draft.open("xb") as file:
            file.write(data)
        return draft

    @staticmethod
    def _move(draft: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        waits = iter(_WAITS if sys.platform == "win32" else ())
        while True:
            try:
                draft.replace(path)
            except PermissionError:
                wait = next(waits, None)
                if wait is None:
                    raise
                time.sleep(wait)  # on Windows, a reader who has the file open is in the way
            else:
                return


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and sha256_of(one) == sha256_of(other)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
