"""A signed index in a folder, made with python-tuf, and the command run against it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from secure_fetch.cli.main import main
from tests import simulator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

SOON = timedelta(hours=23, minutes=30)
LATER = timedelta(days=20, hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error in it."""
        return self.json["error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """Runs commands in this process, as a user whose home is `home`."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    options: list[str] = field(default_factory=list)

    def __call__(self, *arguments: object) -> Ended:
        self.capsys.readouterr()
        code = main([*self.options, *map(str, arguments)])
        printed = self.capsys.readouterr()
        return Ended(code=code, out=printed.out, err=printed.err)

    @property
    def config(self) -> Path:
        return self.home / "config" / "secure-fetch" / "config.toml"

    @property
    def state(self) -> Path:
        return self.home / "state" / "secure-fetch"

    @property
    def cache(self) -> Path:
        return self.home / "cache" / "secure-fetch"


class Corp:
    """An index in `folder`: `publish` writes what the simulator serves."""

    def __init__(self, folder: Path, *, bins: bool = True) -> None:
        self.folder = folder
        self.base = f"{folder.as_uri()}/"
        self.sim = simulator.Simulator(metadata_url=f"{self.base}metadata/", targets_url=self.base)
        self.sim.timestamp.expires = datetime.now(timezone.utc).replace(microsecond=0) + SOON
        self.files: dict[str, dict[str, Any]] = {}
        if bins:
            self.sim.hash_bins()
        self.publish()
        self.root = folder / "root.json"
        self.root.write_bytes(self.sim.initial_root)

    @property
    def index_url(self) -> str:
        return f"{self.base}simple/"

    @property
    def fingerprint(self) -> str:
        return f"sha256:{hashlib.sha256(self.sim.initial_root).hexdigest()}"

    @property
    def config(self) -> str:
        """The text of a configuration file that trusts it."""
        return f'[repositories.corp]\nindex-url = "{self.index_url}"\nroot = "{self.root.as_posix()}"\n'

    def publish(self) -> None:
        """Sign what changed, and write all that is served."""
        self.sim.publish()
        self.write()

    def write(self) -> None:
        """Write all that is served, as it is."""
        for url, data in self.sim.served.items():
            path = self.path(url)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def path(self, url: str) -> Path:
        """Return the file that a URL stands for."""
        return self.folder.joinpath(unquote(urlsplit(url).path.removeprefix(urlsplit(self.base).path)))

    def add(self, name: str, data: bytes, *, signed: bool = True, **fields: Any) -> str:
        """Put a file on its project's page, and sign it; return its target path. `publish` afterwards."""
        digest = hashlib.sha256(data).hexdigest()
        path = f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{name}"
        project = name.split("-", maxsplit=1)[0].lower()
        self.files.setdefault(project, {})[name] = {
            "filename": name,
            "url": f"../../{path}",
            "hashes": {"sha256": digest},
            **fields,
        }
        if signed:
            self.sim.add_target(path, data)
        page = {"meta": {"api-version": "1.0"}, "name": project, "files": list(self.files[project].values())}
        self.sim.add_target(f"simple/{project}/index.json", json.dumps(page).encode())
        return path


def expire_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a simulator signs be valid for some weeks from now, whenever that is."""
    moment = datetime.now(timezone.utc).replace(microsecond=0) + LATER
    monkeypatch.setattr(simulator, "EXPIRES", moment)


def environment(home: Path) -> Mapping[str, str]:
    """Return the variables of a user whose files all lie in `home`."""
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_DIRS": str(home / "system"),
    }
