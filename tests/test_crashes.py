"""Processes that die in the middle, and disks that give out: the next run recovers or explains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 500 if os.environ.get("SECURE_FETCH_SOAK") else 40
CODE = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes that die are forked")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that another user can reach as well, in memory if there is such a place: syncing takes long."""
    memory = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def run(what: str, folder: Path, *numbers: int) -> None:
    """Have it done in a process of its own, and fail with what went wrong there."""
    command = [sys.executable, "-m", "tests.processes", what, str(folder), *map(str, numbers)]
    done = subprocess.run(command, cwd=CODE, capture_output=True, check=False, text=True, encoding="utf-8")
    assert json.loads(done.stdout or "null") == [], done.stderr


def test_a_process_that_is_killed_at_any_moment_leaves_a_store_that_updates(folder: Path) -> None:
    run("crash", folder, KILLS, 1)


def test_a_process_that_dies_between_any_two_steps_leaves_a_store_that_updates(folder: Path) -> None:
    """The client must "still be able to update again in the future" (specification 5)."""
    run("steps", folder)


def test_a_full_disk_is_an_error_and_the_state_before_stays(folder: Path) -> None:
    run("full", folder, 0, 1, 500, 700, 1500)


def test_a_store_that_may_not_be_written_or_read_is_an_error_that_says_so(folder: Path) -> None:
    run("forbidden", folder)
