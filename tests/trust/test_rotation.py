"""When rotated keys end rollback memory (specification 5.3.11, TRAPS A9)."""

from __future__ import annotations

from typing import Any

import pytest

from secure_fetch.errors import RollbackError, WithheldError
from tests.simulator import MemoryStore, Simulator, signer, update

FAST_FORWARD = 2**62


def fast_forwarded(*, timestamp: bool = False) -> tuple[Simulator, MemoryStore]:
    """Return a repository after an attack that pushed the snapshot's version (and the timestamp's) far ahead."""
    repository, store = Simulator(), MemoryStore()
    honest = repository.snapshot.version, repository.timestamp.version
    repository.snapshot.version = FAST_FORWARD
    if timestamp:
        repository.timestamp.version = FAST_FORWARD
    repository.publish_snapshot()
    update(repository, store)
    repository.snapshot.version = honest[0]
    repository.timestamp.version = honest[1] if timestamp else repository.timestamp.version
    return repository, store


@pytest.mark.parametrize("role", ["snapshot", "timestamp"])
def test_a09_rotating_the_keys_of_one_role_alone_ends_the_memory_of_the_snapshot(role: str) -> None:
    repository, store = fast_forwarded()
    repository.publish_snapshot()
    with pytest.raises(RollbackError, match="snapshot went back"):
        update(repository, store)
    repository.rotate(role)
    repository.publish_snapshot()
    trusted = update(repository, store)
    assert trusted.snapshot is not None
    assert trusted.snapshot.version == repository.snapshot.version < FAST_FORWARD


def test_a09_rotating_the_snapshot_keys_alone_ends_its_memory() -> None:
    repository, store = fast_forwarded()
    repository.rotate("snapshot")
    repository.publish_snapshot()
    update(repository, store)
    repository.publish_snapshot()
    update(repository, store)
    assert repository.asked[-1] == f"{repository.snapshot.version}.snapshot.json"
    # What was accepted since then is memory again.
    repository.timestamp.version, repository.timestamp.snapshot_meta.version = repository.timestamp.version + 1, 2
    repository.write("timestamp")
    with pytest.raises(RollbackError, match="snapshot went back"):
        update(repository, store)


@pytest.mark.parametrize("role", ["snapshot", "timestamp"])
def test_a09_rotating_the_keys_of_one_role_alone_ends_the_memory_of_the_timestamp(role: str) -> None:
    repository, store = fast_forwarded(timestamp=True)
    repository.publish_snapshot()
    with pytest.raises(RollbackError, match="timestamp went back"):
        update(repository, store)
    repository.rotate(role)
    repository.publish_snapshot()
    trusted = update(repository, store)
    assert trusted.timestamp is not None
    assert trusted.timestamp.version < FAST_FORWARD


@pytest.mark.parametrize("role", ["snapshot", "timestamp"])
def test_a09_a_changed_threshold_ends_the_memory_too(role: str) -> None:
    repository, store = fast_forwarded(timestamp=role == "timestamp")
    both = [*repository.signers[role], signer(50)]
    repository.rotate(role, both)
    repository.root.roles[role].threshold = 2
    repository.publish_root()
    repository.publish_snapshot()
    update(repository, store)


def test_a09_a_rotation_counts_on_every_later_update() -> None:
    repository, store = fast_forwarded()
    repository.rotate("snapshot")
    repository.publish_root()
    repository.publish_root()
    for _ in range(3):
        repository.publish_snapshot()
        assert update(repository, store).rotated == {"timestamp": 0, "snapshot": 2}


@pytest.mark.parametrize("role", ["targets", "root"])
def test_a09_rotating_other_keys_ends_no_memory(role: str) -> None:
    repository, store = fast_forwarded()
    repository.rotate(role)
    repository.publish("targets")
    with pytest.raises(RollbackError, match="snapshot went back"):
        update(repository, store)


def test_a09_another_spelling_of_the_same_key_is_no_rotation() -> None:
    repository, store = fast_forwarded()

    def respell(signed: dict[str, Any]) -> None:
        (keyid,) = signed["roles"]["snapshot"]["keyids"]
        value = signed["keys"].pop(keyid)
        signed["keys"]["another id"] = {**value, "keyval": {"public": value["keyval"]["public"].upper()}}
        signed["roles"]["snapshot"]["keyids"] = ["another id"]

    def rename(whole: dict[str, Any]) -> None:
        whole["signatures"][0]["keyid"] = "another id"

    repository.edits["root"], repository.envelopes["snapshot"] = respell, rename
    repository.publish_root()
    repository.publish_snapshot()
    with pytest.raises(RollbackError, match="snapshot went back"):
        update(repository, store)


def test_a09_a_key_taken_away_ends_the_memory_even_if_the_old_files_still_verify() -> None:
    repository, store = Simulator(), MemoryStore()
    repository.rotate("snapshot", [signer(60), signer(61)])
    repository.snapshot.version = FAST_FORWARD
    repository.publish_snapshot()
    update(repository, store)
    repository.rotate("snapshot", [signer(60)])
    repository.snapshot.version = 5
    repository.publish_snapshot()
    trusted = update(repository, store)
    assert trusted.snapshot is not None
    assert trusted.snapshot.version == 6


def test_a09_a_snapshot_accepted_again_after_a_rotation_is_memory_again(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.publish("targets")
    update(repository, store)
    repository.rotate("timestamp")
    repository.publish_timestamp()
    update(repository, store)
    repository.targets.version = 1
    repository.write("targets")
    repository.link("targets")
    repository.publish_snapshot()
    with pytest.raises(RollbackError, match="targets went back"):
        update(repository, store)


def test_a09_a_timestamp_accepted_again_after_a_rotation_is_memory_again(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.publish("targets")
    update(repository, store)
    repository.rotate("snapshot")
    repository.write("snapshot")
    repository.withhold("2.snapshot.json")
    with pytest.raises(WithheldError):
        update(repository, store)
    repository.snapshot.version = 0
    repository.publish_snapshot()
    with pytest.raises(RollbackError, match="snapshot went back"):
        update(repository, store)


def test_a09_memory_is_verified_with_the_current_root(repository: Simulator, store: MemoryStore) -> None:
    update(repository, store)
    foreign = Simulator()
    foreign.signers["timestamp"] = foreign.signers["snapshot"] = [signer(70)]
    foreign.snapshot.version = foreign.timestamp.version = FAST_FORWARD
    foreign.publish_snapshot()
    store.files["timestamp", 1, FAST_FORWARD] = foreign.served[foreign.url("timestamp.json")]
    store.files["snapshot", 1, FAST_FORWARD] = foreign.served[foreign.url(f"{FAST_FORWARD + 1}.snapshot.json")]
    repository.publish_snapshot()
    update(repository, store)


def test_the_highest_version_is_read_from_the_file_and_not_from_its_name(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.publish_timestamp()
    update(repository, store)
    store.files["timestamp", 1, 9] = repository.initial_root
    store.files["timestamp", 1, 8] = store.files.pop(("timestamp", 1, 2))
    repository.timestamp.version = 1
    store.files["timestamp", 1, 7] = repository.write("timestamp")
    with pytest.raises(RollbackError) as caught:
        update(repository, store)
    assert caught.value.held == 2
