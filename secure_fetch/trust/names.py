"""Names from metadata are hostile: a value of these types is safe, or it does not exist.

Neither type is a `str`, so that no name reaches a URL or a path without saying how.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import quote

from ..errors import MalformedError

TOP_LEVEL = ("root", "timestamp", "snapshot", "targets")

_MAX_ROLE = 512  # characters; the longest name in a known deployment has 40
_MAX_PATH = 2048  # characters
_MAX_DISK = 120  # characters of one file name, well below what every file system takes
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?![a-z0-9_-])", re.ASCII)


def disk_name(text: str, *, keep: frozenset[int] = _PLAIN) -> str:
    """Return `text` as one file name: reversible where short, hashed where long, never two names on one file.

    Everything but lower-case letters, digits, `_`, `-` is percent-encoded, so that names which differ only in case
    or Unicode form stay apart on every file system, and no device name, dot or space is left to mean something.
    """
    quoted = "".join(chr(byte) if byte in keep else f"%{byte:02x}" for byte in text.encode("utf-8"))
    if _DEVICE.match(quoted):
        quoted = f"%{ord(quoted[0]):02x}{quoted[1:]}"
    if len(quoted) > _MAX_DISK or not quoted:
        return "~" + hashlib.sha256(text.encode("utf-8")).hexdigest()
    return quoted


@dataclass(frozen=True, slots=True)
class RoleName:
    """The name of a role, at most 512 characters, any of them but control characters."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what cannot be a name (`MalformedError`)."""
        if not isinstance(self.text, str) or not self.text or len(self.text) > _MAX_ROLE:
            raise MalformedError("a role name", f"it must have 1 to {_MAX_ROLE} characters")
        if _CONTROL.search(self.text):
            raise MalformedError("a role name", "it holds a control character")

    @property
    def url(self) -> str:
        """The name as one segment of a URL, quoted whole."""
        return quote(self.text, safe="")

    @property
    def disk(self) -> str:
        """The name as one file name."""
        return disk_name(self.text)

    def __str__(self) -> str:
        """Return the name for a message; a reader's terminal is protected where messages are printed."""
        return self.text


ROOT, TIMESTAMP, SNAPSHOT, TARGETS = (RoleName(name) for name in TOP_LEVEL)


@dataclass(frozen=True, slots=True)
class TargetPath:
    """The path of a target: relative, `/` between segments, none of them empty, `.` or `..`."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what could leave its folder (`MalformedError`)."""
        if not isinstance(self.text, str) or not self.text or len(self.text) > _MAX_PATH:
            raise MalformedError("a target path", f"it must have 1 to {_MAX_PATH} characters")
        if "\\" in self.text or _CONTROL.search(self.text):
            raise MalformedError("a target path", "it holds a backslash or a control character")
        for segment in self.text.split("/"):
            if segment in ("", ".", ".."):
                raise MalformedError("a target path", f"{self.text!r} has an empty, '.' or '..' segment")

    @property
    def name(self) -> str:
        """The last segment, as the metadata has it."""
        return self.text.rpartition("/")[2]

    @property
    def disk(self) -> str:
        """The last segment as one file name, spelled as it is where that is safe everywhere."""
        return file_name(self.name)

    def url(self, digest: str | None = None) -> str:
        """Return the path quoted for a URL, with `digest` and a dot in front of the last segment only."""
        folder, slash, name = self.text.rpartition("/")
        return quote(folder) + slash + quote(f"{digest}.{name}" if digest else name, safe="")

    def __str__(self) -> str:
        """Return the path for a message."""
        return self.text


_ORDINARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!@=,~-]*", re.ASCII)
_MAX_FILE_NAME = 200


def file_name(text: str) -> str:
    """Return the last segment of a target path as a file name in a user's folder.

    Ordinary names (those of all wheels and sdists) stay as they are; others are percent-encoded, so that they are
    neither hidden files, nor devices, nor end in a dot, and can not fall onto another name.
    """
    ordinary = _ORDINARY.fullmatch(text) is not None and not text.endswith((".", "~")) and len(text) <= _MAX_FILE_NAME
    if ordinary and not _DEVICE.match(text.lower()):
        return text
    return disk_name(text)
