"""What a client does when the repository moves on in the middle of a lookup or a download."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import (
    ChangedError,
    HashError,
    LengthError,
    LimitError,
    TransportError,
    WithheldError,
)

from .clients import client, index

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .simulator import Simulator

REFRESH = ["2.root.json", "timestamp.json"]
PATH = "packages/x.whl"
DATA = b"version one"


@pytest.fixture
def corp() -> Simulator:
    simulator = index()
    simulator.hash_bins()
    simulator.add_target(PATH, DATA)
    simulator.publish()
    return simulator


def bin_name(simulator: Simulator) -> str:
    return simulator.role_for(PATH)


# The snapshot is swept in the middle (TRAPS A17)


def sweep_when_asked(simulator: Simulator, trigger: str, publish: Callable[[], object]) -> None:
    """Publish something new at the moment that `trigger` is first asked for, and take away what that replaced."""

    def before(url: str) -> None:
        if url.endswith(trigger):
            simulator.before = None
            old = set(simulator.served)
            publish()
            for gone in old:
                if "/metadata/" in gone and gone.endswith((trigger, ".snapshot.json")):
                    del simulator.served[gone]

    simulator.before = before


def test_a_lookup_goes_on_with_the_latest_snapshot_a17(corp: Simulator, tmp_path: Path) -> None:
    name = bin_name(corp)
    corp.roles[name].unrecognized_fields["round"] = 2
    with client(corp, tmp_path) as one:
        state = one.refresh()
        corp.requests.clear()
        gone = corp.file_name(name)
        sweep_when_asked(corp, gone, corp.publish)
        target = one.find(PATH)
    assert target is not None
    assert target.state is not state
    snapshot = f"{corp.snapshot.version}.snapshot.json"
    assert corp.asked == [gone, *REFRESH, snapshot, corp.file_name(name)]


def test_a_lookup_meets_a_404_and_nothing_is_newer_a17(corp: Simulator, tmp_path: Path) -> None:
    name = corp.file_name(bin_name(corp))
    with client(corp, tmp_path) as one:
        one.refresh()
        corp.requests.clear()
        corp.withhold(name)
        with pytest.raises(WithheldError):
            one.find(PATH)
    assert corp.asked == [name, *REFRESH]


def test_a_lookup_whose_second_try_fails_too_ends_a17(corp: Simulator, tmp_path: Path) -> None:
    name = corp.file_name(bin_name(corp))
    with client(corp, tmp_path) as one:
        one.refresh()
        corp.requests.clear()
        corp.withhold(name)
        corp.publish_timestamp()
        with pytest.raises(WithheldError):
            one.find(PATH)
    assert corp.asked == [name, *REFRESH, name]


def test_a_download_goes_on_with_the_latest_snapshot_a17(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path, hash_prefix_targets=True) as one:
        target = one.find(PATH)
        assert target is not None
        url = corp.target_url(PATH, target.hashes["sha256"])
        del corp.served[url]
        corp.requests.clear()

        def before(asked: str) -> None:
            if asked.endswith("timestamp.json"):
                corp.add_target(PATH, DATA)

        corp.before = before
        corp.publish_timestamp()
        file = one.download(target, tmp_path / "out")
    assert file.path.read_bytes() == DATA
    assert corp.asked == [url, *REFRESH, url]


def test_a_download_meets_a_404_and_the_file_was_replaced_a17(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        target = one.find(PATH)
        assert target is not None
        corp.served.pop(corp.target_url(PATH, target.hashes["sha256"]))
        corp.add_target(PATH, b"version two")
        corp.publish()
        with pytest.raises(ChangedError):
            one.download(target, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        again = one.find(PATH)
        assert again is not None
        assert one.download(again, tmp_path / "out").path.read_bytes() == b"version two"


def test_a_refresh_that_meets_a_404_ends_there_a17(corp: Simulator, tmp_path: Path) -> None:
    corp.withhold(corp.file_name("snapshot"))
    with client(corp, tmp_path) as one, pytest.raises(WithheldError):
        one.refresh()
    assert corp.asked == [*REFRESH, corp.file_name("snapshot")]


def test_a_lookup_that_cannot_refresh_says_so(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        one.refresh()
        corp.withhold(corp.file_name(bin_name(corp)))
        corp.fail("timestamp.json", TransportError("https://index.example/", "it timed out"))
        with pytest.raises(TransportError):
            one.find(PATH)


def test_threads_that_meet_a_404_together_refresh_once_a17(corp: Simulator, tmp_path: Path) -> None:
    paths = {corp.role_for(f"packages/{number}"): f"packages/{number}" for number in range(50)}
    paths = dict(list(paths.items())[:4])
    with client(corp, tmp_path) as one, ThreadPoolExecutor(4) as pool:
        one.refresh()
        corp.withhold(*(corp.file_name(name) for name in paths))
        corp.publish(*paths)
        corp.requests.clear()
        together = threading.Barrier(4)

        def before(url: str) -> None:
            if url.endswith(tuple(f"/2.{name}.json" for name in paths)):
                together.wait(10)

        corp.before = before
        assert list(pool.map(one.find, paths.values())) == [None] * 4
    assert corp.asked.count("timestamp.json") == 1


def test_a_repository_whose_timestamps_begin_anew_is_newer(corp: Simulator, tmp_path: Path) -> None:
    """After a fast-forward attack the timestamp's keys are rotated, and its version falls (specification 5.3.11)."""
    corp.timestamp.version = 1_000
    corp.write("timestamp")
    name = bin_name(corp)
    with client(corp, tmp_path) as one:
        one.refresh()
        corp.withhold(corp.file_name(name))
        corp.timestamp.version = 0
        corp.rotate("timestamp")
        corp.publish(name)
        assert one.find(PATH) is not None


# Without consistent snapshots (TRAPS A16)


@pytest.mark.parametrize("meta_hashes", [True, False])
@pytest.mark.parametrize("more", [b"", b" and more"])
def test_a_lookup_refreshes_once_where_names_are_plain_a16(meta_hashes: bool, more: bytes, tmp_path: Path) -> None:
    simulator = index(consistent_snapshot=False, meta_hashes=meta_hashes, hash_named_targets=False)
    simulator.hash_bins()
    simulator.add_target(PATH, DATA)
    simulator.publish()
    with client(simulator, tmp_path) as one:
        one.refresh()
        simulator.add_target(PATH, b"version two" + more)
        simulator.add_target("packages/other.whl", b"", role=bin_name(simulator))
        simulator.publish()
        simulator.requests.clear()
        target = one.find(PATH)
        assert target is not None
        assert target.length == len(b"version two" + more)
        assert simulator.asked[0] == f"{bin_name(simulator)}.json"
        assert simulator.asked[1:] == [*REFRESH, "snapshot.json", f"{bin_name(simulator)}.json"]


@pytest.mark.parametrize("data", [b"version 222", b"a longer one than before", b"short"])
def test_a_download_of_a_replaced_file_is_refused_where_names_are_plain_a16(data: bytes, tmp_path: Path) -> None:
    simulator = index(consistent_snapshot=False, hash_named_targets=False)
    simulator.add_target(PATH, DATA)
    simulator.publish()
    with client(simulator, tmp_path) as one:
        target = one.find(PATH)
        assert target is not None
        simulator.add_target(PATH, data)
        with pytest.raises((HashError, LengthError, LimitError)):  # served, and not signed
            one.download(target, tmp_path / "out")
        simulator.publish()
        with pytest.raises(ChangedError):
            one.download(target, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_a_hash_that_differs_is_no_reason_to_refresh_where_names_hold_versions(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path, hash_prefix_targets=True) as one:
        target = one.find(PATH)
        assert target is not None
        url = corp.target_url(PATH, target.hashes["sha256"])
        corp.tamper(url, lambda data: data[::-1])
        corp.requests.clear()
        with pytest.raises(HashError):
            one.download(target, tmp_path / "out")
        assert corp.asked == [url]
