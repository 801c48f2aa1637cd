"""The walk root → timestamp → snapshot → targets: what is asked for, in what order, and what is kept (TRAPS A)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import (
    ExpiredError,
    HashError,
    LengthError,
    LimitError,
    MalformedError,
    SecureFetchError,
    UncheckedError,
    WithheldError,
)
from secure_fetch.trust import Limits
from tests.simulator import EXPIRES, NOW, MemoryStore, Simulator, compact, pretty, update

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
NOTHING_NEW = ["2.root.json", "timestamp.json"]


def test_a06_the_first_update_asks_for_each_file_once_and_in_order(repository: Simulator, store: MemoryStore) -> None:
    state = update(repository, store)
    assert repository.asked == FIRST
    assert store.names == ["timestamp 1", "snapshot 1", "targets 1"]
    assert state.timestamp is not None
    assert state.snapshot is not None
    assert state.targets is not None
    assert (state.root.version, state.timestamp.version, state.snapshot.version, state.targets.version) == (1, 1, 1, 1)
    assert (state.now, state.expires) == (NOW, EXPIRES)


def test_a06_with_nothing_new_only_root_and_timestamp_are_asked_for(repository: Simulator, store: MemoryStore) -> None:
    update(repository, store)
    store.kept.clear()
    state = update(repository, store)
    assert repository.asked == NOTHING_NEW
    assert store.kept == []
    assert state.targets is not None


def test_only_what_changed_is_asked_for(repository: Simulator, store: MemoryStore) -> None:
    update(repository, store)
    repository.publish_timestamp()
    update(repository, store)
    assert repository.asked == NOTHING_NEW
    repository.publish_snapshot()
    update(repository, store)
    assert repository.asked == [*NOTHING_NEW, "2.snapshot.json"]
    repository.add_target("a", b"a")
    repository.publish()
    update(repository, store)
    assert repository.asked == [*NOTHING_NEW, "3.snapshot.json", "2.targets.json"]


@pytest.mark.parametrize("serialize", [compact, pretty])
def test_a12_what_is_kept_is_what_was_received(serialize: Callable[[object], bytes]) -> None:
    repository, store = Simulator(serialize=serialize), MemoryStore()
    repository.publish_root()
    update(repository, store)
    for keep in store.kept:
        assert keep.data == repository.served[repository.url(repository.file_name(keep.role.text, keep.version))]
    assert store.names == ["root 2", "timestamp 1", "snapshot 1", "targets 1"]
    assert {keep.root_version for keep in store.kept} == {2}


def test_every_request_carries_its_limit(store: MemoryStore) -> None:
    repository = Simulator(meta_hashes=True)
    limits = Limits(root_length=5_001, timestamp_length=5_002, snapshot_length=5_003, targets_length=5_004)
    update(repository, store, limits=limits)
    lengths = [len(repository.served[repository.url(name)]) for name in FIRST[2:]]
    assert [request.max_length for request in repository.requests] == [5_001, 5_002, *lengths]
    plain = Simulator()
    update(plain, limits=limits)
    assert [request.max_length for request in plain.requests] == [5_001, 5_002, 5_003, 5_004]


# Expiry


def test_a01_expired_means_not_later_than_the_start(repository: Simulator) -> None:
    update(repository, now=EXPIRES - timedelta(seconds=1))
    with pytest.raises(ExpiredError):
        update(repository, now=EXPIRES)


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_a01_each_expired_role_ends_the_update(role: str) -> None:
    repository, store = Simulator(), MemoryStore()
    repository.signed(role).expires = NOW
    repository.publish_root()
    repository.publish("targets")
    with pytest.raises(ExpiredError) as caught:
        update(repository, store)
    error = caught.value
    assert (error.role, error.version, error.expires, error.now) == (role, 2, NOW, NOW)
    order = ["3.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"]
    assert repository.asked == ["2.root.json", *order[: ["root", "timestamp", "snapshot", "targets"].index(role) + 1]]
    assert role == "root" or f"{role} 2" not in store.names


def test_a02_only_the_last_root_must_not_be_expired(repository: Simulator, store: MemoryStore) -> None:
    repository.root.expires = NOW - timedelta(days=1)
    repository.publish_root()
    repository.publish_root()
    repository.root.expires = EXPIRES
    repository.publish_root()
    expired = Simulator()
    expired.root.expires = NOW
    update(repository, store, root=expired.write("root"))
    assert store.names[:3] == ["root 2", "root 3", "root 4"]


def test_a04_an_expired_root_stops_before_the_timestamp_is_asked_for(repository: Simulator, store: MemoryStore) -> None:
    repository.root.expires = NOW
    repository.publish_root()
    with pytest.raises(ExpiredError):
        update(repository, store)
    assert repository.asked == ["2.root.json", "3.root.json"]
    repository.root.expires = EXPIRES
    repository.publish_root()
    update(repository, store)
    assert repository.asked == ["3.root.json", "4.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]


def test_a_held_file_that_has_expired_since_is_refused(repository: Simulator, store: MemoryStore) -> None:
    repository.targets.expires = NOW + timedelta(days=1)
    repository.publish("targets")
    update(repository, store)
    with pytest.raises(ExpiredError) as caught:
        update(repository, store, now=NOW + timedelta(days=1))
    assert caught.value.role == "targets"
    assert repository.asked == [*NOTHING_NEW, "2.targets.json"]


@pytest.mark.parametrize("name", ["1.snapshot.json", "1.targets.json"])
@pytest.mark.parametrize(("change", "error"), [(bytes.swapcase, HashError), (lambda data: data[:-1], LengthError)])
def test_a11_length_and_hashes_are_checked_on_the_raw_bytes_before_parsing(
    store: MemoryStore, name: str, change: Callable[[bytes], bytes], error: type[SecureFetchError]
) -> None:
    repository = Simulator(meta_hashes=True)
    repository.tamper(name, change)
    with pytest.raises(error):
        update(repository, store)
    assert f"{name.split('.')[1]} 1" not in store.names
    repository.restore()
    update(repository, store)


def test_a11_a_signed_length_of_0_allows_no_byte(repository: Simulator) -> None:
    repository.edits["timestamp"] = lambda signed: signed["meta"]["snapshot.json"].update(length=0)
    repository.write("timestamp")
    with pytest.raises(LimitError):
        update(repository)
    assert repository.requests[-1].max_length == 0
    repository.tamper("1.snapshot.json", lambda _: b"")
    with pytest.raises(MalformedError):
        update(repository)


def test_a_signed_length_above_the_limit_is_not_asked_for(repository: Simulator) -> None:
    repository.edits["snapshot"] = lambda signed: signed["meta"]["targets.json"].update(length=1_001)
    repository.write("snapshot")
    with pytest.raises(LimitError) as caught:
        update(repository, limits=Limits(targets_length=1_000))
    assert caught.value.limit == 1_000
    assert repository.asked == FIRST[:3]
    with pytest.raises(LengthError):
        update(repository, limits=Limits(targets_length=1_001))


@pytest.mark.parametrize("name", FIRST[1:])
def test_more_than_the_limit_ends_the_update(repository: Simulator, name: str) -> None:
    repository.tamper(name, lambda data: data + b" " * 100_000)
    with pytest.raises(LimitError):
        update(repository, limits=Limits(timestamp_length=9_000, snapshot_length=9_000, targets_length=9_000))


@pytest.mark.parametrize("name", FIRST[2:])
@pytest.mark.parametrize("consistent", [True, False])
def test_a17_a_file_that_signed_metadata_names_is_withheld_not_absent(name: str, consistent: bool) -> None:
    repository = Simulator(consistent_snapshot=consistent)
    name = name if consistent else name[2:]
    repository.withhold(name)
    with pytest.raises(WithheldError, match=f"{name.split('.')[-2]} version 1"):
        update(repository)
    assert repository.asked[-1] == name


def test_no_timestamp_at_all_could_not_be_checked(repository: Simulator) -> None:
    repository.withhold("timestamp.json")
    with pytest.raises(UncheckedError, match="no timestamp"):
        update(repository)


def test_a16_plain_names_without_consistent_snapshots(store: MemoryStore) -> None:
    repository = Simulator(consistent_snapshot=False)
    update(repository, store)
    assert repository.asked == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]
    repository.publish("targets")
    update(repository, store)
    assert repository.asked == [*NOTHING_NEW, "snapshot.json", "targets.json"]
