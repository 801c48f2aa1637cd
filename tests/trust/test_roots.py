"""The chain of roots, from the configured one to the newest (TRAPS A2 to A5, A15, A18)."""

from __future__ import annotations

from typing import Any

import pytest

from secure_fetch.errors import (
    FloorError,
    LimitError,
    SignatureError,
    TransportError,
    UncheckedError,
    VerificationError,
    VersionError,
)
from secure_fetch.trust import Limits
from tests.simulator import MemoryStore, Simulator, signer, update


def test_a05_an_invalid_initial_root_lets_no_request_leave(repository: Simulator) -> None:
    foreign = Simulator()
    foreign.signers["root"], foreign._last_root_signers = [signer(99)], []
    unsigned = foreign.write("root")
    typed = Simulator()
    for root in (unsigned, b"", b"{}", typed.served[typed.url("timestamp.json")], repository.initial_root + b"x"):
        with pytest.raises(VerificationError):
            update(repository, root=root)
        assert repository.requests == []


def test_a02_roots_are_walked_one_by_one_and_kept_at_once(repository: Simulator, store: MemoryStore) -> None:
    for _ in range(3):
        repository.rotate("root")
    repository.withhold("timestamp.json")
    with pytest.raises(UncheckedError):
        update(repository, store)
    assert repository.asked == ["2.root.json", "3.root.json", "4.root.json", "5.root.json", "timestamp.json"]
    assert store.names == ["root 2", "root 3", "root 4"]
    repository.restore()
    state = update(repository, store)
    assert state.root.version == 4
    assert repository.asked == ["5.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]


@pytest.mark.parametrize("signers", [[], [0], [1]], ids=["nobody", "the old key only", "the new key only"])
def test_a02_a_new_root_needs_the_old_keys_and_its_own(
    repository: Simulator, store: MemoryStore, signers: list[int]
) -> None:
    old = repository.signers["root"]
    repository.rotate("root")
    both = [*old, *repository.signers["root"]]
    repository.signers["root"] = [both[number] for number in signers]
    repository._last_root_signers = []
    repository.write("root")
    with pytest.raises(SignatureError) as caught:
        update(repository, store)
    assert caught.value.signed_for == ("root version 2" if signers == [0] else "root version 1")
    assert repository.asked == ["2.root.json"]
    assert store.kept == []


def test_gms_2022_4197_the_old_and_the_new_threshold_are_counted_apart(
    repository: Simulator, store: MemoryStore
) -> None:
    # Two of the old three keys must sign, and two of the new three; one key is in both.
    old, new = [signer(n) for n in (20, 21, 22)], [signer(n) for n in (22, 23, 24)]
    repository.rotate("root", old, threshold=2)
    repository.rotate("root", new, threshold=2)
    number = {one.public_key.keyid: n for n, one in zip((20, 21, 22, 23, 24), [*old, *new[1:]], strict=True)}

    def signed_by(*wanted: int) -> None:
        def keep(whole: dict[str, Any]) -> None:
            whole["signatures"] = [one for one in whole["signatures"] if number.get(one["keyid"]) in wanted]

        repository.signers["root"], repository.envelopes["root"] = [*old, *new[1:]], keep
        repository.write("root")

    for insufficient in ((22, 23), (20, 22), (20, 21), (23, 24), (20, 23)):
        signed_by(*insufficient)
        with pytest.raises(SignatureError):
            update(repository, MemoryStore())
    for sufficient in ((20, 22, 23), (20, 21, 23, 24), (21, 22, 24)):
        signed_by(*sufficient)
        assert update(repository, MemoryStore()).root.version == 3


@pytest.mark.parametrize("version", [1, 3])
def test_cve_2025_2885_a02_a15_another_version_in_the_place_of_the_next_root(
    repository: Simulator, store: MemoryStore, version: int
) -> None:
    repository.publish_root()
    repository.root.version = version
    repository.tamper("2.root.json", lambda _: repository.sign("root"))
    with pytest.raises(VersionError) as caught:
        update(repository, store)
    assert (caught.value.role, caught.value.expected, caught.value.offered) == ("root", 2, version)
    assert store.kept == []


def test_cve_2020_15163_a_root_that_failed_is_not_trusted_on_the_next_run(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.rotate("root")
    repository.tamper("2.root.json", lambda data: data.replace(b'"version":2', b'"version":2,"x":1'))
    with pytest.raises(SignatureError):
        update(repository, store)
    repository.withhold("2.root.json")
    state = update(repository, store)
    assert state.root.version == 1
    repository.restore()
    assert update(repository, store).root.version == 2


@pytest.mark.parametrize(
    "error",
    [TransportError("u", "HTTP 500", status=500), TransportError("u", "timed out"), LimitError("u", limit=1)],
)
def test_a03_any_other_failure_is_not_the_end_of_the_roots(
    repository: Simulator, store: MemoryStore, error: Exception
) -> None:
    repository.fail("2.root.json", error)
    with pytest.raises(type(error)):
        update(repository, store)
    assert repository.asked == ["2.root.json"]


def test_a18_reaching_the_limit_on_root_rotations_is_an_error_and_the_next_update_goes_on(
    repository: Simulator, store: MemoryStore
) -> None:
    limits = Limits(root_rotations=2)
    for _ in range(2):
        repository.publish_root()
    assert update(repository, MemoryStore(), limits=limits).root.version == 3
    for _ in range(2):
        repository.publish_root()
    with pytest.raises(LimitError) as caught:
        update(repository, store, limits=limits)
    assert (caught.value.limit, caught.value.unit) == (2, "versions")
    assert "timestamp.json" not in repository.asked
    assert update(repository, store, limits=limits).root.version == 5


def test_an_edited_root_in_the_store_is_not_trusted_and_fetched_again(
    repository: Simulator, store: MemoryStore
) -> None:
    repository.rotate("root")
    update(repository, store)
    good = store.files["root", 2, 2]
    for bad in (b"", good[:-1], good.replace(b"2030", b"2031"), repository.initial_root):
        store.files["root", 2, 2] = bad
        assert update(repository, store).root.version == 2
        assert repository.asked[:2] == ["2.root.json", "3.root.json"]
        assert store.files["root", 2, 2] == good


def test_a09_a_lost_root_never_brings_older_keys_back(repository: Simulator, store: MemoryStore) -> None:
    repository.rotate("timestamp")
    repository.publish_timestamp()
    update(repository, store)
    assert store.floor == 2
    del store.files["root", 2, 2]
    repository.withhold("2.root.json")
    with pytest.raises(FloorError) as caught:
        update(repository, store)
    assert (caught.value.floor, caught.value.reached) == (2, 1)
    assert repository.asked == ["2.root.json"]
