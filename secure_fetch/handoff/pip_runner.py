"""Runs pip so that it has one source of files, and ends with all that it started.

It is the pip that this package depends on, running inside of the environment that is installed into, which need not
have a pip. This is what `pip --python` does, without the process in between: that one kills pip at Ctrl-C, in the
middle of whatever it is writing, where pip left to itself undoes what it began.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import InstallerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

_WITHOUT_VCS = Path(__file__).with_name("pip_without_vcs.py")
_POLITE = 4.0  # seconds to undo what was begun
_FIRM = 2.0  # seconds to go
_REMEMBERED = 200  # lines of stderr
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
# Sources of another kind, which a package's metadata can name as well (`x @ git+ssh://…`).
_NO_GIT = {"GIT_ALLOW_PROTOCOL": "none", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
# pip's settings are handed over one by one; ours may hold a passphrase, which is no business of a build.
_NOT_PASSED = ("PIP_", "SECURE_FETCH_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a pip ended: its exit code, and the last lines that it wrote to stderr."""

    status: int
    errors: tuple[str, ...]


def runner() -> Path:
    """Return the program with which pip runs inside of another environment (`InstallerError` where there is no pip)."""
    spec = find_spec("pip")
    path = Path(spec.origin).with_name("__pip-runner__.py") if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise InstallerError(
            "pip", status=127, hint="Install it beside secure-fetch: python -m pip install 'pip>=23.2'"
        )
    return path


def is_replaced(name: str) -> bool:
    """Tell whether a variable may be another for a pip than it is here: what pip expands is not what we would."""
    upper = name.upper()
    return upper.startswith(_NOT_PASSED) or upper in _NO_GIT or name.lower() in (*_PROXIES, "no_proxy")


def environment(outer: Mapping[str, str], *, index_url: str, proxy: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a pip that has one source: `index_url`, and for all else `proxy`, which refuses it.

    `settings` are PIP_ variables that stay. Caches are off: what pip built or fetched before may never have been
    verified, and addresses here change with every run, so nothing would be found again; the client keeps the files.
    """
    own = {name: value for name, value in outer.items() if not is_replaced(name)}
    for name in _PROXIES:
        own[name] = own[name.upper()] = proxy
    own["no_proxy"] = own["NO_PROXY"] = ""
    return {
        **own,
        **settings,
        **_NO_GIT,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index_url,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_KEYRING_PROVIDER": "disabled",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # The index answers when a file is verified, which takes as long as its download, under the client's deadlines.
        "PIP_TIMEOUT": "86400",
        "PIP_RETRIES": "0",
    }


def settings(python: Path, outer: Mapping[str, str]) -> str:
    """Return what `pip config list` prints for an environment, whose own files count as well (`InstallerError`)."""
    command = [str(python), str(runner()), "--disable-pip-version-check", "config", "list"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            env=dict(outer),
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise InstallerError(str(python), status=126, hint=f"It cannot be run: {error.strerror}.") from error
    if done.returncode:
        raise InstallerError("pip config list", status=done.returncode, hint=done.stderr.strip()[-400:])
    return done.stdout


def run(
    python: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdout: int | IO[str] | None = None,
    heard: Callable[[str], None],
) -> Ended:
    """Run pip to its end. `heard` gets each line of its stderr, while it is written.

    Ctrl-C, SIGTERM and any other exception end pip and all that it started before they go on. Raises `InstallerError`.
    """
    command = [str(python), str(_WITHOUT_VCS), str(runner()), *arguments]
    lines: deque[str] = deque(maxlen=_REMEMBERED)

    def listen(stream: IO[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            heard(line.rstrip("\n"))

    try:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # a group of its own, so that its end is the end of its children
        )
    except OSError as error:
        raise InstallerError(str(python), status=126, hint=f"It cannot be run: {error.strerror}.") from error
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
    with process.stderr, _signals_as_exceptions():
        try:
            listener.start()
            status = process.wait()
        finally:
            end(process)
            listener.join(_FIRM)
    return Ended(status=status, errors=tuple(lines))


def end(process: subprocess.Popen[str]) -> None:
    """End a process and its group: first as Ctrl-C does, then firmly, then for certain."""
    try:
        if process.poll() is None:
            for number, patience in ((signal.SIGINT, _POLITE), (signal.SIGTERM, _FIRM)):
                _send(process, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
                    break
    finally:
        _send(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()


def _send(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal to all of a process's group, where there are groups."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            process.terminate()
        else:
            os.killpg(process.pid, number)


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Turn SIGTERM and a closed terminal into `SystemExit` in this thread, if it is the one that gets signals.

    Ctrl-C is `KeyboardInterrupt` and nothing else meanwhile, so that nobody ends this process before pip has ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    numbers = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    ours = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]  # nohup ignores SIGHUP
    for number in ours:
        signal.signal(number, leave)
    interrupt = signal.getsignal(signal.SIGINT)
    if callable(interrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if callable(interrupt):
            signal.signal(signal.SIGINT, interrupt)
