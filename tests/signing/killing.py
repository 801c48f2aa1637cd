"""Run as a program: does one thing to a repository over and over, and is killed at each of its steps in turn.

A step is what changes the disk: a file opened for writing, renamed or removed, a folder made. Arguments: the folder
that holds the copies, the repository to copy, what to do, and further arguments to it. For each step N there is then
a copy called N, as a process left it that was killed (SIGKILL) right before its step N. Prints how many there are.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import SigningRepository

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}


def act(action: str, folder: Path, arguments: list[str]) -> None:
    if action == "create":
        SigningRepository.create(folder, Plan(bins=2))
    elif action == "add":
        SigningRepository.open(folder).add(arguments)
    elif action == "refresh":
        SigningRepository.open(folder).refresh(force=True)
    else:
        SigningRepository.open(folder).publish()


def kill_before(step: int, folder: str) -> None:
    """Have this process killed right before its step of that number, counted from 1, inside `folder`."""
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        changes = event in _CHANGES or (event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR)))
        if changes and str(arguments[0]).startswith(folder):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def fsync(fd: object) -> None:
    """Do not wait for the disk, which only a power cut makes a difference to."""


def main(copies: Path, source: Path, action: str, arguments: list[str]) -> int:
    step = 0
    while True:
        step += 1
        copy = copies / str(step)
        if source.exists():
            shutil.copytree(source, copy)
        child = os.fork()
        if child == 0:
            os.fsync = fsync
            kill_before(step, str(copy))
            act(action, copy, arguments)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return step - 1
        assert os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))  # noqa: T201 - its answer
