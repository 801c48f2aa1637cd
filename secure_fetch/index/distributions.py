"""Names: which are legal for a project, and which project, version and platforms a file name stands for.

`packaging` is imported where it is used, because its tags load `subprocess` and this room loads nothing that
reaches outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.version import Version

_PROJECT = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?", re.ASCII | re.IGNORECASE)
_MAX_PROJECT = 255  # characters; a name is a segment of a URL and of a path
_MAX_TAGS = 1_000  # `a.b-c.d-e.f` stands for 8 tags; a long name of dots would stand for millions
# What pip takes for an sdist; the two that the specification names come first.
_SDISTS = (".tar.gz", ".zip", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma")
_LEGACY = (".egg", ".exe", ".msi", ".rpm", ".dmg", ".deb")
_LEGACY_PLATFORM = re.compile(r"\.(?:win32|win-amd64|win-arm64|macosx|linux|noarch|src).*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a file name says: the normalised project, the version, and for a wheel its build number and tags.

    `kind` is "legacy" for formats that no installer takes any more (eggs, Windows installers).
    """

    project: str
    version: Version
    kind: Literal["wheel", "sdist", "legacy"]
    build: tuple[()] | tuple[int, str] = ()
    tags: frozenset[Tag] = frozenset()


def normalise(name: str) -> str:
    """Return `name` normalised as in PEP 503; any text has a normalised form, legal or not."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - loads subprocess

    return canonicalize_name(name)


def project_name(text: str) -> str:
    """Return the normalised name of a project; raises `UsageError` for one that is not legal (PEP 508).

    Legal are ASCII letters, digits, `.`, `-` and `_`, with a letter or digit at both ends, at most 255 of them. So a
    legal name is one safe segment of a path.
    """
    if not is_project_name(text):
        raise UsageError(
            f"{text[:80]!r} is not the name of a project.",
            hint="Names have letters, digits, '.', '-' and '_', and begin and end with a letter or digit.",
        )
    return normalise(text)


def is_project_name(text: str) -> bool:
    """Tell whether `text` is a legal name (packaging 24.1 lets a line feed and other letters through)."""
    return len(text) <= _MAX_PROJECT and _PROJECT.fullmatch(text) is not None


def read(filename: str, project: str | None = None) -> Distribution | None:
    """Return what `filename` says, or None where it names no distribution with a PEP 440 version.

    An sdist's name may be split in several ways (`foo-1-1.tar.gz` is version 1 of foo-1 or 1.post1 of foo): with a
    normalised `project` the split that names it is taken, as pip does, without one the last dash separates.
    """
    if filename.endswith(".whl"):
        found = _wheel(filename)
        return found if found is None or project in (None, found.project) else None
    for suffix in _SDISTS:
        if filename.endswith(suffix):
            return _sdist(filename.removesuffix(suffix), project)
    if project is not None and filename.endswith(_LEGACY):
        return _legacy(filename.rpartition(".")[0], project)
    return None


def belongs(filename: str, project: str) -> bool:
    """Tell whether `filename` names a distribution of `project`, which need not be normalised."""
    return read(filename, normalise(project)) is not None


def version_of(filename: str, project: str | None = None) -> Version | None:
    """Return the version in `filename`, or None where there is none that PEP 440 knows."""
    found = read(filename, None if project is None else normalise(project))
    return found.version if found else None


def _wheel(filename: str) -> Distribution | None:
    """Read a wheel's name (PEP 427)."""
    from packaging.utils import parse_wheel_filename  # noqa: PLC0415 - loads subprocess

    combinations = 1
    for part in filename.removesuffix(".whl").split("-")[-3:]:
        combinations *= part.count(".") + 1
    if combinations > _MAX_TAGS:
        return None
    try:
        project, version, build, tags = parse_wheel_filename(filename)
    except ValueError:  # the root of packaging's errors here, and of an integer with too many digits
        return None
    if not is_project_name(project):
        return None
    return Distribution(project=project, version=version, kind="wheel", build=build, tags=tags)


def _sdist(stem: str, project: str | None) -> Distribution | None:
    """Read `name-version` (PEP 625, and what came before it)."""
    if project is None:
        name, _, rest = stem.rpartition("-")
        splits = [(name, rest)] if is_project_name(name) else []
    else:
        splits = _splits(stem, project)
    for name, rest in splits:
        version = _version(rest)
        if version is not None:
            return Distribution(project=normalise(name), version=version, kind="sdist")
    return None


def _legacy(stem: str, project: str) -> Distribution | None:
    """Read `name-version`, followed by a platform or a Python version."""
    for name, rest in _splits(stem, project):
        version = _version(_LEGACY_PLATFORM.sub("", rest).partition("-")[0])
        if version is not None:
            return Distribution(project=normalise(name), version=version, kind="legacy")
    return None


def _splits(stem: str, project: str) -> list[tuple[str, str]]:
    """Return each way to split `stem` at a dash whose first half is a name of `project`."""
    dashes = (place for place, character in enumerate(stem) if character == "-")
    return [
        (stem[:place], stem[place + 1 :])
        for place in dashes
        if is_project_name(stem[:place]) and normalise(stem[:place]) == project
    ]


def _version(text: str) -> Version | None:
    from packaging.version import Version  # noqa: PLC0415 - as above, for one rule

    try:
        return Version(text)
    except ValueError:
        return None
