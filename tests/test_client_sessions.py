"""How long a state is used, what happens when the repository moves on, and that nothing old is handed out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import (
    ChangedError,
    ExpiredError,
    MalformedError,
    TransportError,
    WithheldError,
)

from .clients import ROOT_URL, Clock, client, files_in, index
from .simulator import EXPIRES, NOW, Simulator

if TYPE_CHECKING:
    from pathlib import Path

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


# How long a state is used


def test_a_state_is_used_for_ten_minutes(corp: Simulator, tmp_path: Path) -> None:
    clock = Clock()
    with client(corp, tmp_path, clock=clock) as one:
        one.find(PATH)
        corp.requests.clear()
        clock.forward(minutes=9, seconds=59)
        one.find(PATH)
        assert corp.asked == []
        clock.forward(seconds=1)
        one.find(PATH)
        assert corp.asked == REFRESH
        assert one.state.now == clock()


def test_a_state_is_used_no_longer_than_until_the_first_role_expires(corp: Simulator, tmp_path: Path) -> None:
    corp.timestamp.expires = NOW + timedelta(minutes=3)
    corp.publish_timestamp()
    clock = Clock()
    with client(corp, tmp_path, clock=clock) as one:
        one.refresh()
        corp.requests.clear()
        clock.forward(minutes=2, seconds=59)
        assert one.state.now == NOW
        assert corp.asked == []
        clock.forward(seconds=1)
        with pytest.raises(ExpiredError) as caught:
            one.find(PATH)
        assert caught.value.role == "timestamp"
        corp.timestamp.expires = EXPIRES
        corp.publish_timestamp()
        assert one.find(PATH) is not None


@pytest.mark.parametrize("path", [PATH, "packages/not-there"])
def test_a_bin_that_expires_within_the_ten_minutes_vouches_for_nothing_any_more(
    path: str, corp: Simulator, tmp_path: Path
) -> None:
    """Neither for a file nor for its absence."""
    name = corp.role_for(path)
    corp.roles[name].expires = NOW + timedelta(minutes=3)
    corp.publish()
    clock = Clock()
    with client(corp, tmp_path, clock=clock) as one:
        target = one.find(path)
        clock.forward(minutes=3)
        with pytest.raises(ExpiredError, match=name):
            one.find(path)
        if target is not None:
            with pytest.raises(ExpiredError, match=name):
                one.download(target, tmp_path / "out")
        corp.roles[name].expires = EXPIRES
        corp.publish()
        one.refresh()
        assert (one.find(path) is None) == (target is None)
        if target is not None:
            one.download(target, tmp_path / "out")


def test_a_bin_that_had_expired_before_it_was_met_vouches_for_nothing(corp: Simulator, tmp_path: Path) -> None:
    name = bin_name(corp)
    corp.roles[name].expires = NOW + timedelta(minutes=3)
    corp.publish()
    clock = Clock()
    with client(corp, tmp_path, clock=clock) as one:
        one.refresh()
        clock.forward(minutes=4)
        with pytest.raises(ExpiredError, match=name):
            one.find(PATH)


def test_roles_verified_under_one_snapshot_are_not_used_under_another(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        assert one.find(PATH) is not None
        del corp.roles[bin_name(corp)].targets[PATH]
        corp.publish()
        one.refresh()
        assert one.find(PATH) is None


# A target remembers its state


def test_a_target_that_was_removed_is_not_handed_out(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        target = one.find(PATH)
        assert target is not None
        one.download(target, tmp_path / "before")
        del corp.roles[bin_name(corp)].targets[PATH]
        corp.publish()
        one.refresh()
        with pytest.raises(ChangedError, match=PATH):
            one.download(target, tmp_path / "out")
        with pytest.raises(ChangedError), one.open(target):
            pass
    assert not (tmp_path / "out").exists()


def test_a_target_that_was_replaced_is_not_handed_out(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        target = one.find(PATH)
        assert target is not None
        corp.add_target(PATH, b"version two")
        corp.publish()
        one.refresh()
        with pytest.raises(ChangedError):
            one.download(target, tmp_path / "out")


def test_a_target_that_is_still_the_same_is_handed_out_with_its_new_chain(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        target = one.find(PATH)
        assert target is not None
        corp.publish(bin_name(corp))
        one.refresh()
        file = one.download(target, tmp_path / "out")
        with one.open(target) as opened:
            assert opened.target.state is one.state
    assert file.chain[-1].version == target.chain[-1].version + 1


def test_a_target_from_another_client_is_looked_up_again(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path / "one") as one:
        target = one.find(PATH)
    assert target is not None
    empty = index()
    with client(empty, tmp_path / "two") as two, pytest.raises(ChangedError):
        two.download(target, tmp_path / "out")


# What the cache is worth (E6, tuf-js #361, sigstore-rust #165)


def cached_file(folder: Path) -> Path:
    (name,) = files_in(folder / "cache")
    return folder / "cache" / name


@pytest.mark.parametrize("altered", [b"version 666", b"", b"version one and more"])
def test_an_altered_cached_file_is_fetched_again_e6(altered: bytes, corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path, hash_prefix_targets=True) as one:
        target = one.find(PATH)
        assert target is not None
        one.download(target, tmp_path / "first")
        corp.requests.clear()
        one.download(target, tmp_path / "second")
        assert corp.asked == []
        cached_file(tmp_path).write_bytes(altered)
        assert one.download(target, tmp_path / "third").path.read_bytes() == DATA
        assert corp.asked == [corp.target_url(PATH, target.hashes["sha256"])]
        assert cached_file(tmp_path).read_bytes() == DATA


def test_offline_with_an_altered_cache_is_refused_sigstore_rust_165(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path, hash_prefix_targets=True) as one:
        target = one.find(PATH)
        assert target is not None
        one.download(target, tmp_path / "first")
        cached_file(tmp_path).write_bytes(b"version 666")
        corp.fail(
            corp.target_url(PATH, target.hashes["sha256"]), TransportError("https://index.example/", "no network")
        )
        with pytest.raises(TransportError), one.open(target):
            pass
        with pytest.raises(TransportError):
            one.download(target, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_file_in_the_target_folder_counts_only_with_the_right_bytes(corp: Simulator, tmp_path: Path) -> None:
    """tuf-js #361: a stale copy in the target folder is not what was asked for."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.whl").write_bytes(b"version 000")
    with client(corp, tmp_path) as one:
        target = one.find(PATH)
        assert target is not None
        file = one.download(target, out)
        assert file.path.read_bytes() == DATA
        before = file.path.stat()
        one.download(target, out)
        assert file.path.stat().st_ino == before.st_ino, "a file that was right was written again"
    assert files_in(out) == ["x.whl"]


def test_altered_metadata_in_the_store_is_not_trusted(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        one.find(PATH)
    altered = [one.store.folder / name for name in files_in(one.store.folder) if name.endswith(".json")]
    for file in altered:
        file.write_bytes(file.read_bytes().replace(b'"version":', b'"version":9'))
    corp.requests.clear()
    with client(corp, tmp_path) as one:
        assert one.find(PATH) is not None
    assert len(corp.asked) == len(altered) + 1  # and the root that does not exist
    corp.withhold(corp.file_name(bin_name(corp)))
    for file in altered:
        file.write_bytes(b"{}")
    with client(corp, tmp_path) as one, pytest.raises(WithheldError):
        one.find(PATH)


def test_a_role_that_the_snapshot_does_not_name_is_an_error(corp: Simulator, tmp_path: Path) -> None:
    del corp.snapshot.meta[f"{bin_name(corp)}.json"]
    corp.publish_snapshot()
    with client(corp, tmp_path) as one, pytest.raises(MalformedError, match="does not name"):
        one.find(PATH)


def test_with_an_unreachable_targets_url_nothing_is_withheld(corp: Simulator, tmp_path: Path) -> None:
    """A failure of the network is not taken for a file that is gone, so nothing is refreshed."""
    with client(corp, tmp_path, targets_url=(ROOT_URL, "https://down.example/")) as one:
        target = one.find(PATH)
        assert target is not None
        corp.withhold(ROOT_URL + PATH, corp.target_url(PATH, target.hashes["sha256"]))
        for name in (PATH, corp.target_url(PATH, target.hashes["sha256"]).removeprefix(ROOT_URL)):
            corp.fail(f"https://down.example/{name}", TransportError("https://down.example/", "no network"))
        corp.requests.clear()
        with pytest.raises(TransportError):
            one.download(target, tmp_path / "out")
    assert not any(url.endswith("timestamp.json") for url in corp.asked)
