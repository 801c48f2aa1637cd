"""What a user trusts: repositories, and which projects each of them may supply.

The configuration is a TOML file (JSON where it is embedded) in the user's or the system's configuration folder, never
in the current project:

    [repositories.corp]
    index-url = "https://index.example/simple/"
    root = "roots/corp.json"
    projects = ["corp-*"]

A project is looked up only in the first repository whose patterns match its normalised name (TAP 4, terminating), so
no other index can answer for it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import ConfigurationError, MalformedError, NotFoundError
from .index.layout import index_root, layout
from .index.urls import split
from .trust.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SCHEMES = ("https://", "http://", "file://")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_MAX_FILE = 1_000_000  # bytes
_LARGEST = 2**63 - 1  # bytes, or whatever else is counted
_LONGEST = 10**9  # seconds; sockets take no more than ten times that
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One repository: its root, where it is, what its paths mean, and how much of it is taken.

    `root` are the bytes of a root metadata file. Without `metadata_url` and `targets_url` they are found from
    `index_url`: `metadata/` beside `simple/`, targets relative to their parent. Several URLs are mirrors of each
    other. `hash_prefix_targets` says whether target files carry their hash in their name; None tries what the layout
    expects first. Raises `ConfigurationError`.
    """

    name: str
    root: bytes = field(repr=False)
    metadata_url: str | tuple[str, ...] = field(default=(), repr=False)
    targets_url: str | tuple[str, ...] = field(default=(), repr=False)
    index_url: str | None = field(default=None, repr=False)
    layout: str = "pep458"
    hash_prefix_targets: bool | None = None
    projects: tuple[str, ...] = ("*",)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Check what can be checked without a network."""
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{self.name!r} is not a name for a repository.",
                hint="Use letters, digits, dots, dashes and underscores, 64 at most, a letter or digit first.",
            )
        if not isinstance(self.root, bytes) or not self.root:
            raise ConfigurationError(f"Repository {self.name} has no root.", hint="Give the bytes of its root.json.")
        layout(self.layout)
        index_urls = () if self.index_url is None else (self.index_url,)
        for key, urls in (
            ("index-url", index_urls),
            ("metadata-url", self.metadata_urls),
            ("targets-url", self.targets_urls),
        ):
            for url in urls:
                _check_url(url, f"Repository {self.name}: `{key}`")

    @property
    def metadata_urls(self) -> tuple[str, ...]:
        """The base URLs of the metadata, each with a slash at its end."""
        return self._urls(self.metadata_url, "metadata/", "metadata-url")

    @property
    def targets_urls(self) -> tuple[str, ...]:
        """The base URLs of the targets, each with a slash at its end."""
        return self._urls(self.targets_url, "", "targets-url")

    @property
    def files_url(self) -> str:
        """What the paths of files on project pages are relative to: the parent of `simple/`, else the targets."""
        if self.index_url is not None and self.index_url.rstrip("/").endswith("/simple"):
            return index_root(self.index_url)
        return self.targets_urls[0]

    def _urls(self, given: str | tuple[str, ...], below_root: str, what: str) -> tuple[str, ...]:
        urls = (given,) if isinstance(given, str) else tuple(given)
        if not urls:
            if self.index_url is None:
                raise ConfigurationError(
                    f"Repository {self.name} has neither `index-url` nor `{what}`.",
                    hint="Give the URL of its simple index, such as https://index.example/simple/.",
                )
            urls = (index_root(self.index_url) + below_root,)
        return tuple(url if url.endswith("/") else url + "/" for url in urls)

    def may_supply(self, project: str) -> bool:
        """Return whether a project is looked up here, by its normalised name."""
        name = normalised(project)
        return any(fnmatchcase(name, normalised(pattern)) for pattern in self.projects)


def _check_url(url: str, what: str) -> None:
    """Refuse what cannot be a base URL, without showing it: it may hold a password."""
    if not url.startswith(_SCHEMES):
        raise ConfigurationError(
            f"{what} is neither an http, https nor file URL.",
            hint="Write it in full, such as https://index.example/simple/.",
        )
    try:
        split(url, what)
        parts = urlsplit(url)
        well_formed = "?" not in url and parts.port != 0
        if ":" in (parts.hostname or ""):
            IPv6Address(parts.hostname)
    except (MalformedError, ValueError):  # no port is that large, no IPv6 address of that form
        well_formed = False
    if not well_formed:
        raise ConfigurationError(
            f"{what} is not a well-formed URL without a query.",
            hint="Percent-encode what stands for itself: a space is %20, an @ in a password %40.",
        )


def normalised(name: str) -> str:
    """Return a project's name or a pattern of names in its normal form (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All repositories in order; the first that may supply a project is the only one that is asked for it."""

    repositories: tuple[Repository, ...] = ()

    def repository_for(self, project: str) -> Repository:
        """Return the repository of a project; raises `ConfigurationError` or `NotFoundError`."""
        if not self.repositories:
            raise ConfigurationError(
                "No repository is trusted yet.",
                hint="Add one: secure-fetch trust add NAME --index-url URL --root root.json",
            )
        for repository in self.repositories:
            if repository.may_supply(project):
                return repository
        names = ", ".join(repository.name for repository in self.repositories)
        raise NotFoundError(
            f"The project {project}",
            where=f"any repository that may supply it ({names})",
            hint="The `projects` of each repository say what it may supply; see `secure-fetch trust list`.",
        )

    def named(self, name: str) -> Repository:
        """Return a repository by its name; raises `ConfigurationError`."""
        for repository in self.repositories:
            if repository.name == name:
                return repository
        names = [repository.name for repository in self.repositories]
        raise ConfigurationError(f"There is no repository {name!r}.", hint=_did_you_mean(name, names))


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return (
        f"Known: {', '.join(known)}." if known else "Add one: secure-fetch trust add NAME --index-url URL --root FILE"
    )


_KEYS = {
    "index-url": "index_url",
    "metadata-url": "metadata_url",
    "targets-url": "targets_url",
    "root": "root",
    "layout": "layout",
    "hash-prefix-targets": "hash_prefix_targets",
    "projects": "projects",
    "limits": "limits",
}
_LIMITS = {item.name.replace("_", "-"): item for item in fields(Limits)}
_TYPES: dict[str, tuple[type, ...]] = {
    "index-url": (str,),
    "metadata-url": (str, list),
    "targets-url": (str, list),
    "root": (str,),
    "layout": (str,),
    "hash-prefix-targets": (bool,),
    "projects": (list,),
    "limits": (dict,),
}


def read(value: Mapping[str, Any], *, folder: Path, what: str, environment: Mapping[str, str]) -> Configuration:
    """Read a parsed configuration. Roots are files relative to `folder`; `${NAME}` in URLs is taken from `environment`.

    Raises `ConfigurationError` that names the key.
    """
    _check_keys(value, ("repositories",), what)
    repositories = value.get("repositories", {})
    if not isinstance(repositories, dict):
        raise ConfigurationError(f"{what}: `repositories` is not a table.")
    return Configuration(
        repositories=tuple(
            _read_repository(name, entry, folder, f"{what}, repository {name}", environment)
            for name, entry in repositories.items()
        )
    )


def _check_keys(value: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    for key in value:
        if key not in known:
            raise ConfigurationError(f"{what}: unknown key `{key}`.", hint=_did_you_mean(key, known))


def _read_repository(name: str, entry: object, folder: Path, what: str, environment: Mapping[str, str]) -> Repository:
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{what}: it is not a table.")
    _check_keys(entry, _KEYS, what)
    for key, kinds in _TYPES.items():
        items = entry[key] if isinstance(entry.get(key), list) and list in kinds else ()
        if key in entry and (not isinstance(entry[key], kinds) or not all(isinstance(item, str) for item in items)):
            raise ConfigurationError(f"{what}: `{key}` should be of the type {kinds[-1].__name__}.")
    if "root" not in entry:
        raise ConfigurationError(f"{what}: `root` is missing.", hint="It names the file with the root metadata.")
    arguments: dict[str, Any] = {_KEYS[key]: entry[key] for key in entry if key not in ("root", "limits")}
    for key in ("index-url", "metadata-url", "targets-url"):
        if key in entry:
            arguments[_KEYS[key]] = _expand_all(entry[key], f"{what}: `{key}`", environment)
    if "projects" in arguments:
        arguments["projects"] = tuple(arguments["projects"])
    limits = _read_limits(entry.get("limits", {}), what)
    try:
        root = read_file(folder / entry["root"], _MAX_FILE)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what}: `root`: {error.message}", hint=error.hint) from error
    try:
        return Repository(name=name, root=root, limits=limits, **arguments)
    except ConfigurationError as error:
        own = f"Repository {name}"
        said = error.message.removeprefix(own) if error.message.startswith(own) else f": {error.message}"
        raise ConfigurationError(f"{what}{said}", hint=error.hint) from error


def _expand_all(value: str | list[str], what: str, environment: Mapping[str, str]) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return _expand(value, what, environment)
    return tuple(_expand(url, what, environment) for url in value)


def _expand(url: str, what: str, environment: Mapping[str, str]) -> str:
    """Put in `${NAME}`, as pip does in requirements files, so that no password need stand in a file."""

    def value(match: re.Match[str]) -> str:
        if match.group(1) not in environment:
            raise ConfigurationError(
                f"{what}: the environment variable {match.group(1)} is not set.",
                hint="Set it, or write the URL in full.",
            )
        return environment[match.group(1)]

    return _VARIABLE.sub(value, url)


def _read_limits(value: Mapping[str, Any], what: str) -> Limits:
    _check_keys(value, _LIMITS, f"{what}, limits")
    for key, number in value.items():
        whole = _LIMITS[key].type == "int"
        most = _LARGEST if whole else _LONGEST
        least = 0 if whole or key == "rate-grace" else 0.001  # no time at all is not a limit
        if isinstance(number, bool) or not isinstance(number, int if whole else (int, float)):
            raise ConfigurationError(f"{what}: the limit `{key}` should be a {'whole ' if whole else ''}number.")
        if not least <= number <= most:  # nor is NaN
            raise ConfigurationError(f"{what}: the limit `{key}` should be from {least} to {most}.")
    return Limits(**{_LIMITS[key].name: number for key, number in value.items()})


def read_file(path: Path, max_length: int) -> bytes:
    """Return the bytes of a small file; raises `ConfigurationError`, also for one that is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(max_length + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no file can have this name"
        raise ConfigurationError(
            f"{path} cannot be read: {why[:1].lower() + why[1:]}.", hint="Check its path, and that you may read it."
        ) from error
    if len(data) > max_length:
        raise ConfigurationError(f"{path} has more than {max_length} bytes.")
    return data


def load(path: Path, *, environment: Mapping[str, str] | None = None) -> Configuration:
    """Read a configuration file, TOML or (by its ending) JSON; one that does not exist trusts nothing.

    Raises `ConfigurationError`.
    """
    try:
        value = parse(read_file(path, _MAX_FILE), path)
    except ConfigurationError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Configuration()
        raise
    return read(
        value, folder=path.parent, what=str(path), environment=os.environ if environment is None else environment
    )


def parse(data: bytes, path: Path) -> dict[str, Any]:
    """Return the table in a configuration file's bytes; raises `ConfigurationError` with the line."""
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_once) if path.suffix == ".json" else _toml(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", hint="Mend the file by hand.") from None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} cannot be read: it is not a table.", hint="Mend the file by hand.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of JSON; what is said twice is not read one way or the other (TOML says so itself)."""
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"the key {twice!r} is there twice")
    return value


def _toml(text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - only a configuration file needs it
    else:
        import tomli as tomllib  # noqa: PLC0415 - the same library, for Python 3.10
    return tomllib.loads(text)
