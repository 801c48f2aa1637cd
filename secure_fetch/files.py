"""Verified files: fetched, hashed while they stream, kept, hashed again when they are used, handed over."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from . import disk
from .errors import (
    AbsentError,
    LimitError,
    SecureFetchError,
    StoreError,
    TransportError,
    VerificationError,
    WithheldError,
)
from .transport import redact, stream_signed
from .trust.digest import Digester, preferred
from .trust.names import disk_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .transport import Transport
    from .trust.limits import Limits

_CHUNK = 1 << 20
_SMALL = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file by what it must be: its name for people and on disk, length in bytes, hashes."""

    what: str
    name: str
    length: int | None
    hashes: Mapping[str, str]

    def digester(self) -> Digester:
        """Return the check that its bytes go through."""
        return Digester(self.what, length=self.length, hashes=self.hashes)


class FileCache:
    """`<folder>/<hash>/<name>`: what is here was verified once, and is verified again each time it is opened."""

    def __init__(self, folder: Path, *, transport: Transport, limits: Limits) -> None:
        """`folder` is made when something is first kept, private to the user."""
        self.folder = folder
        self._transport = transport
        self._limits = limits
        self._locks: dict[Path, threading.Lock] = {}
        self._guard = threading.Lock()

    def open(self, wanted: Wanted, urls: Sequence[str]) -> BinaryIO:
        """Open the verified file on the very descriptor that was hashed, at its start; the caller closes it.

        It comes from the cache if it is there and right, else from the first of `urls` that is honest. Raises what
        `_fetch_any` raises, and `StoreError`.
        """
        path = self.folder / disk_name(preferred(wanted.hashes)) / wanted.name
        with self._lock(path):  # two that want one file cost one download
            file = self._cached(path, wanted) or self._fetch_any(path, wanted, urls)
        file.seek(0)
        return file

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(path, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._guard:
                self._locks.pop(path, None)

    def _cached(self, path: Path, wanted: Wanted) -> BinaryIO | None:
        try:
            file = disk.open_file(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk.explain(path, error) from error
        try:
            digester = wanted.digester()
            for chunk in chunks(file):
                digester.update(chunk)
            digester.finish()
            if disk.is_ours(file):  # with sudo, a cache may be that of a user who could alter it once it was hashed
                return file
        except (VerificationError, OSError):  # altered or unreadable: it is fetched again
            pass
        file.close()
        return None

    def _fetch_any(self, path: Path, wanted: Wanted, urls: Sequence[str]) -> BinaryIO:
        """Return the file from the first URL that gives the right bytes.

        Raises `WithheldError` if none has it, else what the first of them failed: `HashError`, `LengthError`,
        `LimitError`, `TransportError`.
        """
        if wanted.length is not None and wanted.length > self._limits.file_length:
            raise LimitError(f"The signed length of {wanted.what}", limit=self._limits.file_length)
        failure: SecureFetchError | None = None
        disk.make_folder(path.parent)
        disk.sweep_temporary(path.parent)
        for url in urls:
            try:
                return self._fetch(path, wanted, url)
            except AbsentError:
                continue
            except (TransportError, VerificationError) as error:
                error.source = redact(url)
                failure = failure or error
        with suppress(OSError):
            path.parent.rmdir()
        raise failure or WithheldError(wanted.what)

    def _fetch(self, path: Path, wanted: Wanted, url: str) -> BinaryIO:
        digester = wanted.digester()
        with disk.atomic(path) as file:
            for chunk in self._stream(wanted, url):
                digester.update(chunk)
                file.write(chunk)
            digester.finish()
        if file.closed:  # on Windows; elsewhere the descriptor that was hashed goes on
            again = self._cached(path, wanted)
            if again is None:
                raise StoreError(path, "it changed as soon as it was written", hint="See what watches this folder.")
            return again
        return file

    def _stream(self, wanted: Wanted, url: str) -> Iterator[bytes]:
        limit, deadline = self._limits.file_length, self._limits.file_deadline
        if wanted.length is None:
            return self._transport.stream(url, max_length=limit, deadline=deadline)
        return stream_signed(self._transport, url, what=wanted.what, length=wanted.length, deadline=deadline)


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file in pieces of at most one MiB; the first ones are small, for many files are."""
    size = _SMALL
    while chunk := file.read(size):
        yield chunk
        size = _CHUNK


def is_there(wanted: Wanted, path: Path) -> bool:
    """Return whether the right bytes lie at `path`, where only this user can change them."""
    digester = wanted.digester()
    with suppress(OSError, VerificationError), disk.open_file(path) as present:
        for chunk in chunks(present):
            digester.update(chunk)
        digester.finish()
        return disk.is_ours(present)
    return False


def hand_over(file: BinaryIO, wanted: Wanted, path: Path) -> None:
    """Copy an open verified file to `path`, atomically, checked once more on its way; one that is right stays.

    Raises `StoreError`, and `VerificationError` if the cache was altered in between.
    """
    if is_there(wanted, path):
        return
    digester = wanted.digester()
    with disk.atomic(path, mode=0o644) as copy:
        for chunk in chunks(file):
            digester.update(chunk)
            copy.write(chunk)
        digester.finish()
    copy.close()
