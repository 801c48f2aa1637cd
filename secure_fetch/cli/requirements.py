"""What a user asks for: requirements as typed and in requirements files, read before pip reads them.

Only names and versions lead to the verified index. A URL, a VCS address or a local path leads around it: in a file they
are refused, and so are options there that name another index. A local path that was typed on the command line is what
the user has in front of them; it is not downloaded, not verified, and reported as such.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import read_file
from ..errors import UsageError
from . import pip_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

_MAX_FILE = 16_000_000  # bytes
_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")  # in bytes, as in pip: text has more spaces and more letters
_EXTRAS = re.compile(r"(.+)(\[[^\]]+\])", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # a single letter is a drive
_ARCHIVES = (
    *(".zip", ".whl", ".tar.bz2", ".tbz", ".tar.gz", ".tgz", ".tar"),
    *(".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"),
)
_LOCK = re.compile(r"pylock(\.[^.]+)?\.toml(\[.*\])?", re.DOTALL)
_PROJECT_FILES = ("group", "requirements-from-script")
_FILES = {"requirement": "-r", "constraint": "-c", "build-constraint": "--build-constraint"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One requirement by name; `hashes` are the `--hash` options beside it, `where` is where it stands."""

    requirement: Requirement
    hashes: tuple[str, ...] = ()
    where: str


@dataclass(slots=True, kw_only=True)
class Request:
    """All that was asked for: requirements by name, paths that were typed, options, and the arguments beside them."""

    wanted: list[Wanted] = field(default_factory=list)
    local: list[str] = field(default_factory=list)
    options: list[pip_options.Option] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    require_hashes: bool = False

    def option(self, name: str) -> str | None:
        """Return the last value of an option; None if it was not given, "" for a switch."""
        values = [option.value or "" for option in self.options if option.name == name]
        return values[-1] if values else None

    def passed(self, *without: str) -> list[str]:
        """Return the arguments as they go to pip, except for the options of these names."""
        typed = [text for option in self.options if option.name not in without for text in option.typed]
        return [*typed, "--", *self.named] if self.named else typed

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for at all."""
        asking = {"requirement", "editable", "group", "requirements-from-script"}
        return not self.named and not any(option.name in asking for option in self.options)


def read(arguments: Sequence[str], *, environment: Mapping[str, str]) -> Request:
    """Read the arguments of a pip command and every requirements file that they name.

    Raises `UsageError` for what leads around the verified index, `StoreError` for a file that cannot be read.
    """
    request = Request()
    reader = _Reader(request, environment)
    for item in pip_options.read(arguments):
        if isinstance(item, str):
            request.named.append(item)
            _typed(request, item)
            continue
        request.options.append(item)
        if item.name in _FILES:
            if not item.value:
                raise UsageError(f"{_FILES[item.name]} needs the name of a file.")
            reader.read(Path(), item.value, constraint=item.name != "requirement")
        elif item.name == "editable" and item.value:
            request.local.append(_editable(item.value.strip()))
        elif item.name in _PROJECT_FILES and item.value:
            reader.project_file(item.name, item.value)
    request.require_hashes |= request.option("require-hashes") is not None
    return request


def _editable(text: str) -> str:
    """Return the path or file: URL of an editable project that was typed (`UsageError` for other URLs)."""
    from packaging.requirements import InvalidRequirement, Requirement

    with suppress(InvalidRequirement):  # a path, then, or a URL
        text = Requirement(text).url or text
    if _URL.match(text) and not _is_file_url(text):
        raise _around(text, "on the command line")
    return text


def check_constraints(names: Sequence[str], *, environment: Mapping[str, str]) -> None:
    """Read constraints files that settings name; errors as in `read`."""
    for name in names:
        _Reader(Request(), environment).read(Path(), name, constraint=True)


def _typed(request: Request, text: str) -> None:
    found = parse(text, "on the command line")
    if isinstance(found, str):
        request.local.append(found)
    else:
        request.wanted.append(Wanted(requirement=found, where="the command line"))


def parse(text: str, where: str) -> Requirement | str:
    """Return a requirement by name, or a local path (also as a file: URL) as `str`.

    What is a path is decided as in pip: by a slash, a dot in front or the ending of an archive. Raises `UsageError` for
    URLs and VCS addresses, and for what is neither.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    text = text.strip()
    if _URL.match(text):
        if _is_file_url(text):
            return text
        raise _around(text, where)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        if _is_path(text):
            return text
        why = str(error).partition("\n")[0].rstrip(".")
        raise UsageError(
            f"{text[:200]!r} {where} is not a requirement: {why}.", hint="Write NAME or NAME==1.0."
        ) from None
    if requirement.url is not None:
        if _is_file_url(requirement.url):
            return requirement.url
        raise _around(requirement.url, where)
    return text if _is_path(text) else requirement


def _is_path(text: str) -> bool:
    """Tell whether pip takes `text` for a path, which `x===1.0.zip` and `x===a/b` can be as well as requirements."""
    text = text.partition(";")[0].strip()
    if text.startswith(".") or os.sep in text or (os.altsep or os.sep) in text:
        return True
    return any(part.lower().endswith(_ARCHIVES) for part in (text, without_extras(text), text.partition("[")[0]))


def without_extras(text: str) -> str:
    """Return a path without the `[extras]` at its end."""
    found = _EXTRAS.fullmatch(text)
    return found[1].rstrip() if found else text


def _around(text: str, where: str) -> UsageError:
    from ..transport import redact

    return UsageError(
        f"{redact(text)} {where} is a URL, and nothing vouches for what is fetched from there.",
        hint="Ask for the project by its name and version instead, or fetch the file yourself and name its path on "
        "the command line.",
    )


class _Reader:
    """Reads requirements files into a request."""

    def __init__(self, request: Request, environment: Mapping[str, str]) -> None:
        self._request = request
        self._environment = environment
        self._open: list[str] = []

    def read(self, folder: Path, name: str, *, constraint: bool) -> None:
        """Read one file and those that it names, relative to its folder."""
        if _URL.match(name):
            raise _around(name, "(a requirements file)")
        _refuse_lock(name)
        path = folder / name
        known = os.path.abspath(path)  # noqa: PTH100 - a `..` has to go, symbolic links may stay
        if known in self._open:
            raise UsageError(f"{path} is named by itself, or by a file that it names.", hint="Break the circle.")
        self._open.append(known)
        for number, line in _lines(path, self._environment):
            self._line(path, line, f"in {path}, line {number}", constraint=constraint)
        self._open.pop()

    def project_file(self, option: str, value: str) -> None:
        """Read the requirements in a script's own metadata (PEP 723), or in a group of a pyproject.toml (PEP 735)."""
        from . import project_files

        if option == "group":
            name, colon, group = value.rpartition(":")
            name = name if colon else "pyproject.toml"
            _refuse_lock(name)
            found = project_files.group(read_file(Path(name), _MAX_FILE), Path(name), group)
        else:
            name = value
            found = project_files.script(read_file(Path(name), _MAX_FILE), Path(name))
        for text in found:
            requirement = parse(text, f"in {name}")
            if isinstance(requirement, str):
                raise _aside(requirement, f"in {name}")
            self._request.wanted.append(Wanted(requirement=requirement, where=name))

    def _line(self, path: Path, line: str, where: str, *, constraint: bool) -> None:
        text = "" if line.startswith("-") else line.partition(" -")[0]
        hashes = []
        for option in pip_options.read(_split(line[len(text) :], where), where.removeprefix("in ")):
            if isinstance(option, str):
                raise UsageError(f"{option!r} {where} belongs to no option.")
            if option.name == "editable":
                raise _aside(option.value or "", where)
            if option.name in _FILES and option.value:
                self.read(path.parent, option.value, constraint=option.name != "requirement")
            if option.name == "hash":
                hashes.append(option.value or "")
            self._request.require_hashes |= option.name in ("require-hashes", "hash")
        if not text.strip():
            return
        found = parse(text, where)
        if isinstance(found, str):
            raise _aside(found, where)
        if not constraint:
            wanted = Wanted(requirement=found, hashes=tuple(hashes), where=where.removeprefix("in "))
            self._request.wanted.append(wanted)


def _refuse_lock(name: str) -> None:
    if _LOCK.fullmatch(Path(name).name):
        raise UsageError(
            f"{name} is a lock file: it names the URLs to fetch from, not only projects and versions.",
            hint="Install from a requirements file; with --hash options it pins as much.",
        )


def _aside(text: str, where: str) -> UsageError:
    if _URL.match(text) and not _is_file_url(text):
        return _around(text, where)
    return UsageError(
        f"{text} {where} is a local path, which nothing vouches for.",
        hint="Name it on the command line instead, if you mean it.",
    )


def _is_file_url(text: str) -> bool:
    return text[:5].lower() == "file:"


def _split(options: str, where: str) -> list[str]:
    try:
        return shlex.split(options)
    except ValueError as error:
        raise UsageError(f"The options {where} cannot be read: {error}.") from None


def _lines(path: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each logical line, as pip makes them: joined, without comments, expanded."""
    if path.exists() and not path.is_file():
        raise UsageError(
            f"{path} is {'a folder' if path.is_dir() else 'not an ordinary file, so it cannot be read twice'}.",
            hint="Name a requirements file." if path.is_dir() else "Save it to a file first.",
        )
    data = read_file(path, _MAX_FILE)
    text = _decode(data, path)
    pending, start = "", 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        start = start or number
        comment = _COMMENT.match(line)
        if line.endswith("\\") and not comment:
            pending += line.strip("\\")
            continue
        whole = pending + (" " + line if comment and pending else line)
        whole = _COMMENT.sub("", whole).strip()
        if whole:
            _check_variables(whole, f"in {path}, line {start}")
            yield start, _VARIABLE.sub(lambda found: environment.get(found[1]) or found[0], whole)
        pending, start = "", 0


def _check_variables(line: str, where: str) -> None:
    """Refuse variables that pip is given other values of than stand here."""
    from ..handoff import pip_runner

    for name in _VARIABLE.findall(line):
        if pip_runner.is_replaced(name):
            raise UsageError(
                f"${{{name}}} {where} is a setting that pip does not get to see as it is here.",
                hint="Use a variable of another name.",
            )


def _decode(data: bytes, path: Path) -> str:
    """Decode UTF-8, which pip does too unless the file says otherwise; so a file that says otherwise is refused."""
    for line in data.split(b"\n")[:2]:
        said = _CODING.search(line) if line[:1] == b"#" else None
        encoding = said[1].decode("ascii") if said else "utf-8"
        if encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "ascii", "us-ascii"):
            raise UsageError(f"{path} says that it is encoded in {encoding}.", hint="Save it as UTF-8.")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not encoded in UTF-8.", hint="Save it as UTF-8.") from None
