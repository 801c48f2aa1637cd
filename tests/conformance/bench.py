"""Our entry point and python-tuf's client side by side, over HTTP, against one repository in memory.

Each command runs in both, each with its own folders, and both have to say the same: exit code, requests, metadata that
is trusted, artifacts. Where they rightly differ a test asks for ours alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

from tests.servers import Running, Talker
from tests.simulator import EXPIRES, TOP_LEVEL, Simulator

from .entry import main

if TYPE_CHECKING:
    from collections.abc import Sequence

CLIENT = Path(__file__).with_name("client")
LATER = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
ALWAYS_REAL = "CONFORMANCE_EXECUTABLE" in os.environ  # slower by half a second a command


class LiveSimulator(Simulator):
    """Expires a month from now, whenever that is."""

    def sign(self, role: str) -> bytes:
        signed = self.signed(role)
        if signed.expires == EXPIRES:
            signed.expires = LATER
        return super().sign(role)


class Handler(Talker):
    """Answers from the simulator of the bench."""

    def do_GET(self) -> None:  # noqa: N802 - the name in the base class
        owner = self.server.owner
        owner.note(self)
        status, data = owner.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Served(Running):
    """An HTTP server of one simulated repository; `statuses` maps a path to an error, `lies` to other bytes."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.simulator: Simulator | None = None
        self.statuses: dict[str, int] = {}
        self.lies: dict[str, bytes] = {}

    def answer(self, path: str) -> tuple[int, bytes]:
        # A client may quote more than it has to.
        served = {} if self.simulator is None else {unquote(url): data for url, data in self.simulator.served.items()}
        url = unquote(self.url.rstrip("/") + path)
        name = path.removeprefix("/metadata/")
        if name in self.statuses:
            return self.statuses[name], b"no"
        data = self.lies.get(name, served.get(url))
        return (HTTPStatus.NOT_FOUND, b"no") if data is None else (HTTPStatus.OK, data)

    def take_paths(self) -> list[str]:
        """Return what was asked for since the last call, decoded, metadata without its folder."""
        paths = [unquote(path).removeprefix("/metadata/") for path in self.paths]
        self.log.clear()
        return paths


class Outcome(NamedTuple):
    """What one command did: exit code, requests in their order, and what lies in D (by role) and T afterwards."""

    code: int
    asked: list[str]
    trusted: dict[str, bytes]
    artifacts: dict[str, bytes]

    @property
    def versions(self) -> dict[str, int]:
        """Role → version, in the order in which they are trusted, delegated roles last."""
        versions = {role: int(json.loads(data)["signed"]["version"]) for role, data in self.trusted.items()}
        return {role: versions[role] for role in sorted(versions, key=lambda role: (*TOP_LEVEL, role).index(role))}


class Bench:
    """One repository, and both clients of it, initialised with its first root."""

    def __init__(self, server: Served, folder: Path, **options: Any) -> None:
        self.server = server
        self.folder = folder
        self.repository = LiveSimulator(
            metadata_url=server.url + "metadata/", targets_url=server.url + "targets/", **options
        )
        server.simulator = self.repository
        self.metadata = folder / "ours" / "metadata"
        self.targets = folder / "ours" / "targets"
        self.peer_metadata = folder / "peer" / "metadata"
        self.peer_targets = folder / "peer" / "targets"
        self.root_file = folder / "initial.json"
        self.peer_metadata.mkdir(parents=True)
        self.peer_targets.mkdir()
        self.init(self.repository.initial_root)

    def init(self, root: bytes) -> None:
        """Begin with this root, or begin anew."""
        self.root_file.write_bytes(root)
        assert self.run("init", str(self.root_file)) == 0
        assert self.server.take_paths() == []
        assert [path.name for path in files(self.metadata) if path.parent == self.metadata] == ["root.json"]
        assert (self.metadata / "root.json").read_bytes() == root
        (self.peer_metadata / "root.json").write_bytes(root)

    def run(self, *arguments: str, real: bool = ALWAYS_REAL, before: Sequence[str] = ()) -> int:
        """Run the entry point, as a process of its own if `real`, `before` being words in front; return its code."""
        words = ["--metadata-dir", str(self.metadata), *arguments]
        if real or before:
            return execute(*words, before=before).returncode
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                return main(words)
            except SystemExit as stop:
                return int(stop.code or 0)

    def refresh(self, *, peer: bool = True, **how: Any) -> Outcome:
        words = ["--metadata-url", self.repository.metadata_url, "refresh"]
        return self._compared(self.run(*words, **how), () if peer else None)

    def download(self, *names: str, peer: bool = True, **how: Any) -> Outcome:
        words = ["--metadata-url", self.repository.metadata_url, *(f"--target-name={name}" for name in names)]
        words += ["--target-base-url", self.repository.targets_url, "--target-dir", str(self.targets), "download"]
        return self._compared(self.run(*words, **how), names if peer else None)

    def _compared(self, code: int, names: Sequence[str] | None) -> Outcome:
        """Return what our client did, having seen the peer do the same with `names` (None: it is not asked)."""
        ours = self._outcome(code, self.metadata, self.targets)
        assert code in (0, 1)
        assert {path.name for path in self.metadata.iterdir()} - {f"{name}.json" for name in ours.trusted} == {"store"}
        if names is not None:
            assert ours == self._outcome(self._ask_peer(names), self.peer_metadata, self.peer_targets)
        return ours

    def _outcome(self, code: int, metadata: Path, targets: Path) -> Outcome:
        trusted = {path.stem: path.read_bytes() for path in metadata.glob("*.json")}
        return Outcome(
            code, self.server.take_paths(), trusted, {path.name: path.read_bytes() for path in files(targets)}
        )

    def _ask_peer(self, names: Sequence[str]) -> int:
        url, targets_url = self.repository.metadata_url, self.repository.targets_url
        try:
            updater = Updater(str(self.peer_metadata), url, str(self.peer_targets), targets_url, bootstrap=None)
            updater.refresh()
            for name in names:
                target = updater.get_targetinfo(name)
                if target is None:
                    return 1
                if updater.find_cached_target(target) is None:
                    updater.download_target(target)
        except (RepositoryError, DownloadError, ValueError):
            return 1
        return 0


def files(folder: Path) -> list[Path]:
    """Return everything below a folder that is no folder itself."""
    return [path for path in sorted(folder.rglob("*")) if not path.is_dir()]


def execute(*words: str, before: Sequence[str] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the executable as a process of its own, with this interpreter."""
    command = [*before, sys.executable, str(CLIENT), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, **options)
