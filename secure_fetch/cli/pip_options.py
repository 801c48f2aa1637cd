"""pip's command line, read as pip reads it (optparse: abbreviations, clusters), to know what must not get through.

Everything passes through to pip as it was typed, except options that name another source of files, or that would make
pip ignore what it is told here. Those are refused, abbreviated or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Where files come from, or how pip gets there: ours to say. All spellings.
SOURCES = _words(
    "index-url pypi-url extra-index-url no-index find-links process-dependency-links trusted-host proxy no-proxy-env "
    "cert client-cert cache-dir isolated keyring-provider python"
)
_WITH_VALUE = _words(
    "requirement constraint build-constraint requirements-from-script editable target platform python-version "
    "implementation abi root prefix src source source-dir source-directory upgrade-strategy config-settings "
    "config-setting global-option progress-bar root-user-action report group all-releases only-final no-binary "
    "only-binary refresh-package uploaded-prior-to log log-file local-log retries timeout default-timeout "
    "exists-action use-feature use-deprecated resume-retries dest destination-dir destination-directory hash "
    "index-url pypi-url extra-index-url find-links trusted-host proxy cert client-cert cache-dir keyring-provider "
    "python"
)
_SWITCHES = _words(
    "no-deps no-dependencies only-deps dry-run user no-user upgrade force-reinstall ignore-installed "
    "ignore-requires-python no-build-isolation build-isolation check-build-dependencies break-system-packages compile "
    "no-compile no-warn-script-location no-warn-conflicts require-hashes no-require-hashes no-clean pre prefer-binary "
    "help debug isolated require-virtualenv require-venv verbose quiet version no-input no-index no-proxy-env "
    "no-cache-dir disable-pip-version-check no-color use-pep517 no-use-pep517 no-python-version-warning "
    "process-dependency-links"
)
_SHORT = {
    "r": "requirement",
    "c": "constraint",
    "e": "editable",
    "t": "target",
    "d": "dest",
    "i": "index-url",
    "f": "find-links",
    "C": "config-settings",
    "U": "upgrade",
    "I": "ignore-installed",
    "q": "quiet",
    "v": "verbose",
    "h": "help",
    "V": "version",
}
_SAME = {
    "no-dependencies": "no-deps",
    "require-venv": "require-virtualenv",
    "config-setting": "config-settings",
    "destination-dir": "dest",
    "destination-directory": "dest",
}
_LONG = re.compile(r"--([^=]*)(?:=(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: its full name, its value (None for a switch), and the arguments that it was made of."""

    name: str
    value: str | None
    typed: tuple[str, ...]


def read(arguments: Sequence[str], what: str = "the command line") -> Iterator[Option | str]:
    """Yield the options and the other arguments (as `str`) of a pip command, in order.

    Raises `UsageError` for an option that names a source, also where it is abbreviated, and for one that is not known
    or is short for several: a newer pip, or pip in a file, where it has fewer options, may know which. `what` says
    where it stands.
    """
    rest = list(arguments)
    while rest:
        first = rest.pop(0)
        if first == "--":
            yield from rest
            return
        if first.startswith("--"):
            yield _long(first, rest, what)
        elif first.startswith("-") and first != "-":
            yield from _cluster(first, rest, what)
        else:
            yield first


def _long(first: str, rest: list[str], what: str) -> Option:
    match = _LONG.fullmatch(first)
    assert match is not None  # noqa: S101 - it begins with two dashes
    name, value = match[1], match[2]
    known = _WITH_VALUE | _SWITCHES
    meant = {name} if name in known else {each for each in known if name and each.startswith(name)}
    if meant & SOURCES:
        raise refused(f"--{name}", what)
    if len(meant) != 1:
        raise _unclear(f"--{name}", sorted(meant), what)
    full = min(meant)
    typed: tuple[str, ...] = (first,)
    if value is None and full in _WITH_VALUE and rest:
        value = rest.pop(0)
        typed = (first, value)
    return Option(name=_SAME.get(full, full), value=value, typed=typed)


def _cluster(first: str, rest: list[str], what: str) -> Iterator[Option]:
    """Read `-qr file`, `-rfile`, `-q`."""
    letters = first[1:]
    for place, letter in enumerate(letters):
        name = _SHORT.get(letter)
        if name is None:
            raise _unclear(f"-{letter}", [], what)
        if name in SOURCES:
            raise refused(f"-{letter}", what)
        if name not in _WITH_VALUE:
            yield Option(name=name, value=None, typed=(f"-{letter}",))
            continue
        value = letters[place + 1 :]
        if value or not rest:
            yield Option(name=name, value=value, typed=(f"-{letter}{value}",))
        else:
            value = rest.pop(0)
            yield Option(name=name, value=value, typed=(f"-{letter}", value))
        return


def _takes_next(first: str) -> bool:
    """Tell whether pip would take the argument after this one for its value."""
    if first in ("-", "--") or not first.startswith("-"):
        return False
    if first.startswith("--"):
        name, equals, _ = first[2:].partition("=")
        meant = {name} if name in _WITH_VALUE | _SWITCHES else {each for each in _WITH_VALUE if each.startswith(name)}
        return not equals and len(meant) == 1 and meant <= _WITH_VALUE
    places = [place for place, letter in enumerate(first[1:]) if _SHORT.get(letter) in _WITH_VALUE]
    return bool(places) and places[0] == len(first) - 2


def pass_through(parser: argparse.ArgumentParser) -> None:
    """Make a command's parser leave what it does not know, with the values, to pip: in `pip` of its namespace."""
    parse = parser.parse_known_args

    def parse_known_args(args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:  # noqa: ANN401
        own, rest = split(parser, list(args or ()))
        found, unknown = parse(own, namespace)
        found.pip = rest
        return found, unknown

    parser.parse_known_args = parse_known_args  # type: ignore[method-assign,assignment]


def split(parser: argparse.ArgumentParser, arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments that are ours, and those that are pip's, up to `--` and all after it."""
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no other way to ask
    own: list[str] = []
    rest: list[str] = []
    while arguments:
        first = arguments.pop(0)
        if first == "--":
            rest += [first, *arguments]
            break
        action = known.get(first.partition("=")[0] if first.startswith("--") else first[:2])
        counted = first[:1] == "-" and first[:2] != "--" and not set(first[1:]) <= {"v", "q", "h"}
        if action is None or counted:
            rest.append(first)
            if _takes_next(first) and arguments:
                rest.append(arguments.pop(0))
        else:
            own.append(first)
            if action.nargs is None and "=" not in first and arguments:
                own.append(arguments.pop(0))
    return own, rest


def _unclear(option: str, meant: Sequence[str], what: str) -> UsageError:
    """Return the error for an option that is not known, or short for all of `meant`."""
    if meant:
        names = " or ".join(f"--{name}" for name in meant)
        return UsageError(f"{option} in {what} is short for more than one option.", hint=f"Write it out: {names}.")
    return UsageError(
        f"no such option is known here: {option} in {what}.",
        hint="It may be new in your pip, and lead to other sources of files. Leave it out.",
    )


def refused(option: str, what: str) -> UsageError:
    """Return the error for an option that names a source of files."""
    return UsageError(
        f"{option} in {what} is about where files come from, which is what the trusted repositories decide.",
        hint="Leave it out. To install from another index too, trust it: "
        "secure-fetch trust add NAME --index-url URL --root FILE; see also --projects there.",
    )
