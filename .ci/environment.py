"""Makes a virtual environment beside the code, installs the project into it, and runs one thing there.

Everything that is said goes to standard error, so that `demo --json` prints its JSON and nothing else. Exit codes are
those of the project: 2 when the machine lacks something, 3 when the network or the disk failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
BAD_MACHINE = 2
NOT_REACHED = 3

# What to run, and the extra of pyproject.toml that it needs.
COMMANDS: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "demo": ("signing", (("secure-fetch", "demo"),)),
    "test": ("test", (("pytest", "--numprocesses", "auto", "--dist", "worksteal"),)),
    "lint": ("lint", (("ruff", "check", "."), ("ruff", "format", "--check", "."))),
    "types": ("types", (("mypy",),)),
}
USAGE = f"usage: python3 .ci/bootstrap.py {'|'.join(COMMANDS)} [argument...]"


class SetUpError(Exception):
    """Something that the set-up needs is not here; carries the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Print one line for the person at the terminal."""
    print(message, file=sys.stderr, flush=True)


def environment_folder() -> Path:
    """Return the folder for this Python's environment: one for each version, so that they do not replace each other."""
    implementation = "" if sys.implementation.name == "cpython" else sys.implementation.name
    flags = getattr(sys, "abiflags", "")
    return ROOT / f".venv-{implementation}{sys.version_info.major}.{sys.version_info.minor}{flags}"


def executable(folder: Path, name: str = "python") -> Path:
    """Return one of the environment's commands."""
    return folder / "Scripts" / f"{name}.exe" if os.name == "nt" else folder / "bin" / name


def child_environment(folder: Path) -> dict[str, str]:
    """Return the variables for processes in the environment: the user's, less what would lead out of it."""
    variables = dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_PREFIX", "PIP_ROOT", "PIP_TARGET"):
        variables.pop(name, None)
    variables["PATH"] = os.pathsep.join([str(executable(folder).parent), variables.get("PATH", os.defpath)])
    variables["PIP_USER"] = "0"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() fails where there is none
    if not (home.is_absolute() and os.access(home, os.W_OK)):
        variables.setdefault("PIP_NO_CACHE_DIR", "1")  # else pip warns, or makes a folder called "~"
    return variables


def check_machine() -> None:
    """Find out before anything is made whether this Python can make a virtual environment with pip in it."""
    if all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    message = (
        f"This Python ({sys.executable}) cannot make virtual environments: its module `ensurepip` or `venv` is "
        "missing.\n"
        f"On Debian and Ubuntu it is in the package python3-venv (for this version: python{version}-venv):\n"
        f"    apt-get update && apt-get install python{version}-venv\n"
        "Then type the same line again."
    )
    raise SetUpError(message, BAD_MACHINE)


def identity() -> str:
    """Return what an environment depends on: this interpreter and this place."""
    return json.dumps([sys.version, sys.base_prefix, str(ROOT)])


def fingerprint(extra: str) -> str:
    """Return what an installation depends on: the project's file, its version and the extra."""
    version = re.search(rb"^__version__.*$", (ROOT / "secure_fetch" / "__init__.py").read_bytes(), re.MULTILINE)
    parts = [(ROOT / "pyproject.toml").read_bytes(), version.group() if version else b"", extra.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def holds(path: Path, content: str) -> bool:
    """Whether a mark is there and says this."""
    try:
        return path.read_text("utf-8") == content
    except (OSError, UnicodeDecodeError):
        return False


def usable(folder: Path) -> bool:
    """Whether the environment was finished, for this Python and place, and its Python still starts."""
    if not holds(folder / "made-for", identity()):
        return False
    try:
        return subprocess.run([executable(folder), "-c", ""], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def make_environment(folder: Path) -> None:
    """Make the environment anew; a half-made one is removed."""
    check_machine()
    shutil.rmtree(folder, ignore_errors=True)
    say(f"Making a virtual environment in {folder.name} ...")
    made = False
    try:
        command = [sys.executable, "-m", "venv", str(folder)]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            message = f"`{' '.join(command)}` failed:\n{done.stdout.strip()}"
            raise SetUpError(message, BAD_MACHINE)
        (folder / "made-for").write_text(identity(), "utf-8")
        made = True
    finally:
        if not made:
            shutil.rmtree(folder, ignore_errors=True)


def install(folder: Path, extra: str) -> None:
    """Install the project with one extra into the environment, unless that was done for the same project file."""
    mark = folder / f"installed-{extra}"
    content = fingerprint(extra)
    if holds(mark, content):
        return
    say(f"Installing secure_fetch and what `{extra}` needs (a minute or two, the first time) ...")
    command = [str(executable(folder)), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    command += ["--editable", f"{ROOT}[{extra}]"]
    # pip's own words go to standard error too: standard output belongs to what is run in the end.
    done = subprocess.run(command, check=False, stdout=sys.stderr, env=child_environment(folder))
    if done.returncode != 0:
        message = (
            "pip could not install what is needed (its message is above).\n"
            "Check the network, or the index that pip is set to use (`python3 -m pip config list`).\n"
            "Then type the same line again."
        )
        raise SetUpError(message, NOT_REACHED)
    mark.write_text(content, "utf-8")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second set-up of the same environment waiting, where the system has locks for that."""
    try:
        import fcntl  # noqa: PLC0415 - POSIX only
    except ImportError:
        yield
        return
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another set-up of {folder.name} ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up(extra: str) -> Path:
    """Return the folder of an environment that holds the project with this extra."""
    folder = environment_folder()
    try:
        with alone(folder):
            if not usable(folder):
                make_environment(folder)
            install(folder, extra)
    except OSError as error:
        message = f"{folder} could not be made: {error}"
        raise SetUpError(message, NOT_REACHED) from error
    return folder


def run(folder: Path, command: Sequence[str], *, last: bool) -> int:
    """Run a command of the environment; the last one takes this process's place, so that signals reach it directly."""
    arguments = [str(executable(folder, command[0])), *command[1:]]
    variables = child_environment(folder)
    if last and os.name == "posix":
        os.execve(arguments[0], arguments, variables)  # noqa: S606 - no shell is wanted
    return subprocess.run(arguments, check=False, env=variables).returncode


def main(arguments: Sequence[str]) -> int:
    """Set up and run; return the exit code."""
    if not arguments or arguments[0] not in COMMANDS:
        say(USAGE)
        return BAD_MACHINE
    if not os.environ.get("HOME", "unset"):
        del os.environ["HOME"]  # empty, it would be read as "/"; without it the system's user database is asked
    extra, commands = COMMANDS[arguments[0]]
    try:
        folder = set_up(extra)
    except SetUpError as error:
        say(str(error))
        return error.code
    except KeyboardInterrupt:
        say("Stopped. Type the same line again to go on.")
        return 130
    if arguments[0] != "demo":
        os.chdir(ROOT)
    for command in commands[:-1]:
        code = run(folder, command, last=False)
        if code != 0:
            return code
    return run(folder, [*commands[-1], *arguments[1:]], last=True)
