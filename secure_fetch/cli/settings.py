"""Settings and where each came from: option, environment, the user's file, the system's file, default.

No setting is read from the folder a command happens to run in, so that a project that was checked out cannot widen
what its user trusts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import config
from ..errors import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

APP = "secure-fetch"
ENVIRONMENT = "SECURE_FETCH_"
FILE_NAME = "config.toml"
USER = "user's file"
SYSTEM = "system's file"
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_MAX_FILE = 1_000_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A setting: its key in a file, further variables that pip users have, whether it is a path or yes or no."""

    key: str
    others: tuple[str, ...] = ()
    is_path: bool = False
    is_switch: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it, the strongest first."""
        return (ENVIRONMENT + self.key.upper().replace("-", "_"), *self.others)


KNOWN = (
    _Known(key="cache-dir", is_path=True),
    _Known(key="state-dir", is_path=True),
    _Known(key="cert", others=("PIP_CERT", "REQUESTS_CA_BUNDLE"), is_path=True),
    _Known(key="client-cert", others=("PIP_CLIENT_CERT",), is_path=True),
    _Known(key="proxy", others=("PIP_PROXY",)),
    _Known(key="keyring", is_switch=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting as it counts now. `value` is text, a Path, a bool, or None where it is not set."""

    key: str
    value: str | Path | bool | None = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A configuration file: where it is, what kind of file, and what it holds (nothing where it is not there)."""

    path: Path
    kind: str
    there: bool
    text: str = field(repr=False)
    table: Mapping[str, Any] = field(repr=False)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its `[settings]`, checked."""
        found = self.table.get("settings", {})
        if not isinstance(found, dict):
            raise ConfigurationError(f"{self.path}: `settings` is not a table.")
        known = {one.key: bool if one.is_switch else str for one in KNOWN}
        for key, value in found.items():
            if key not in known:
                raise ConfigurationError(
                    f"{self.path}: unknown setting `{key}`.", hint=f"There are {', '.join(sorted(known))}."
                )
            if not isinstance(value, known[key]):
                raise ConfigurationError(f"{self.path}: `{key}` should be of the type {known[key].__name__}.")
        return found

    @property
    def repositories(self) -> Mapping[str, Any]:
        """Its `[repositories]` as they are written, by name."""
        found = self.table.get("repositories", {})
        if not isinstance(found, dict):
            raise ConfigurationError(f"{self.path}: `repositories` is not a table.")
        return found

    def configuration(self, environment: Mapping[str, str]) -> config.Configuration:
        """Return its repositories; raises `ConfigurationError`."""
        if not self.there and self.kind not in (USER, SYSTEM):
            raise ConfigurationError(
                f"There is no configuration file {self.path} ({self.kind}).", hint="Check its path."
            )
        table = {key: value for key, value in self.table.items() if key != "settings"}
        return config.read(table, folder=self.path.parent, what=str(self.path), environment=environment)


def read_file(path: Path, kind: str) -> File:
    """Read a configuration file; one that does not exist is empty. Raises `ConfigurationError`."""
    try:
        data = config.read_file(path, _MAX_FILE)
    except ConfigurationError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return File(path=path, kind=kind, there=False, text="", table={})
        raise
    table = config.parse(data, path)  # refuses what is not UTF-8
    return File(path=path, kind=kind, there=True, text=data.decode("utf-8"), table=table)


class Settings:
    """All settings of one run; raises `ConfigurationError` for what contradicts itself, when it is asked for."""

    def __init__(self, options: argparse.Namespace, *, environment: Mapping[str, str] | None = None) -> None:
        self._options = vars(options)
        self.environment = os.environ if environment is None else environment
        self.files = self._read_files()

    def _named(self) -> tuple[str, str] | None:
        """Return the configuration file that was named, and by what."""
        if self._options.get("config"):
            return str(self._options["config"]), "option --config"
        variable = ENVIRONMENT + "CONFIG"
        return (self.environment[variable], f"environment {variable}") if self.environment.get(variable) else None

    def _read_files(self) -> tuple[File, ...]:
        """Return the configuration files in order; one that is named stands for all others."""
        named = self._named()
        if named is not None:
            return (read_file(_expanded(named[0]), named[1]),)
        from platformdirs import site_config_path

        user = _user_folder("config")
        folders = [(site_config_path(APP, appauthor=False), SYSTEM)]
        if user is not None:
            folders.insert(0, (user, USER))
        return tuple(read_file(folder / FILE_NAME, kind) for folder, kind in folders if folder.is_absolute())

    @property
    def own_file(self) -> Path:
        """The configuration file that commands may change; raises `ConfigurationError` where there is no home."""
        for file in self.files:
            if file.kind != SYSTEM:
                return file.path
        raise no_home("configuration", "--config FILE", ENVIRONMENT + "CONFIG")

    def get(self, key: str) -> Setting:
        """Return one setting of `KNOWN`."""
        (known,) = (one for one in KNOWN if one.key == key)
        return self._given(known) or self._default(known)

    def _given(self, known: _Known) -> Setting | None:
        option = self._options.get(known.key.replace("-", "_"))
        if option is not None:
            name = f"--no-{known.key}" if option is False else f"--{known.key}"
            return Setting(key=known.key, value=_typed(known, option, Path(), name), source=f"option {name}")
        for variable in known.variables:
            text = self.environment.get(variable)
            if text:
                return Setting(
                    key=known.key, value=_typed(known, text, Path(), variable), source=f"environment {variable}"
                )
        for file in self.files:
            value = file.settings.get(known.key)
            if value is not None and value != "":
                typed = _typed(known, value, file.path.parent, str(file.path))
                return Setting(key=known.key, value=typed, source=f"{file.kind} ({file.path})")
        return None

    def _default(self, known: _Known) -> Setting:
        value: Path | bool | None = None
        if known.key == "keyring":
            value = True
        elif known.key in ("cache-dir", "state-dir"):
            kind = known.key.removesuffix("-dir")
            value = _user_folder(kind)
            if value is None:
                return Setting(key=known.key, value=None, source="default, but there is no home folder")
        return Setting(key=known.key, value=value, source="default")

    def all(self) -> tuple[Setting, ...]:
        """Return every setting, as it counts now."""
        return tuple(self.get(known.key) for known in KNOWN)

    def folder(self, key: str) -> Path:
        """Return `cache-dir` or `state-dir`; raises `ConfigurationError` where there is no home folder."""
        value = self.get(key).value
        if not isinstance(value, Path):
            (known,) = (one for one in KNOWN if one.key == key)
            raise no_home(key.removesuffix("-dir"), f"--{key} DIR", known.variables[0])
        return value

    def path(self, key: str) -> str | None:
        """Return a setting that is a file, or None."""
        value = self.get(key).value
        return None if value is None else str(value)


def no_home(what: str, option: str, variable: str) -> ConfigurationError:
    """Return the error for a user without a home folder."""
    return ConfigurationError(
        f"There is no place for the {what}: this user has no home folder (HOME is not set).",
        hint=f"Set HOME, or name the place with {option} or {variable}.",
    )


def _user_folder(kind: str) -> Path | None:
    """Return the user's folder for "config", "cache" or "state", or None where there is no home.

    What is not absolute would lie in the folder that the command runs in, so it does not count.
    """
    import platformdirs

    try:
        if kind == "config":
            folder = platformdirs.user_config_path(APP, appauthor=False)
        elif kind == "cache":
            folder = platformdirs.user_cache_path(APP, appauthor=False)
        else:
            folder = platformdirs.user_state_path(APP, appauthor=False)
            if folder == platformdirs.user_config_path(APP, appauthor=False):
                folder /= "state"  # on macOS and Windows one folder is all three
    except RuntimeError:  # newer versions say so; older ones leave the ~ as it is
        return None
    return folder if folder.is_absolute() else None


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise no_home("folder ~", "its whole path", "HOME") from None


def _typed(known: _Known, value: object, base: Path, where: str) -> str | Path | bool:
    """Return a value in its type; paths are relative to `base`."""
    if known.is_switch:
        if isinstance(value, bool):
            return value
        if str(value).lower() in (*_TRUE, *_FALSE):
            return str(value).lower() in _TRUE
        raise ConfigurationError(f"{where}: {str(value)!r} is neither yes nor no.", hint="Set it to 1 or 0.")
    if known.is_path:
        path = Path(str(value))
        return _expanded(str(base / path) if not str(value).startswith("~") else str(value))
    return str(value)
