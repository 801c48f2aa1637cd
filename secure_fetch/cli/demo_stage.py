"""The demo's stage: distributions, a signed repository, a server on loopback, new environments, real installs."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import venv
import zipfile
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import InstallerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

_DOWNLOAD_TIMEOUT = 180  # seconds
_INSTALL_TIMEOUT = 240  # seconds
_CHUNK = b"\0" * 65536
_ENDLESS = 4096  # chunks, 256 MiB: as good as endless for a client that stops at the first byte too many


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and one chosen path without an end."""

    protocol_version = "HTTP/1.1"
    endless: str | None = None
    asked: list[str]

    def __init__(self, stage: Server, *args: Any, **options: Any) -> None:  # noqa: ANN401 - http.server's own
        self.stage = stage
        super().__init__(*args, directory=str(stage.folder), **options)

    def do_GET(self) -> None:
        """Answer a GET, for the chosen path with bytes that never end."""
        self.stage.asked.append(self.path)
        if self.stage.endless is None or not self.path.endswith(self.stage.endless):
            super().do_GET()
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for _ in range(_ENDLESS):
                self.wfile.write(_CHUNK)
        except OSError:
            pass  # the client had enough: that is the point

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - http.server's own
        """Say nothing."""


class Server:
    """A static web server on loopback for one folder. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endless: str | None = None
        self.asked: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Server:  # noqa: PYI034 - `Self` comes with Python 3.11
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an install ended: its exit code, what it reported, and which distributions are in the environment now."""

    status: int
    report: dict[str, Any]
    installed: dict[str, str]
    text: str = field(repr=False)

    @property
    def error(self) -> dict[str, Any]:
        """The error as `--json` reports it, or an empty object."""
        found = self.report.get("error")
        return found if isinstance(found, dict) else {}


def get_distributions(packages: Sequence[str], folder: Path) -> str | None:
    """Put real distributions with their dependencies into `folder`, through pip and its own configured index.

    Returns None, or why pip could not. Raises nothing.
    """
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    command += ["--only-binary", ":all:", "--dest", str(folder), "--", *packages]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"pip took longer than {_DOWNLOAD_TIMEOUT} seconds"
    if run.returncode == 0:
        return None
    lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
    return (lines or ["pip download failed"])[-1].removeprefix("ERROR: ")


def make_wheel(folder: Path, name: str, version: str, *, requires: Sequence[str] = ()) -> Path:
    """Build a tiny pure wheel by hand, the same bytes each time."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{module}/__init__.py": f'"""A tiny package made for the demo."""\n__version__ = "{version}"\n',
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: secure-fetch\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return wheel


class Stage:
    """One throwaway folder: configuration, state, caches and environments, none of them the user's."""

    def __init__(self, folder: Path, *, root: bytes, index_url: str) -> None:
        self.folder = folder
        self._count = 0
        self._config = folder / "config.toml"
        (folder / "root.json").write_bytes(root)
        self._config.write_text(
            f'[repositories.demo]\nindex-url = "{index_url}"\nroot = "root.json"\n', encoding="utf-8"
        )

    def environment(self) -> Path:
        """Make a new virtual environment without pip, and return its interpreter."""
        self._count += 1
        folder = self.folder / f"environment-{self._count}"
        venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
        return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def install(
        self, requirements: Sequence[str], *, python: Path, state: str = "state", extra: dict[str, str] | None = None
    ) -> Outcome:
        """Run `secure-fetch install` as a user would, with caches of its own, and see what is in the environment then.

        `state` names the folder that remembers versions, `extra` adds to the process's environment.
        """
        self._count += 1
        command = [sys.executable, "-m", __package__.rpartition(".")[0], "install", "--json"]
        command += ["--config", str(self._config), "--state-dir", str(self.folder / state)]
        command += ["--cache-dir", str(self.folder / f"cache-{self._count}"), "--python", str(python)]
        run = subprocess.run(
            [*command, *requirements],
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**_outer_environment(), **(extra or {})},
        )
        try:
            report = json.loads(run.stdout)
        except ValueError:
            report = {}
        return Outcome(
            status=run.returncode,
            report=report if isinstance(report, dict) else {},
            installed=installed(python),
            text=run.stderr,
        )


def _outer_environment() -> dict[str, str]:
    """Return the environment without our own settings and without a package that only this folder has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SECURE_FETCH_")}


_LIST = (
    "import importlib.metadata as m, json; "
    "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
)
_IMPORT = (
    "import importlib, importlib.metadata as m, sys; d = m.distribution(sys.argv[1]); "
    "names = {str(f).split('/')[0].removesuffix('.py') for f in d.files or () "
    "if str(f).endswith('.py') and '-' not in str(f).split('/')[0]}; "
    "mods = [importlib.import_module(n) for n in sorted(names)]; "
    "assert mods and all(sys.prefix in mod.__file__ for mod in mods); print(', '.join(mod.__name__ for mod in mods))"
)


def installed(python: Path) -> dict[str, str]:
    """Return the distributions in an environment: name → version."""
    run = subprocess.run(
        [str(python), "-I", "-c", _LIST], capture_output=True, text=True, timeout=_INSTALL_TIMEOUT, check=True
    )
    found: dict[str, str] = json.loads(run.stdout)
    return found


def import_distribution(python: Path, name: str) -> str:
    """Import what a distribution brings, in the environment, and return the modules' names (`InstallerError`)."""
    run = subprocess.run(
        [str(python), "-I", "-c", _IMPORT, name], capture_output=True, text=True, timeout=_INSTALL_TIMEOUT, check=False
    )
    if run.returncode:
        raise InstallerError(f"import of {name}", status=run.returncode, hint=run.stderr.strip()[-400:])
    return run.stdout.strip()


def need_signing() -> None:
    """Refuse, with the next step, where the signing side's library is not installed (`UsageError`)."""
    try:
        import tuf  # noqa: F401 - an extra
    except ImportError:
        raise UsageError(
            "The demo signs an index, and the signing side is not installed.",
            hint="Install it: pip install 'secure-fetch[signing]'",
        ) from None


def copy_tree(source: Path, destination: Path) -> None:
    """Make `destination` a copy of `source`."""
    if destination.exists():
        shutil.rmtree(destination)
    shutil.copytree(source, destination)
