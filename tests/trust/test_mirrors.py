"""A mirror that lies is passed over, and what it said is told if no mirror is honest (TRAPS A18, E7)."""

from __future__ import annotations

import pytest

from secure_fetch.errors import RollbackError, SignatureError, VersionError
from secure_fetch.trust import Fetch, Load, TargetPath, find, refresh
from secure_fetch.trust.workflow import MAX_MIRRORS
from tests.memory_server import MemoryServer
from tests.simulator import NOW, MemoryStore, Simulator, drive, signer, update


def mirror(repository: Simulator, number: int = 2) -> MemoryServer:
    """Return another server with what the repository serves now."""
    copy = MemoryServer(f"https://mirror-{number}.example/metadata/")
    for url, data in repository.served.items():
        copy.served[url.replace(repository.metadata_url, copy.metadata_url)] = data
    return copy


@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"])
def test_e07_the_next_mirror_is_asked_when_one_lies(name: str) -> None:
    repository = Simulator()
    repository.publish_root()
    repository.publish("targets")
    honest = mirror(repository)
    repository.tamper(name, lambda data: data.replace(b"2030", b"2031"))
    store = MemoryStore()
    update(repository, store, mirrors=[honest])
    assert name in repository.asked
    assert name in honest.asked
    assert store.names == ["root 2", "timestamp 2", "snapshot 2", "targets 2"]
    with pytest.raises(SignatureError):
        update(repository)


def test_e07_a_mirror_that_lies_about_a_bin_is_passed_over(repository: Simulator, store: MemoryStore) -> None:
    repository.delegate("one")
    repository.add_target("x", b"")
    repository.publish()
    honest = mirror(repository)
    state = update(repository, store)
    repository.tamper("1.one.json", lambda data: data.replace(b"2030", b"2031"))
    assert drive(find(state, TargetPath("x"), {}), repository, store, mirrors=[honest]) is not None
    assert honest.asked == ["1.one.json"]


def test_e07_what_the_first_mirror_failed_is_told(repository: Simulator, store: MemoryStore) -> None:
    repository.publish_timestamp()
    update(repository, store)
    repository.timestamp.version = 1
    repository.write("timestamp")
    other = mirror(repository)
    other.tamper("timestamp.json", lambda data: data.replace(b"2030", b"2031"))
    with pytest.raises(RollbackError):
        update(repository, store, mirrors=[other])
    assert other.asked == ["2.root.json", "timestamp.json"]


def test_a18_a_root_is_the_last_if_no_mirror_has_a_newer_one(repository: Simulator) -> None:
    repository.rotate("root")
    behind = mirror(Simulator())
    ahead = mirror(repository, 3)
    repository.withhold("2.root.json")
    assert update(repository, mirrors=[behind, ahead]).root.version == 2
    assert behind.asked == ["2.root.json", "3.root.json"]


def test_a_lie_is_no_reason_to_stop_at_an_older_root(repository: Simulator) -> None:
    repository.rotate("root")
    repository.root.version, repository._last_root_signers = 7, [signer(0)]
    repository.tamper("2.root.json", lambda _: repository.sign("root"))
    with pytest.raises(VersionError):
        update(repository, mirrors=[mirror(Simulator())])


def test_the_number_of_mirrors_that_are_asked_is_limited(repository: Simulator) -> None:
    workflow = refresh(repository.initial_root, NOW)
    assert isinstance(workflow.send(None), Load)
    request = workflow.send(())
    for attempt in range(MAX_MIRRORS):
        assert isinstance(request, Fetch)
        assert (request.url, request.attempt) == ("2.root.json", attempt)
        if attempt < MAX_MIRRORS - 1:
            request = workflow.send(repository.served[repository.url("timestamp.json")])
    with pytest.raises(SignatureError):
        workflow.send(repository.served[repository.url("timestamp.json")])
