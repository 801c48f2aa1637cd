"""One writer at a time, across processes and threads, and no lock that outlives its holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import StoreError
from secure_fetch.signing.lock import locked
from tests.source_tree import ROOT

from .distributions import wheel

if TYPE_CHECKING:
    from pathlib import Path

    from secure_fetch.signing.repository import SigningRepository

HOLD = """
import sys
from pathlib import Path
from secure_fetch.signing.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_publisher_is_told_and_changes_nothing(repository: SigningRepository, tmp_path: Path) -> None:
    lock = repository.folder / "state" / "lock"
    before = (repository.public / "metadata/timestamp.json").read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for action in (
            repository.publish,
            lambda: repository.refresh(force=True),
            lambda: repository.add([wheel(tmp_path)]),
            lambda: repository.remove(["x"]),
        ):
            with pytest.raises(StoreError, match="another process is adding to this repository") as raised:
                action()
            assert raised.value.exit_code == 3
        repository.status()  # only looks
        other.kill()
    assert (repository.public / "metadata/timestamp.json").read_bytes() == before
    repository.add([wheel(tmp_path)])  # the lock went with the process
    repository.publish()


def test_two_threads_do_not_publish_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    told = []

    def second() -> None:
        try:
            with locked(path):
                told.append("in")
        except StoreError:
            told.append("told")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    with locked(path):
        told.append("free again")
    assert told == ["told", "free again"]


def test_many_publishers_lose_nothing(repository: SigningRepository, tmp_path: Path) -> None:
    added: list[str] = []

    def work(number: int) -> None:
        path = wheel(tmp_path / "in", f"project-{number}", "1.0")
        while True:
            try:
                added.extend(type(repository).open(repository.folder).add([path]).added)
                type(repository).open(repository.folder).publish()
            except StoreError:
                continue
            return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(added) == 4
    assert repository.status().waiting == ()
    assert repository.status().projects == 4


class FakeLocking(ModuleType):
    """`msvcrt`, as far as it is used: one byte of a file is held, or not."""

    LK_NBLCK, LK_UNLCK = 1, 0
    held = False

    def locking(self, descriptor: int, mode: int, length: int) -> None:
        assert (mode, length) in ((self.LK_NBLCK, 1), (self.LK_UNLCK, 1))
        if mode == self.LK_NBLCK and self.held:
            raise PermissionError(13, "Permission denied")
        self.held = mode == self.LK_NBLCK


def test_windows_has_locks_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeLocking("msvcrt")
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setattr(sys, "platform", "win32")
    with locked(tmp_path / "lock"):
        assert fake.held
        with pytest.raises(StoreError), locked(tmp_path / "lock"):
            pass
    assert not fake.held
