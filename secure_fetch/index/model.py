"""A project page as values: whatever they were read from, they are well-formed or do not exist."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import MalformedError
from .distributions import is_project_name
from .urls import check, last_segment, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_SIZE = 2**63 - 1

_MAX_FILE_NAME = 512  # characters
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # everything but tab and line feed
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\]")
_ALGORITHM = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_HEXADECIMAL = re.compile(r"[0-9a-f]+")
_DIGEST_LENGTHS = range(32, 129, 2)  # hexadecimal digits, of algorithms that are not known here
_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_API_VERSION = re.compile(r"1\.[0-9]{1,9}")
_UPLOAD_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,6})?Z")


def printable(text: str) -> str:
    """Return free text with line feeds for line ends, and U+FFFD for every other control character and surrogate.

    Reasons and version specifiers are written by uploaders, and end up on terminals and in pages.
    """
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def usable_hashes(hashes: Mapping[str, str]) -> dict[str, str]:
    """Return those of `hashes` that have the form of a hash, digests in lower case; the others vouch for nothing."""
    return {name: lower for name, digest in hashes.items() if _is_hash(name, lower := digest.lower())}


def _is_hash(name: str, digest: str) -> bool:
    digits = _DIGITS.get(name)
    if digits is None:
        fits = len(digest) in _DIGEST_LENGTHS and _ALGORITHM.fullmatch(name) is not None
    else:
        fits = len(digest) == digits
    return fits and _HEXADECIMAL.fullmatch(digest) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """One file on a project page; raises `MalformedError` for values that are not well-formed.

    `url` is absolute and has no fragment; its last segment is `filename`, since that is where pip reads the name,
    whatever else a page says. `hashes` map algorithms to digests in lower-case hexadecimal and may be empty. `yanked`
    is None, or the reason, which may be empty (PEP 592). `core_metadata` are the hashes of the file's `.metadata`,
    True where there is one without hashes (PEP 658, PEP 714). `size` is in bytes, `upload_time` as on the page
    (PEP 700). `provenance` is a URL that nothing vouches for (PEP 740).
    """

    filename: str
    url: str
    hashes: Mapping[str, str]
    requires_python: str | None = None
    yanked: str | None = None
    core_metadata: Mapping[str, str] | bool | None = None
    size: int | None = None
    upload_time: str | None = None
    gpg_sig: bool | None = None
    provenance: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is not well-formed (`MalformedError`)."""
        name = self.filename
        if not 0 < len(name) <= _MAX_FILE_NAME or name in (".", "..") or _NOT_IN_A_NAME.search(name):
            raise MalformedError("a file name on a project page", f"{name[:80]!r} is not the name of a file")
        what = f"the entry of {name!r}"
        check(self.url, what)
        if last_segment(self.url, what) != name:
            raise MalformedError(what, f"its URL ends in another name ({self.url[:200]!r})")
        _check_hashes(what, self.hashes)
        _check_text(what, self.requires_python)
        _check_text(what, self.yanked)
        if self.core_metadata is not None and not isinstance(self.core_metadata, bool):
            _check_hashes(what, self.core_metadata)
            if not self.core_metadata:
                raise MalformedError(what, "its metadata has an empty set of hashes")
        if self.size is not None and not (type(self.size) is int and 0 <= self.size <= MAX_SIZE):
            raise MalformedError(what, f"its size is not a number of bytes from 0 to {MAX_SIZE}")
        if self.upload_time is not None:
            _check_time(what, self.upload_time)
        if self.provenance is not None:
            check(self.provenance, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """The page of one project; raises `MalformedError` for values that are not well-formed, or a file name twice.

    `name` is spelled as on the page. `versions` is PEP 700's list, None where the page has none. `status` and
    `status_reason` are PEP 792's, `alternate_locations` and `tracks` PEP 708's; they are kept, and decide nothing here.
    """

    name: str
    url: str
    files: tuple[PageFile, ...]
    versions: tuple[str, ...] | None = None
    api_version: str = "1.0"
    status: str | None = None
    status_reason: str | None = None
    alternate_locations: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    _by_name: dict[str, PageFile] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is not well-formed (`MalformedError`)."""
        if not is_project_name(self.name):
            raise MalformedError("a project page", f"{self.name[:80]!r} is not the name of a project")
        what = f"the project page of {self.name}"
        scheme = split(self.url, what).scheme
        if not _API_VERSION.fullmatch(self.api_version):
            raise MalformedError(
                what, f"version {self.api_version[:80]!r} of the simple API is not known here (PEP 629)"
            )
        for text in (self.status, self.status_reason, *(self.versions or ()), *self.alternate_locations, *self.tracks):
            _check_text(what, text)
        by_name: dict[str, PageFile] = {}
        for file in self.files:
            if file.filename in by_name:
                raise MalformedError(what, f"it lists {file.filename!r} twice")
            by_name[file.filename] = file
            if not file.url.startswith(("https://", "http://", f"{scheme}://")):
                raise MalformedError(
                    what, f"{file.filename!r} has the URL {file.url[:200]!r}, which is not fetched from"
                )
        object.__setattr__(self, "_by_name", by_name)

    def file(self, filename: str) -> PageFile | None:
        """Return the file of that name, or None."""
        return self._by_name.get(filename)

    def replace_urls(self, new: Callable[[PageFile], str], *, url: str | None = None) -> ProjectPage:
        """Return the page with every file at the URL that `new` gives for it, and itself at `url`."""
        files = tuple(replace(file, url=new(file)) for file in self.files)
        return replace(self, files=files, url=self.url if url is None else url)


def _check_hashes(what: str, hashes: Mapping[str, str]) -> None:
    for name, digest in hashes.items():
        if not _is_hash(name, digest):
            raise MalformedError(what, f"{name[:40]!r}: {digest[:140]!r} is not a hash in lower-case hexadecimal")


def _check_text(what: str, text: str | None) -> None:
    if text is not None and _UNPRINTABLE.search(text):
        raise MalformedError(what, f"{text[:80]!r} holds a control character")


def _check_time(what: str, text: str) -> None:
    match = _UPLOAD_TIME.fullmatch(text)
    try:
        if match is not None:
            datetime(*map(int, match.groups()))  # type: ignore[arg-type] # noqa: DTZ001 - checked, not kept
            return
    except ValueError:
        pass
    raise MalformedError(
        what, f"its upload time {text[:40]!r} is not of the form YYYY-MM-DDTHH:MM:SS.ffffffZ (PEP 700)"
    )
