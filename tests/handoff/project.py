"""A user's project: a signed index behind a server, trust in it, an environment, and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secure_fetch.cli.main import main
from tests.servers import Server

from .signed_index import SignedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def error(self) -> Any:
        """Return the error in the JSON that it printed."""
        return self.json()["error"]


class Project:
    """Commands run in `folder`, with HOME there and nothing of the machine's pip settings."""

    def __init__(
        self,
        folder: Path,
        upstream: Server,
        index: SignedIndex,
        patch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        self.folder = folder
        self.upstream = upstream
        self.index = index
        self.patch = patch
        self._capfd = capfd
        self._python: Path | None = None
        self.config = folder / "config.toml"
        for name in list(os.environ):
            if name.startswith(("PIP_", "SECURE_FETCH_", "XDG_", "CONDA_")):
                patch.delenv(name)
        patch.delenv("VIRTUAL_ENV", raising=False)
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)  # the machine's own files; tests of settings change it
        patch.chdir(folder)
        (folder / "root.json").write_bytes(index.root)
        self.trust()

    def trust(self, **settings: Any) -> None:
        lines = [f'index-url = "{self.upstream.url}simple/"', 'root = "root.json"']
        lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        limits = "[repositories.corp.limits]\nretries = 0\nread-timeout = 5\n"
        self.config.write_text("\n".join(["[repositories.corp]", *lines, limits]))

    @property
    def python(self) -> Path:
        """The environment, made without pip when it is first needed."""
        if self._python is None:
            venv.create(self.folder / "environment", with_pip=False, symlinks=os.name == "posix")
            self._python = self.folder / "environment" / "bin" / "python"
        return self._python

    def arguments(self, command: str, *arguments: str) -> list[str]:
        """Return the arguments of a command, with the folders that belong to this project."""
        folders = ["--cache-dir", str(self.folder / "cache"), "--state-dir", str(self.folder / "state"), "--no-keyring"]
        return [command, "--config", str(self.config), *folders, *arguments]

    def run(self, command: str, *arguments: str) -> Done:
        """Run a command in this process, and pip as a child."""
        self._capfd.readouterr()
        status = main(self.arguments(command, *arguments))
        out, err = self._capfd.readouterr()
        return Done(status, out, err)

    def install(self, *arguments: str) -> Done:
        return self.run("install", "--python", str(self.python), *arguments)

    def installed(self) -> dict[str, str]:
        """Return what is in the environment: name → version."""
        script = (
            "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
        )
        done = subprocess.run([self.python, "-I", "-c", script], check=True, capture_output=True, text=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found


@contextmanager
def project(tmp_path: Path, patch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """Yield a project whose index is published by the test."""
    index = SignedIndex(tmp_path / "public")
    folder = tmp_path / "project"
    folder.mkdir()
    with Server(index.folder) as upstream:
        yield Project(folder, upstream, index, patch, capfd)


def command_line(*arguments: str) -> list[str]:
    """Return the command as a process of its own."""
    return [sys.executable, "-m", "secure_fetch", *arguments]
