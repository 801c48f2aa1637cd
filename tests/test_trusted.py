"""`Client.trusted`: what is trusted by now, byte for byte, also after an update that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import FloorError, MalformedError, SecureFetchError, WithheldError

from .clients import Clock, client, files_in
from .simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


def served(simulator: Simulator, *names: str) -> list[bytes]:
    return [simulator.served[simulator.url(name)] for name in names]


def test_it_is_what_was_received(simulator: Simulator, tmp_path: Path) -> None:
    simulator.delegate("a/b")
    simulator.add_target("x", b"data")
    simulator.publish()
    with client(simulator, tmp_path) as one:
        assert one.trusted() == {"root": simulator.initial_root}
        one.refresh()
        top = served(simulator, "1.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json")
        assert one.trusted() == dict(zip(("root", "timestamp", "snapshot", "targets"), top, strict=True))
        one.find("x")
        assert one.trusted()["a/b"] == served(simulator, "1.a%2Fb.json")[0]


def test_a_failed_update_counts_as_far_as_it_came(simulator: Simulator, tmp_path: Path) -> None:
    client(simulator, tmp_path).refresh()
    simulator.publish_root()
    simulator.publish("targets")
    simulator.withhold("2.targets.json")
    later = client(simulator, tmp_path)
    with pytest.raises(WithheldError):
        later.refresh()
    asked = list(simulator.asked)
    new = served(simulator, "2.root.json", "timestamp.json", "2.snapshot.json")
    assert later.trusted() == dict(zip(("root", "timestamp", "snapshot"), new, strict=True))
    assert simulator.asked == asked


def test_it_is_still_told_when_it_has_expired(simulator: Simulator, tmp_path: Path) -> None:
    client(simulator, tmp_path).refresh()
    clock = Clock()
    clock.forward(days=99)
    assert set(client(simulator, tmp_path, clock=clock).trusted()) == {"root", "timestamp", "snapshot"}


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_what_rotated_keys_signed_is_trusted_no_more(role: str, simulator: Simulator, tmp_path: Path) -> None:
    client(simulator, tmp_path).refresh()
    simulator.rotate(role)
    simulator.withhold("timestamp.json")
    later = client(simulator, tmp_path)
    with pytest.raises(SecureFetchError):
        later.refresh()
    assert set(later.trusted()) == {"root"}


def test_edited_files_are_not_told_of(simulator: Simulator, tmp_path: Path) -> None:
    client(simulator, tmp_path).refresh()
    for name in files_in(tmp_path / "state"):
        path = tmp_path / "state" / name
        path.write_bytes(path.read_bytes().replace(b"2030", b"2031"))
    assert client(simulator, tmp_path).trusted() == {"root": simulator.initial_root}


def test_a_lost_root_brings_no_older_keys_back(simulator: Simulator, tmp_path: Path) -> None:
    simulator.publish_root()
    client(simulator, tmp_path).refresh()
    for name in files_in(tmp_path / "state"):
        if "/root/" in name:
            (tmp_path / "state" / name).unlink()
    with pytest.raises(FloorError):
        client(simulator, tmp_path).trusted()


def test_a_root_that_is_none(simulator: Simulator, tmp_path: Path) -> None:
    with pytest.raises(MalformedError):
        client(simulator, tmp_path, root=b"{}").trusted()
