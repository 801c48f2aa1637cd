"""Rollback memory across processes, and recovery from a fast-forward attack, through the store on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import FloorError, RollbackError, SignatureError, VersionError

from .clients import client, files_in, index
from .simulator import Simulator, signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from secure_fetch.trust import TrustedState

PATH = "packages/x.whl"


@pytest.fixture
def corp() -> Simulator:
    simulator = index()
    simulator.hash_bins()
    simulator.add_target(PATH, b"data")
    simulator.publish()
    return simulator


def update(simulator: Simulator, folder: Path) -> TrustedState:
    """Refresh and look something up, as a new process does."""
    simulator.requests.clear()
    with client(simulator, folder) as one:
        state = one.refresh()
        one.find(PATH)
        return state


# Memory across processes, for each role (CVE-2022-29173)


def roll_back_timestamp(simulator: Simulator) -> None:
    simulator.timestamp.version -= 1
    simulator.write("timestamp")


def roll_back_snapshot(simulator: Simulator) -> None:
    simulator.snapshot.version -= 1
    simulator.publish_timestamp()


def roll_back_targets(simulator: Simulator) -> None:
    simulator.targets.version -= 1
    simulator.link("targets")
    simulator.publish_snapshot()


def roll_back_bin(simulator: Simulator) -> None:
    name = simulator.role_for(PATH)
    simulator.roles[name].version -= 1
    simulator.link(name)
    simulator.publish_snapshot()


def drop_bin(simulator: Simulator) -> None:
    del simulator.snapshot.meta[f"{simulator.role_for(PATH)}.json"]
    simulator.publish_snapshot()


ROLLBACKS = [roll_back_timestamp, roll_back_snapshot, roll_back_targets, roll_back_bin, drop_bin]


@pytest.mark.parametrize("roll_back", ROLLBACKS)
def test_no_role_goes_back_in_a_later_process(
    roll_back: Callable[[Simulator], None], corp: Simulator, tmp_path: Path
) -> None:
    update(corp, tmp_path)
    roll_back(corp)
    for _ in range(2):
        with pytest.raises(RollbackError):
            update(corp, tmp_path)
    client(corp, tmp_path / "new").refresh()  # whose memory is empty


@pytest.mark.parametrize("roll_back", ROLLBACKS)
def test_memory_outlives_a_root_that_changes_nothing_about_it(
    roll_back: Callable[[Simulator], None], corp: Simulator, tmp_path: Path
) -> None:
    update(corp, tmp_path)
    corp.publish_root()
    update(corp, tmp_path)
    roll_back(corp)
    with pytest.raises(RollbackError):
        update(corp, tmp_path)


def test_a_root_does_not_go_back_in_a_later_process(corp: Simulator, tmp_path: Path) -> None:
    corp.publish_root()
    update(corp, tmp_path)
    corp.served.pop(corp.url("2.root.json"))
    assert update(corp, tmp_path).root.version == 2  # it is in the store
    corp.root.version = 1
    corp.served[corp.url("3.root.json")] = corp.sign("root")
    with pytest.raises(VersionError):
        update(corp, tmp_path)


def test_memory_survives_edited_files(corp: Simulator, tmp_path: Path) -> None:
    """An edited file remembers nothing, but what stands beside it still does."""
    update(corp, tmp_path)
    folder = tmp_path / "state" / "corp" / "v1" / "timestamp"
    (folder / f"1-{2**62}-0123456789abcdef.json").write_bytes(b"{}")
    (folder / "1-1-0123456789abcdef.json").write_bytes(corp.served[corp.url("timestamp.json")] + b" ")
    roll_back_timestamp(corp)
    with pytest.raises(RollbackError):
        update(corp, tmp_path)


# The floor: no root that was accepted before is forgotten (TRAPS A9)


@pytest.fixture
def rotated(corp: Simulator, tmp_path: Path) -> Simulator:
    """Return a repository whose timestamp's keys were rotated, and whose old keys somebody has."""
    update(corp, tmp_path)
    corp.rotate("timestamp")
    corp.publish_timestamp()
    assert update(corp, tmp_path).root.version == 2
    return corp


def forge(simulator: Simulator) -> None:
    """Serve a timestamp by the retired key, and keep back the root that retired it."""
    simulator.withhold("2.root.json")
    simulator.signers["timestamp"] = [signer(1)]
    simulator.publish_timestamp()


@pytest.mark.parametrize("lost", [["root"], ["root", "timestamp", "snapshot", "targets"], ["root", "floor"]])
def test_a_lost_root_brings_no_retired_key_back_a9(lost: list[str], rotated: Simulator, tmp_path: Path) -> None:
    for name in lost:
        folder = tmp_path / "state" / "corp" / "v1" / name
        for file in files_in(folder):
            (folder / file).unlink()
    forge(rotated)
    with pytest.raises(FloorError) as caught:
        update(rotated, tmp_path)
    assert (caught.value.floor, caught.value.reached, caught.value.exit_code) == (2, 1, 3)
    assert rotated.asked == ["2.root.json"]
    rotated.restore()
    rotated.signers["timestamp"] = [rotated.fresh_signer()]
    with pytest.raises(SignatureError):
        update(rotated, tmp_path)


def test_an_edited_root_is_fetched_again(rotated: Simulator, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "corp" / "v1" / "root"
    (name,) = files_in(folder)
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(good.replace(b'"version":2', b'"version":7'))
    assert update(rotated, tmp_path).root.version == 2
    assert rotated.asked[:2] == ["2.root.json", "3.root.json"]
    assert (folder / name).read_bytes() == good


# Recovery from a fast-forward attack (specification 5.3.11)


def fast_forward(simulator: Simulator) -> None:
    """Publish what somebody with the online keys would, to make every later version a rollback."""
    simulator.snapshot.version = 1_000_000
    simulator.timestamp.version = 1_000_000
    simulator.write("snapshot")
    simulator.publish_timestamp()


@pytest.mark.parametrize("roles", [["timestamp"], ["snapshot"], ["timestamp", "snapshot"]])
def test_new_keys_of_one_role_are_enough_to_recover_a9(roles: list[str], corp: Simulator, tmp_path: Path) -> None:
    update(corp, tmp_path)
    versions = corp.snapshot.version, corp.timestamp.version
    fast_forward(corp)
    update(corp, tmp_path)
    corp.snapshot.version = versions[0]
    if "timestamp" in roles:
        corp.timestamp.version = versions[1]
    corp.publish_snapshot()
    with pytest.raises(RollbackError):
        update(corp, tmp_path)
    for role in roles:
        corp.rotate(role)
    corp.publish_snapshot()
    state = update(corp, tmp_path)
    assert state.snapshot is not None
    assert state.snapshot.version == corp.snapshot.version < 1_000
    roll_back_snapshot(corp)
    with pytest.raises(RollbackError):  # and from then on it remembers again
        update(corp, tmp_path)


@pytest.mark.parametrize("roll_back", ROLLBACKS)
@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_after_a_rotation_memory_begins_again_at_once(
    role: str, roll_back: Callable[[Simulator], None], corp: Simulator, tmp_path: Path
) -> None:
    """A snapshot that stayed the same through the rotation is remembered under the new keys as well."""
    update(corp, tmp_path)
    corp.rotate(role)
    if role == "snapshot":
        corp.write("snapshot")  # the same version, with the new key
    corp.publish_timestamp()
    update(corp, tmp_path)
    roll_back(corp)
    with pytest.raises(RollbackError):
        update(corp, tmp_path)
