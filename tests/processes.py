"""Real processes on one store, some of which are killed: `python -m tests.processes WHAT FOLDER [NUMBER…]`.

They are forked from one small process that has imported everything, so that they start in milliseconds. What went
wrong is printed as one JSON list a run; an empty list means that all went well.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secure_fetch import FolderTransport
from secure_fetch.errors import FloorError, RollbackError, SecureFetchError, StoreError

from .clients import ROOT_URL, client, files_in, index

if TYPE_CHECKING:
    from collections.abc import Callable

    from secure_fetch import Client

PATH = "packages/x.whl"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
KILLED = 77


class History:
    """A repository and all the states that its server ever was in, the oldest first."""

    def __init__(self) -> None:
        self.simulator = index()
        self.simulator.hash_bins()
        self.states: list[dict[str, bytes]] = []
        self.publish()

    def publish(self, *, root: bool = False) -> None:
        number = len(self.states)
        self.simulator.add_target(PATH, b"%d" % number * 1000)
        if root:
            self.simulator.publish_root()
        self.simulator.publish("targets", self.simulator.role_for(PATH))
        self.states.append(dict(self.simulator.served))

    def client(self, folder: Path, number: int) -> Client:
        """Return a new client of the repository as it was."""
        self.simulator.served = dict(self.states[number])
        return client(self.simulator, folder, hash_prefix_targets=True)

    def use(self, folder: Path, number: int) -> None:
        """Do all that a client does, as a new process."""
        with self.client(folder, number) as one:
            one.refresh()
            target = one.find(PATH)
            assert target is not None
            one.download(target, folder / "out")

    def number_of(self, timestamp_version: int) -> int:
        """Return the first state with this version of the timestamp."""
        name = self.simulator.url("timestamp.json")
        wanted = b'"version":%d}}' % timestamp_version
        return next(number for number, state in enumerate(self.states) if state[name].endswith(wanted))

    def after_a_crash(self, folder: Path, known: int) -> list[str]:
        """Return what is wrong with what a killed process left behind, and update it to the newest state.

        `known` is the number of a state, above 0, that was reached there before.
        """
        wrong = half_written(folder)
        reached = max(map(self.number_of, timestamps(folder)), default=0)
        if reached < known:
            wrong.append(f"state {known} was forgotten")
            reached = known
        try:
            with self.client(folder, reached - 1) as one:
                one.refresh()
            wrong.append(f"it went back from state {reached} to the one before")
        except (RollbackError, FloorError):
            pass
        try:
            self.use(folder, -1)
        except SecureFetchError as error:
            wrong.append(f"it does not recover: {error!r}")
        return wrong + half_written(folder)


def timestamps(folder: Path) -> list[int]:
    kept = folder / "state" / "corp" / "v1" / "timestamp"
    return [int(name.split("-")[1]) for name in files_in(kept) if name.endswith(".json")]


def half_written(folder: Path) -> list[str]:
    """Return every file that has a final name and not the bytes that belong to it."""
    wrong = []
    for name in files_in(folder / "state"):
        path = folder / "state" / name
        if path.suffix == ".json":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            wrong += [] if path.stem.endswith(f"-{digest}") else [f"half written: {name}"]
    for name in files_in(folder / "cache"):
        path = folder / "cache" / name
        if path.suffix != ".tmp" and hashlib.sha256(path.read_bytes()).hexdigest() != path.parent.name:
            wrong.append(f"half written: {name}")
    wrong += [f"half written: {name}" for name in files_in(folder / "out") if not name.endswith((".tmp", ".whl"))]
    for path in (folder / "out").glob("*.whl"):
        if len(set(path.read_bytes())) == 0 or len(path.read_bytes()) % 1000:
            wrong.append(f"half written: {path.name}")
    return wrong


def fork(work: Callable[[], None]) -> int:
    """Do something in a new process; its exit code is 0, or 1 after it said what went wrong."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - it ends here, whatever it was
        traceback.print_exc()
    finally:
        os._exit(code)


def race(folder: Path, processes: int, rounds: int) -> list[str]:
    """Let processes update and look up side by side, from the mirror in `folder` that somebody is publishing to."""
    simulator = index()  # the keys of a simulator are the same in every process
    mirror = folder / "mirror"

    parent = os.getpid()

    def work(number: int) -> None:
        log = []
        for _ in range(rounds):
            assert os.getppid() == parent, "nobody waits for this any more"
            began = time.monotonic()
            with client(simulator, folder, transport=FolderTransport({ROOT_URL: mirror})) as one:
                state = one.refresh()
                ended = time.monotonic()
                target = one.find(PATH)
                assert target is not None
                with one.open(target) as opened:
                    assert len(opened.file.read()) == target.length
            assert state.timestamp is not None
            assert state.snapshot is not None
            assert state.targets is not None
            versions = [role.version for role in (state.root, state.timestamp, state.snapshot, state.targets)]
            log.append([began, ended, *versions])
        (folder / f"log-{number}.json").write_text(json.dumps(log), "utf-8")

    children = [fork(lambda number=number: work(number)) for number in range(processes)]  # type: ignore[misc]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    wrong = [f"{codes.count(code)} processes ended with {code}" for code in set(codes) - {0}]
    logs = [entry for path in folder.glob("log-*.json") for entry in json.loads(path.read_text("utf-8"))]
    return wrong + backwards(logs)


def backwards(logs: list[list[float]]) -> list[str]:
    """Return each update that began after another one had ended, and came to an older version of a role."""
    wrong = []
    ended = sorted(logs, key=lambda entry: entry[1])
    highest = [0.0] * 4
    place = 0
    for entry in sorted(logs):
        while place < len(ended) and ended[place][1] < entry[0]:
            highest = [max(pair) for pair in zip(highest, ended[place][2:], strict=True)]
            place += 1
        if any(now < before for now, before in zip(entry[2:], highest, strict=True)):
            wrong.append(f"{entry[2:]} after {highest}")
    return wrong


def crash(folder: Path, kills: int, seed: int) -> list[str]:
    """Kill processes at random moments while they update, and look at what each of them left."""
    chance = random.Random(seed)  # noqa: S311 - not for keys
    wrong = []
    killed = 0
    history, place = History(), folder
    for number in range(kills):
        if number % 20 == 0:  # a chain of hundreds of roots would only cost time
            history, place = History(), folder / f"{number}"
            history.publish()
            history.use(place, -1)
        first = len(history.states)
        for _ in range(4):
            history.publish(root=chance.random() < 0.3)
        code = kill_after(chance.random() * 0.12, history, place, first)
        killed += code == -signal.SIGKILL
        if code not in (0, -signal.SIGKILL):
            wrong.append(f"kill {number}: the process failed by itself")
        wrong += [f"kill {number}: {what}" for what in history.after_a_crash(place, first - 1)]
    if killed < kills * 0.6:
        wrong.append(f"only {killed} of {kills} were killed in time")
    return wrong


def kill_after(seconds: float, history: History, folder: Path, first: int) -> int:
    """Kill a process that goes through all states from `first` on; return its exit code."""

    def work() -> None:
        for number in range(first, len(history.states)):
            history.use(folder, number)

    child = fork(work)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def steps(folder: Path) -> list[str]:
    """Kill a process before each single step it takes on the disk, one after the other.

    Once for an update to a new root, whose files stand beside the old ones, and once for one that replaces them.
    """
    wrong = []
    for root in (True, False):
        history = History()
        history.publish(root=True)
        place = folder / f"{root}"
        history.use(place / "0", -1)
        history.publish(root=root)
        for step in range(1, 1000):
            shutil.copytree(place / "0", place / f"{step}")
            code = update_until(step, history, place / f"{step}")
            wrong += [f"step {step}: {what}" for what in history.after_a_crash(place / f"{step}", 1)]
            if code not in (0, KILLED):
                wrong.append(f"step {step}: the process failed by itself")
            if code == 0:
                break
        if not 25 < step < 100:  # it writes at least six files, in several steps each
            wrong.append(f"{step} steps were seen")
    return wrong


def update_until(step: int, history: History, folder: Path) -> int:
    """Update to the newest state in a process that ends before a step; return its exit code."""

    def work() -> None:
        die_before(step, folder)
        history.use(folder, -1)

    return os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1])


def die_before(step: int, folder: Path) -> None:
    """End this process without a word before that step of its work on the disk: an opening, a sync, a rename."""
    left = step
    real = os.fsync

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(KILLED)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & WRITING:
                return
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.utime"):
            path = arguments[0]
        else:
            return
        if str(path).startswith(str(folder)):
            count()

    def fsync(descriptor: int) -> None:
        count()
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment] # it is only ever given a descriptor here
    sys.addaudithook(hook)


def full(folder: Path, *sizes: int) -> list[str]:
    """Update on a disk that takes no file larger than so many bytes."""
    import resource

    history = History()
    history.publish()
    history.use(folder, -1)
    before = {name: (folder / name).read_bytes() for name in files_in(folder)}
    history.publish(root=True)
    newest = len(history.states) - 1

    def work(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        with pytest.raises(StoreError) as caught:
            history.use(folder, newest)
        assert caught.value.exit_code == 3
        assert "untouched" in caught.value.hint

    wrong = []
    for size in sizes:
        if os.waitpid(fork(lambda size=size: work(size)), 0)[1]:  # type: ignore[misc]
            wrong.append(f"{size} bytes: the wrong error")
        after = {name: (folder / name).read_bytes() for name in files_in(folder)}
        wrong += [f"{size} bytes: {name} changed" for name in before if after.get(name) != before[name]]
        wrong += [f"{size} bytes: {name} is left" for name in after if name.endswith(".tmp")]
        wrong += [f"{size} bytes: {what}" for what in half_written(folder)]
    return wrong + history.after_a_crash(folder, 1)


def forbidden(folder: Path) -> list[str]:
    """Use a store that may be read and not written, and one of another user; without the rights of root."""
    history = History()
    history.publish()
    history.use(folder, -1)
    history.publish(root=True)
    newest = len(history.states) - 1
    everything = [folder, *folder.rglob("*")]

    def work() -> None:
        if os.geteuid() == 0:
            os.seteuid(65534)
        with history.client(folder, newest) as one, pytest.raises(StoreError) as caught:
            one.refresh()
        assert caught.value.exit_code == 3
        assert "--state-dir" in caught.value.hint

    wrong = []
    for what, file_mode, folder_mode in (("read-only", 0o444, 0o555), ("another user's", 0o400, 0o700)):
        for path in everything:
            path.chmod(folder_mode if path.is_dir() else file_mode)
        if what == "another user's" and os.geteuid():
            (folder / "state").chmod(0)
        before = files_in(folder) if os.access(folder / "state", os.R_OK) else []
        if os.waitpid(fork(work), 0)[1]:
            wrong.append(f"{what}: the wrong error")
        for path in everything:
            path.chmod(0o700)
        wrong += [f"{what}: something changed"] if before and files_in(folder) != before else []
    return wrong + history.after_a_crash(folder, 1)


def main() -> None:
    what, folder, *numbers = sys.argv[1:]
    modes: dict[str, Callable[..., list[str]]] = {
        "race": race,
        "crash": crash,
        "steps": steps,
        "full": full,
        "forbidden": forbidden,
    }
    print(json.dumps(modes[what](Path(folder), *map(int, numbers))))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
