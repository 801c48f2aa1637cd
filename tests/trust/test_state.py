"""Rollback memory: what it refuses, how long it lasts, and when rotated keys end it (TRAPS A7 to A10)."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from secure_fetch.errors import (
    ExpiredError,
    HashError,
    MalformedError,
    RollbackError,
    SignatureError,
    VersionError,
    WithheldError,
)
from secure_fetch.trust import RoleName, state
from tests.simulator import EXPIRES, NOW, MemoryStore, Simulator, update


def back(repository: Simulator, role: str, version: int) -> None:
    """Serve a role in a lower version, correctly signed."""
    repository.signed(role).version = version
    repository.write(role)


def test_a07_an_older_timestamp_is_a_rollback(repository: Simulator, store: MemoryStore) -> None:
    repository.publish_timestamp()
    repository.publish_timestamp()
    update(repository, store)
    back(repository, "timestamp", 2)
    with pytest.raises(RollbackError) as caught:
        update(repository, store)
    assert (caught.value.role, caught.value.held, caught.value.offered) == ("timestamp", 3, 2)
    assert store.versions("timestamp") == [3]
    back(repository, "timestamp", 4)
    update(repository, store)


def test_a07_with_the_same_version_the_held_timestamp_stays_and_the_walk_goes_on(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.withhold("1.snapshot.json")
    with pytest.raises(WithheldError):
        update(repository, store)
    repository.restore()
    held = store.files["timestamp", 1, 1]
    repository.edits["timestamp"] = lambda signed: signed.update({"x-other": 1})
    repository.write("timestamp")
    state_ = update(repository, store)
    assert repository.asked == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    assert store.files["timestamp", 1, 1] == held
    assert store.names == ["timestamp 1", "snapshot 1", "targets 1"]
    assert state_.timestamp is not None
    assert state_.timestamp.data == held


def test_a08_cve_2025_2888_a_timestamp_with_an_older_snapshot_is_never_kept(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.publish_snapshot()
    update(repository, store)
    repository.timestamp.version, repository.timestamp.snapshot_meta.version = 3, 1
    repository.write("timestamp")
    with pytest.raises(RollbackError) as caught:
        update(repository, store)
    assert (caught.value.role, caught.value.held, caught.value.offered) == ("snapshot", 2, 1)
    assert store.versions("timestamp") == [2]
    repository.timestamp.snapshot_meta.version = 2
    repository.write("timestamp")
    update(repository, store)
    assert store.versions("timestamp") == [2, 3]


def test_a08_the_snapshot_version_in_a_held_timestamp_counts_even_without_the_snapshot(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.publish_snapshot()
    repository.withhold("2.snapshot.json")
    with pytest.raises(WithheldError):
        update(repository, store)
    repository.timestamp.version, repository.timestamp.snapshot_meta.version = 3, 1
    repository.write("timestamp")
    with pytest.raises(RollbackError, match="snapshot went back"):
        update(repository, store)


def test_a08_the_version_of_a_held_snapshot_counts_even_without_the_timestamp(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.publish_snapshot()
    update(repository, store)
    del store.files["timestamp", 1, 2]
    repository.timestamp.snapshot_meta.version = 1
    repository.write("timestamp")
    with pytest.raises(RollbackError, match="snapshot went back"):
        update(repository, store)


def test_a08_an_expired_timestamp_is_not_kept(repository: Simulator, store: MemoryStore) -> None:
    repository.timestamp.expires = NOW
    repository.publish_timestamp()
    with pytest.raises(ExpiredError):
        update(repository, store)
    assert store.names == []


@pytest.mark.parametrize("role", ["targets", "bin-0", "other"])
@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("meta_hashes", [True, False])
def test_cve_2022_29173_a10_no_role_goes_back_or_disappears_from_the_snapshot(
    role: str, gone: bool, meta_hashes: bool
) -> None:
    repository, store = Simulator(meta_hashes=meta_hashes), MemoryStore()
    repository.succinct_bins(1)
    repository.publish("targets", "bin-0", "bin-1")
    repository.snapshot.meta["other.json"] = copy.copy(repository.snapshot.meta["bin-1.json"])
    repository.publish_snapshot()
    update(repository, store)
    held = repository.snapshot.meta[f"{role}.json"].version
    if gone and role != "targets":
        del repository.snapshot.meta[f"{role}.json"]
    else:
        repository.snapshot.meta[f"{role}.json"].version -= 1
    repository.publish_snapshot()
    with pytest.raises(RollbackError) as caught:
        update(repository, store)
    offered = None if gone and role != "targets" else held - 1
    assert (caught.value.role, caught.value.held, caught.value.offered) == (role, held, offered)
    assert store.versions("snapshot") == [repository.snapshot.version - 1]


def test_a_new_role_in_the_snapshot_is_no_rollback(repository: Simulator, store: MemoryStore) -> None:
    update(repository, store)
    repository.succinct_bins(1)
    update(repository, store)
    assert store.versions("snapshot") == [1, 2]


def test_a10_an_old_snapshot_that_has_expired_still_counts_as_memory(repository: Simulator, store: MemoryStore) -> None:
    repository.publish("targets")
    update(repository, store)
    later = EXPIRES + timedelta(days=1)
    for role in ("root", "timestamp", "snapshot", "targets"):
        repository.signed(role).expires = later + timedelta(days=1)
    repository.publish_root()
    back(repository, "targets", 1)
    repository.link("targets")
    repository.publish_snapshot()
    with pytest.raises(RollbackError, match="targets went back"):
        update(repository, store, now=later)


def test_a10_an_old_timestamp_that_has_expired_still_counts_as_memory(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.publish_timestamp()
    update(repository, store)
    repository.root.expires = EXPIRES + timedelta(days=1)
    repository.publish_root()
    back(repository, "timestamp", 1)
    with pytest.raises(RollbackError, match="timestamp went back"):
        update(repository, store, now=EXPIRES)


def test_a10_a_held_snapshot_that_no_longer_matches_the_hash_is_memory_but_never_current() -> None:
    repository, store = Simulator(meta_hashes=True), MemoryStore()
    repository.publish("targets")
    update(repository, store)
    # The same version again, with other content, which takes targets back.
    back(repository, "targets", 1)
    repository.link("targets")
    repository.write("snapshot")
    repository.publish_timestamp()
    with pytest.raises(RollbackError, match="targets went back"):
        update(repository, store)
    assert repository.asked[-1] == "2.snapshot.json"
    repository.targets.version = 2
    repository.write("targets")
    repository.link("targets")
    repository.snapshot.expires -= timedelta(days=1)
    data = repository.write("snapshot")
    repository.publish_timestamp()
    trusted = update(repository, store).snapshot
    assert repository.asked[-1] == "2.snapshot.json"
    assert trusted is not None
    assert trusted.data == data


# The steps themselves


def walked(repository: Simulator) -> tuple[state.TrustedState, dict[str, bytes]]:
    served = {role: repository.served[repository.url(repository.file_name(role))] for role in ("timestamp", "snapshot")}
    return state.trust_root(repository.initial_root, NOW), served


def test_a_snapshot_before_a_timestamp_is_refused(repository: Simulator) -> None:
    root, served = walked(repository)
    with pytest.raises(MalformedError, match="before a timestamp"):
        state.accept_snapshot(root, served["snapshot"], held=None)


def test_c04_a_role_before_a_snapshot_is_not_named(repository: Simulator) -> None:
    root, _ = walked(repository)
    with pytest.raises(MalformedError, match="does not name"):
        state.named_by_snapshot(root, RoleName("targets"))


def test_each_step_is_a_new_state(repository: Simulator) -> None:
    root, served = walked(repository)
    offered = state.read_timestamp(root, served["timestamp"])
    timed = state.accept_timestamp(root, offered, held=None, snapshot_version=0)
    full = state.accept_snapshot(timed, served["snapshot"], held=None)
    assert (root.timestamp, timed.snapshot, full.targets) == (None, None, None)
    assert full.timestamp is timed.timestamp is offered
    assert root.expires == full.expires == EXPIRES


def test_a11_the_hashes_in_the_timestamp_are_those_of_the_snapshot() -> None:
    repository = Simulator(meta_hashes=True)
    root, served = walked(repository)
    timed = state.accept_timestamp(root, state.read_timestamp(root, served["timestamp"]), held=None, snapshot_version=0)
    with pytest.raises(HashError):
        state.accept_snapshot(timed, served["snapshot"].replace(b"2030", b"2031"), held=None)


def test_the_earliest_expiry_is_the_one_of_the_state(repository: Simulator) -> None:
    repository.snapshot.expires = NOW + timedelta(days=2)
    repository.publish_snapshot()
    assert update(repository).expires == NOW + timedelta(days=2)


def test_a_timestamp_signed_by_other_keys_is_refused(repository: Simulator) -> None:
    repository.signers["timestamp"] = repository.signers["snapshot"]
    repository.write("timestamp")
    with pytest.raises(SignatureError) as caught:
        update(repository)
    assert (caught.value.role, caught.value.signed_for) == ("timestamp", "root version 1")


def test_a15_a_snapshot_of_another_version_is_refused(repository: Simulator) -> None:
    repository.publish_snapshot()
    repository.tamper("2.snapshot.json", lambda _: repository.served[repository.url("1.snapshot.json")])
    with pytest.raises(VersionError):
        update(repository)
