"""What exactly a client asks for, what it keeps, and what a failure leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from secure_fetch import UncheckedError, VerificationError
from secure_fetch.errors import (
    ExpiredError,
    LimitError,
    RollbackError,
    SecureFetchError,
    SignatureError,
    TransportError,
    VersionError,
    WithheldError,
)
from secure_fetch.trust import Limits

from .clients import ROOT_URL, WHEEL, Clock, add_project, client, files_in, index
from .simulator import NOW, Simulator, signer

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"the wheel of flask"
UPDATE = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]


@pytest.fixture
def corp() -> Simulator:
    """Return an index with one project in hash-prefix bins."""
    simulator = index()
    simulator.hash_bins()
    add_project(simulator, "flask", {WHEEL: DATA})
    simulator.publish()
    return simulator


# Requests (TRAPS A3 to A6)


def test_an_update_requests_exactly_what_it_needs_a6(tmp_path: Path) -> None:
    simulator = Simulator()
    with client(simulator, tmp_path) as one:
        one.refresh()
        assert simulator.asked == UPDATE
        one.refresh()
        assert simulator.asked[4:] == ["2.root.json", "timestamp.json"]
    simulator.requests.clear()
    with client(simulator, tmp_path) as one:  # a new process asks for no more than that
        one.refresh()
        assert simulator.asked == ["2.root.json", "timestamp.json"]


def test_an_update_asks_for_no_more_than_the_limits_a6(tmp_path: Path) -> None:
    simulator = Simulator()
    limits = Limits(root_length=5001, timestamp_length=5002, snapshot_length=5003, targets_length=5004)
    with client(simulator, tmp_path, limits=limits) as one:
        one.refresh()
    assert [request.max_length for request in simulator.requests] == [5001, 5002, 5003, 5004]


def test_a_lookup_requests_only_the_roles_it_passes_and_a_second_one_nothing(corp: Simulator, tmp_path: Path) -> None:
    path = add_project(index(), "flask", {WHEEL: DATA})[WHEEL]
    with client(corp, tmp_path) as one:
        one.refresh()
        corp.requests.clear()
        target = one.find(path)
        assert target is not None
        assert corp.asked == [corp.file_name(corp.role_for(path))]
        assert one.find(path) == target
        assert len(corp.asked) == 1
        one.download(target, tmp_path / "out")
        one.download(target, tmp_path / "other")
        assert corp.asked[1:] == [ROOT_URL + path]
    corp.requests.clear()
    with client(corp, tmp_path) as one:
        one.find(path)
        assert corp.asked == ["2.root.json", "timestamp.json"]


@pytest.mark.parametrize(
    "error",
    [
        TransportError("https://index.example/", "HTTP 500", status=500),
        TransportError("https://index.example/", "it timed out"),
        LimitError("https://index.example/", limit=1),
    ],
)
def test_only_absence_means_that_there_is_no_newer_root_a3(error: SecureFetchError, tmp_path: Path) -> None:
    simulator = Simulator()
    simulator.fail("2.root.json", error)
    with client(simulator, tmp_path) as one, pytest.raises(type(error)):
        one.refresh()
    assert simulator.asked == ["2.root.json"]


def test_with_an_expired_root_nothing_more_is_asked_for_a4(tmp_path: Path) -> None:
    simulator = Simulator()
    simulator.root.expires = NOW
    simulator.publish_root()
    with client(simulator, tmp_path) as one, pytest.raises(ExpiredError):
        one.refresh()
    assert simulator.asked == ["2.root.json", "3.root.json"]
    assert [name.split("-")[0] for name in files_in(one.store.folder / "root")] == ["2"]


@pytest.mark.parametrize("root", [b"no root at all", b"{}", "other"])
def test_with_an_invalid_root_nothing_is_asked_for_at_all_a5(root: bytes | str, tmp_path: Path) -> None:
    simulator = Simulator()
    if isinstance(root, str):
        root = simulator.initial_root.replace(b'"version":1', b'"version":2')
    with client(simulator, tmp_path, root=root) as one, pytest.raises(VerificationError, match="configured root"):
        one.refresh()
    assert simulator.requests == []


# What is kept (A8, A12, A13), and what a failure leaves (section F)


def test_what_was_verified_stays_when_a_later_step_fails_a13(tmp_path: Path) -> None:
    simulator = Simulator()
    with client(simulator, tmp_path) as one:
        one.refresh()
    simulator.publish_root()
    simulator.publish("targets")
    simulator.withhold("2.snapshot.json")
    with client(simulator, tmp_path) as one, pytest.raises(WithheldError):
        one.refresh()
    assert len(files_in(one.store.folder / "root")) == 1
    simulator.restore()
    simulator.requests.clear()
    with client(simulator, tmp_path) as one:
        one.refresh()
    assert simulator.asked == ["3.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"]


def test_metadata_is_kept_byte_for_byte_a12(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        one.project("flask")
        kept = {(one.store.folder / name).read_bytes() for name in files_in(one.store.folder)}
    for name in (corp.file_name("timestamp"), corp.file_name("snapshot"), corp.file_name("targets")):
        assert corp.served[corp.url(name)] in kept


def test_a_rejected_timestamp_is_not_kept_and_the_next_good_update_works_a8(tmp_path: Path) -> None:
    """CVE-2025-2888: the rollback of the snapshot is checked before the timestamp is kept."""
    simulator = Simulator()
    simulator.publish("targets")
    with client(simulator, tmp_path) as one:
        one.refresh()
    before = files_in(one.store.folder / "timestamp")
    simulator.snapshot.version = 1
    simulator.write("snapshot")
    simulator.publish_timestamp()
    with client(simulator, tmp_path) as one, pytest.raises(RollbackError) as caught:
        one.refresh()
    assert (caught.value.role, caught.value.held, caught.value.offered) == ("snapshot", 2, 1)
    assert files_in(one.store.folder / "timestamp") == before
    simulator.snapshot.version = 3
    simulator.write("snapshot")
    simulator.publish_timestamp()
    with client(simulator, tmp_path) as one:
        one.refresh()


def test_a_root_that_failed_is_not_trusted_in_the_next_run_cve_2020_15163(tmp_path: Path) -> None:
    simulator = Simulator()
    good = dict(simulator.signers)
    simulator.signers["root"] = [signer(99)]
    simulator._last_root_signers = []
    simulator.publish_root()
    with client(simulator, tmp_path) as one, pytest.raises(SignatureError):
        one.refresh()
    assert files_in(tmp_path) == []
    simulator.signers = good
    simulator.served.pop(simulator.url("2.root.json"))
    with client(simulator, tmp_path) as one:
        assert one.refresh().root.version == 1


@pytest.mark.parametrize("version", [1, 3])
def test_a_root_that_is_not_the_next_one_is_refused_cve_2025_2885(version: int, tmp_path: Path) -> None:
    simulator = Simulator()
    simulator.root.version = version
    simulator.served[simulator.url("2.root.json")] = simulator.sign("root")
    with client(simulator, tmp_path) as one, pytest.raises(VersionError):
        one.refresh()
    assert files_in(tmp_path) == []


def test_the_repository_without_a_timestamp_could_not_be_checked(tmp_path: Path) -> None:
    simulator = Simulator()
    simulator.withhold("timestamp.json")
    with client(simulator, tmp_path) as one, pytest.raises(UncheckedError, match="no timestamp"):
        one.refresh()


def test_an_update_that_failed_leaves_the_client_usable(tmp_path: Path) -> None:
    simulator = Simulator()
    with client(simulator, tmp_path) as one:
        one.refresh()
        simulator.fail("timestamp.json", TransportError("https://index.example/", "it timed out"))
        with pytest.raises(TransportError):
            one.refresh()
        assert one.find("nothing") is None
        simulator.restore()
        one.refresh()


# The clock (A22)


def test_a_clock_earlier_than_the_last_update_is_a_warning_a22(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = Simulator()
    clock = Clock(NOW + timedelta(microseconds=123_456))
    for _ in range(2):
        with client(simulator, tmp_path, clock=clock) as one:
            one.refresh()
    assert caplog.messages == []
    clock.now = NOW - timedelta(days=1)
    with client(simulator, tmp_path, clock=clock) as one:
        one.refresh()
    (message,) = caplog.messages
    assert (
        "clock (2029-12-31 00:00:00 UTC) is earlier than the last update of corp (2030-01-01 00:00:00 UTC)" in message
    )
    assert "Set the clock." in message
