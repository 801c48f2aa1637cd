"""A folder as a source of bytes: a mirror on disk, with the same promises as one behind HTTP."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from ..errors import AbsentError, ConfigurationError, LimitError, TransportError
from .addresses import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHUNK = 256 * 1024
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_NO_HINT = "Check the path of the mirror."


class FolderTransport:
    """Serves regular files below `folders` (base URL → folder), under these URLs and under their file: URLs.

    Nothing outside of the folder is read, whatever its names and symbolic links say.
    """

    def __init__(self, folders: Mapping[str, Path | str]) -> None:
        self._bases: list[tuple[str, Path]] = []
        for base, folder in folders.items():
            root = Path(folder).absolute()
            self._bases.append((base.rstrip("/") + "/", root))
            self._bases.append((root.as_uri().rstrip("/") + "/", root))
        # The longest base first: a mirror's metadata may lie elsewhere than the files it is nested in.
        self._bases.sort(key=lambda item: len(item[0]), reverse=True)

    @classmethod
    def from_urls(cls, *urls: str) -> FolderTransport:
        """Return a transport for the folders that these file: URLs name (`ConfigurationError` for other URLs)."""
        folders = {}
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path:
                raise ConfigurationError(f"{redact(url)} is not a file: URL of a folder on this computer.")
            folders[url] = Path(url2pathname(parts.path))
        return cls(folders)

    def stream(self, url: str, *, max_length: int, deadline: float) -> Iterator[bytes]:
        """Yield a file in chunks; `AbsentError`, `LimitError` before the excess, `TransportError`."""
        ends = time.monotonic() + deadline
        shown = redact(url)
        descriptor = self._open(url, shown)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor is not a path
            length = 0
            while True:
                if time.monotonic() > ends:
                    raise TransportError(shown, f"it was not read within {deadline:g} seconds")
                chunk = _read(file.fileno(), min(_CHUNK, max_length - length + 1), shown)
                length += len(chunk)
                if length > max_length:
                    raise LimitError(shown, limit=max_length, hint=LimitError.endless)
                if not chunk:
                    return
                yield chunk

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _locate(self, url: str, shown: str) -> tuple[Path, list[str]]:
        """Return the folder and the decoded segments below it; each is decoded once (TRAPS D5)."""
        plain = url.partition("#")[0].partition("?")[0]
        base, root = next(((base, root) for base, root in self._bases if plain.startswith(base)), ("", None))
        if root is None:
            raise TransportError(shown, "no folder is configured for it", hint=_NO_HINT)
        segments = []
        for quoted in plain[len(base) :].split("/"):
            try:
                segment = unquote(quoted, errors="strict")
            except UnicodeDecodeError:
                raise TransportError(shown, "its name is not UTF-8", hint=_NO_HINT) from None
            if segment in (".", "..") or any(char in segment for char in "/\\\0"):
                raise TransportError(shown, "its name could leave the folder", hint=_NO_HINT)
            segments.append(segment)
        if "" in segments[:-1]:
            raise TransportError(shown, "its name has an empty segment", hint=_NO_HINT)
        return root, segments

    def _open(self, url: str, shown: str) -> int:
        """Return a descriptor of the regular file; a FIFO or a device is neither opened nor waited for."""
        root, segments = self._locate(url, shown)
        if not root.is_dir():  # not "absent": a mirror that is not mounted has not said anything
            raise TransportError(shown, f"there is no folder {str(root)!r}", hint=_NO_HINT)
        try:
            path = root.joinpath(*segments).resolve(strict=True)
            if not path.is_relative_to(root.resolve(strict=True)):
                raise TransportError(shown, "a symbolic link leads out of the folder", hint=_NO_HINT)
            _regular(os.stat(path), shown)  # noqa: PTH116 - beside os.fstat
            descriptor = os.open(path, _FLAGS)
        except OSError as error:
            if error.errno in _ABSENT:
                raise AbsentError(shown, "there is no such file", hint=_NO_HINT) from None
            raise TransportError(shown, f"it cannot be opened: {error.strerror}", hint=_NO_HINT) from error
        except (RuntimeError, UnicodeError) as error:  # a loop of links before Python 3.13; a lone surrogate
            raise TransportError(shown, "no file can have this name", hint=_NO_HINT) from error
        try:
            _regular(os.fstat(descriptor), shown)  # again: the name may have been given to something else
        except TransportError:
            os.close(descriptor)
            raise
        return descriptor


_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def _regular(status: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise TransportError(shown, "it is a folder", hint=_NO_HINT)
    if not stat.S_ISREG(status.st_mode):
        raise TransportError(shown, "it is not a regular file", hint=_NO_HINT)


def _read(descriptor: int, amount: int, shown: str) -> bytes:
    try:
        return os.read(descriptor, amount)
    except OSError as error:
        raise TransportError(shown, f"it cannot be read: {error.strerror}", hint=_NO_HINT) from error
