"""Writing to disk so that a reader sees the whole file or none, whatever dies in between."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
_TEMPORARY = ".tmp"
_DAY = 24 * 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_RENAME_TRIES = 5  # a virus scanner or a reader on Windows holds a file for some milliseconds


def explain(path: object, error: OSError) -> StoreError:
    """Return the `StoreError` for an `OSError`, with the next step."""
    hints = {
        errno.ENOSPC: "Free some space on this disk; what was there before is untouched.",
        errno.EDQUOT: "Your quota is used up; what was there before is untouched.",
        errno.EFBIG: "The file size limit was reached; what was there before is untouched.",
        errno.EACCES: "Make it writable for you, or choose another folder (--cache-dir, --state-dir).",
        errno.EPERM: "Make it writable for you, or choose another folder (--cache-dir, --state-dir).",
        errno.ELOOP: "It is a symbolic link, which is not followed here: move it aside.",
        errno.EROFS: "It is read-only: choose another folder (--cache-dir, --state-dir).",
        errno.ENOTDIR: "Something that is not a folder is in the way: move it aside.",
        errno.EEXIST: "Something that is not a folder is in the way: move it aside.",
    }
    why = error.strerror or str(error)
    return StoreError(path, why[:1].lower() + why[1:], hint=hints.get(error.errno or 0, "Check this disk."))


def point_elsewhere(error: StoreError, where: str) -> None:
    """Let the hint of an error name where else to write, such as "another folder with -d"."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in _FULL
    error.hint = f"{'Free some space on this disk' if full else 'Make it writable for you'}, or name {where}."


def make_folder(path: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Make a folder and its parents, private to the user unless told otherwise (`StoreError`)."""
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            with suppress(FileExistsError):
                folder.mkdir(mode=mode)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise explain(path, error) from error


@contextmanager
def atomic(path: Path, *, mode: int = PRIVATE_FILE) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing and reading, and rename it to `path` when the block ends well.

    The bytes are on the disk before the name is. The file may be read on after the rename until the caller closes it
    (on Windows it is closed already). Nothing is left behind by an error; a killed process leaves only a temporary
    file, which `sweep_temporary` removes after a day. Raises `StoreError`.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}{_TEMPORARY}")
    file: BinaryIO | None = None
    try:
        file = os.fdopen(
            os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode), "w+b"
        )
        yield file
        file.flush()
        os.fsync(file.fileno())
        if os.name == "nt":
            file.close()  # Windows renames no open file
        _rename(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:
        if file is not None:
            with suppress(OSError):  # a full disk fails once more on the flush that closing does
                file.close()
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise explain(path, error) from error
        raise


def write(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Write a whole file, atomically (`StoreError`)."""
    with atomic(path, mode=mode) as file:
        file.write(data)
    file.close()


def _rename(temporary: Path, path: Path) -> None:
    for attempt in range(_RENAME_TRIES if os.name == "nt" else 0):
        with suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(0.01 * 2**attempt)
    temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Put a rename on the disk; Windows neither needs nor allows it, nor do some network file systems."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES):
            raise


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; a link, a device or a pipe is neither followed nor waited for (`OSError`)."""
    descriptor = os.open(path, _READING)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")


def is_ours(file: BinaryIO) -> bool:
    """Tell whether nobody else can change an open file while it is read: it may lie in a folder that others share."""
    if os.name == "nt":
        return True
    status = os.fstat(file.fileno())
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def sweep_temporary(folder: Path, *, now: float | None = None) -> None:
    """Remove what killed processes left behind: temporary files older than a day. `now` is in seconds since 1970."""
    now = time.time() if now is None else now
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(".") and entry.name.endswith(_TEMPORARY):
                with suppress(OSError):
                    if now - entry.stat().st_mtime > _DAY:
                        Path(entry.path).unlink()
