"""Which file of a page fits a requirement here: the one that pip would install.

`packaging` is imported where it is used, because its tags load `subprocess` and this room loads nothing that
reaches outside.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotFoundError, UsageError
from .distributions import Distribution, normalise, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.tags import Tag
    from packaging.version import Version

    from .model import PageFile, ProjectPage

_SHOWN = 5  # versions in a message
_MAX_SPECIFIER = 1_000  # characters of a Requires-Python that is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a file has to run on: a full Python version ("3.12.4"), and the tags of wheels, the preferred first."""

    python_version: str
    tags: tuple[Tag, ...]

    def __post_init__(self) -> None:
        """Refuse a version that is none (`UsageError`)."""
        from packaging.version import Version  # noqa: PLC0415 - as above

        try:
            Version(self.python_version)
        except ValueError:
            raise UsageError(f"{self.python_version!r} is not the version of a Python.") from None

    @classmethod
    def here(cls) -> Environment:
        """Return the environment of the Python that runs this."""
        from packaging.tags import sys_tags  # noqa: PLC0415 - loads subprocess

        return cls(python_version=".".join(map(str, sys.version_info[:3])), tags=tuple(sys_tags()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A file of a fitting version: `obstacle` says why it does not run here, `rank` orders those that do."""

    file: PageFile
    version: Version
    rank: tuple[int, tuple[()] | tuple[int, str]]
    obstacle: str


def choose(
    page: ProjectPage,
    requirement: Requirement,
    environment: Environment,
    *,
    allow_sdist: bool = True,
    prereleases: bool | None = None,
) -> PageFile:
    """Return the file of `page` that fits `requirement` best: the newest version, its most specific wheel or an sdist.

    As in pip: pre-releases count only where `prereleases` or the specifier asks for them or nothing else fits (False:
    never), yanked files only where `==` or `===` pins their version and nothing else has it (PEP 592), and an
    unreadable Requires-Python restricts nothing. Of files that are equal in all this, the last on the page is taken.
    Files whose names do not belong to the project are not considered. Extras and markers are not looked at.

    Raises `NotFoundError`, whose hint says what stands in the way, and `UsageError` for a requirement that names
    another project or a URL.
    """
    project = normalise(page.name)
    if normalise(requirement.name) != project or requirement.url is not None:
        raise UsageError(f"The requirement {str(requirement)[:200]!r} does not ask for a release of {page.name}.")
    read_files = [
        (file, found)
        for file in page.files
        if (found := read(file.filename, project)) is not None and found.kind != "legacy"
    ]
    specifier = requirement.specifier
    fitting = _fitting(read_files, specifier, environment, allow_sdist=allow_sdist)
    usable = [candidate for candidate in fitting if not candidate.obstacle]
    allowed = _released(usable, specifier, prereleases=prereleases)
    kept = [candidate for candidate in allowed if candidate.file.yanked is None]
    if not kept and _is_pinned(specifier):
        kept = allowed
    if not kept:
        hint = _explain(page, [found for _, found in read_files], specifier, fitting, allowed)
        raise NotFoundError(f"A file for {requirement}", where=f"the project page of {page.name}", hint=hint)
    best = kept[0]
    for candidate in kept:
        if (candidate.version, candidate.rank) >= (best.version, best.rank):
            best = candidate
    return best.file


def _fitting(
    files: Iterable[tuple[PageFile, Distribution]],
    specifier: SpecifierSet,
    environment: Environment,
    *,
    allow_sdist: bool,
) -> list[_Candidate]:
    """Return a candidate for each file whose version is within the specifier."""
    order = {tag: -place for place, tag in reversed(list(enumerate(environment.tags)))}
    runs: dict[str | None, bool] = {}
    fits: dict[Version, bool] = {}
    candidates = []
    for file, found in files:
        if found.version not in fits:
            fits[found.version] = specifier.contains(found.version, prereleases=True)
        if not fits[found.version]:
            continue
        wanted = file.requires_python
        if wanted not in runs:
            runs[wanted] = _runs_on(wanted, environment.python_version)
        rank, obstacle = -len(environment.tags), ""
        if found.kind == "wheel":
            ranks = [order[tag] for tag in found.tags if tag in order]
            rank = max(ranks, default=rank)
            obstacle = "" if ranks else "are for other platforms or Pythons"
        elif not allow_sdist:
            obstacle = "are source distributions, which are not allowed here"
        if not runs[wanted]:
            obstacle = f"need another Python than {environment.python_version}"
        candidates.append(_Candidate(file=file, version=found.version, rank=(rank, found.build), obstacle=obstacle))
    return candidates


def _runs_on(requires_python: str | None, python_version: str) -> bool:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - loads subprocess

    if not requires_python or len(requires_python) > _MAX_SPECIFIER:
        return True
    try:
        return SpecifierSet(requires_python).contains(python_version, prereleases=True)
    except ValueError:
        return True


def _released(candidates: list[_Candidate], specifier: SpecifierSet, *, prereleases: bool | None) -> list[_Candidate]:
    """Leave pre-releases out where they were not asked for (PEP 440, "Handling of pre-releases")."""
    if prereleases or (prereleases is None and _names_prerelease(specifier)):
        return candidates
    final = [candidate for candidate in candidates if not candidate.version.is_prerelease]
    return final if final or prereleases is False else candidates


def _names_prerelease(specifier: SpecifierSet) -> bool:
    try:
        return bool(specifier.prereleases)
    except ValueError:  # packaging 24.1 takes only PEP 440 versions after `===` here
        return False


def _is_pinned(specifier: SpecifierSet) -> bool:
    return any(
        part.operator == "===" or (part.operator == "==" and not part.version.endswith(".*")) for part in specifier
    )


def _explain(
    page: ProjectPage,
    found: Sequence[Distribution],
    specifier: SpecifierSet,
    fitting: Sequence[_Candidate],
    allowed: Sequence[_Candidate],
) -> str:
    """Say what stands in the way, and what the user can do about it."""
    sentences = []
    if page.status not in (None, "active"):
        sentences.append(f"The project is marked as {page.status!r}.")
    if not found:
        sentences.append(
            f"None of its {len(page.files)} files is a wheel or an sdist of {page.name} with a valid version."
            if page.files
            else "It lists no files."
        )
    elif not fitting:
        versions = sorted({each.version for each in found})
        several = f"the nearest of {len(versions)} are {_nearest(versions, specifier)}"
        sentences.append(f"No version fits; {several if versions[1:] else f'the only one is {versions[0]}'}.")
    elif allowed:
        reasons = sorted({each.file.yanked for each in allowed if each.file.yanked})
        sentences.append(f"Every file that fits was withdrawn (yanked): {_some(each.version for each in allowed)}.")
        sentences.extend(f"The reason given is {reason[:200]!r}." for reason in reasons[:1])
        sentences.append("Pin the version with == to take it all the same.")
    else:
        for obstacle in sorted({each.obstacle for each in fitting if each.obstacle}):
            versions_of = _some(each.version for each in fitting if each.obstacle == obstacle)
            sentences.append(f"Files of {versions_of} {obstacle}.")
        released = [each.version for each in fitting if not each.obstacle]
        if released:
            sentences.append(f"Only pre-releases fit: {_some(released)}. Allow pre-releases to take one.")
    return " ".join(sentences)


def _some(versions: Iterable[Version]) -> str:
    """Return the newest few versions, and how many more there are."""
    newest = sorted(set(versions), reverse=True)
    more = f" and {len(newest) - _SHOWN} more" if len(newest) > _SHOWN else ""
    return ", ".join(map(str, newest[:_SHOWN])) + more


def _nearest(versions: list[Version], specifier: SpecifierSet) -> str:
    """Return a few of the sorted `versions` around those that the specifier names, else the newest."""
    from packaging.version import Version  # noqa: PLC0415 - as above

    place = len(versions)
    for part in specifier:
        try:
            place = min(place, bisect_left(versions, Version(part.version.removesuffix(".*"))))
        except ValueError:  # `===` takes any text
            continue
    start = max(0, min(place - _SHOWN // 2, len(versions) - _SHOWN))
    return ", ".join(map(str, versions[start : start + _SHOWN]))
