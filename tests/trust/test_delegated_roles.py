"""Every rule holds for delegated roles exactly as for top-level ones (TRAPS B5), of whichever kind they are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.errors import (
    ExpiredError,
    HashError,
    LengthError,
    LimitError,
    MalformedError,
    SecureFetchError,
    SignatureError,
    VersionError,
    WithheldError,
)
from secure_fetch.trust import Limits, TargetPath, find
from tests.simulator import NOW, MemoryStore, Simulator, drive, update

from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["listed", "bin", "succinct"])
def delegated(request: pytest.FixtureRequest) -> tuple[Simulator, str]:
    """Return a repository, published with hashes, and a delegated role of each kind that speaks for "x"."""
    repository = Simulator(meta_hashes=True)
    if request.param == "listed":
        repository.delegate("listed")
    elif request.param == "bin":
        repository.hash_bins(1)
    else:
        repository.succinct_bins(2)
    name = repository.add_target("x", b"data")
    repository.publish()
    return repository, name


def refused(repository: Simulator, error: type[SecureFetchError]) -> SecureFetchError:
    session = Session(repository)
    before = list(session.store.names)
    with pytest.raises(error) as caught:
        session.find("x")
    assert session.store.names == before
    assert session.known == {}
    return caught.value


def unhashed(repository: Simulator, name: str) -> None:
    """Publish a role again whose hashes are not in the snapshot, so that other checks are reached."""
    repository.meta_hashes = False
    repository.publish(name)


def test_b05_a_valid_delegated_role_is_accepted(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    assert Session(repository).chain("x") == ["targets", name]
    length = len(repository.served[repository.url(repository.file_name(name))])
    assert repository.requests[-1].max_length == length


def test_b05_a_signature_of_another_key_is_refused(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    repository.signers[name] = repository.signers["targets"]
    repository.publish(name)
    error = refused(repository, SignatureError)
    assert isinstance(error, SignatureError)
    assert (error.valid, error.threshold, error.signed_for) == (0, 1, f"targets version {repository.targets.version}")


def test_cve_2026_6966_b05_one_signature_twice_is_refused(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    repository.envelopes[name] = lambda whole: whole["signatures"].extend(list(whole["signatures"]))
    repository.publish(name)
    assert "twice" in str(refused(repository, MalformedError))


def second_key_id(threshold: int) -> Callable[[dict[str, Any]], None]:
    def edit(signed: dict[str, Any]) -> None:
        delegations = signed["delegations"]
        roles = delegations.get("roles") or [delegations["succinct_roles"]]
        (keyid,) = roles[-1]["keyids"]
        delegations["keys"]["second"] = delegations["keys"][keyid]
        for role in roles:
            role.update(keyids=[*role["keyids"], "second"], threshold=threshold)

    return edit


@pytest.mark.parametrize("threshold", [1, 2])
def test_ghsa_3633_b05_one_key_under_two_ids_counts_once(delegated: tuple[Simulator, str], threshold: int) -> None:
    repository, name = delegated
    repository.edits["targets"] = second_key_id(threshold)
    repository.envelopes[name] = lambda whole: whole["signatures"].append({**whole["signatures"][0], "keyid": "second"})
    repository.publish("targets", name)
    if threshold == 1:
        assert Session(repository).chain("x") == ["targets", name]
    else:
        refused(repository, SignatureError)


@pytest.mark.parametrize("threshold", [0, -1])
def test_cve_2026_23992_b02_a_threshold_below_one_is_refused(delegated: tuple[Simulator, str], threshold: int) -> None:
    repository, _ = delegated
    repository.edits["targets"] = second_key_id(threshold)
    repository.publish("targets")
    with pytest.raises(MalformedError, match="threshold"):
        update(repository)


def test_cve_2026_6967_b05_an_expired_role_is_refused(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    repository.roles[name].expires = NOW
    repository.publish(name)
    error = refused(repository, ExpiredError)
    assert isinstance(error, ExpiredError)
    assert (error.role, error.now) == (name, NOW)


def test_b05_a_held_role_that_has_expired_since_is_refused(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    repository.roles[name].expires = NOW + timedelta(days=1)
    repository.publish(name)
    store = MemoryStore()
    Session(repository, store).find("x")
    later = update(repository, store, now=NOW + timedelta(days=1))
    with pytest.raises(ExpiredError):
        drive(find(later, TargetPath("x"), {}), repository, store)


@pytest.mark.parametrize(("change", "error"), [(bytes.swapcase, HashError), (lambda data: data[:-1], LengthError)])
def test_cve_2026_6967_b05_other_bytes_than_the_snapshot_names_are_refused(
    delegated: tuple[Simulator, str], change: Callable[[bytes], bytes], error: type[SecureFetchError]
) -> None:
    repository, name = delegated
    repository.tamper(repository.file_name(name), change)
    refused(repository, error)


@pytest.mark.parametrize("difference", [-1, 1])
def test_a15_b05_another_version_is_refused(delegated: tuple[Simulator, str], difference: int) -> None:
    repository, name = delegated
    unhashed(repository, name)
    served = repository.file_name(name)
    repository.roles[name].version += difference
    repository.tamper(served, lambda _: repository.sign(name))
    error = refused(repository, VersionError)
    assert isinstance(error, VersionError)
    assert (error.role, error.offered - error.expected) == (name, difference)


def test_a19_b05_another_type_is_refused(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    repository.edits[name] = lambda signed: signed.update(_type="snapshot")
    repository.publish(name)
    assert "_type" in str(refused(repository, MalformedError))


def test_a17_b05_a_role_that_is_not_served_is_withheld(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    repository.withhold(repository.file_name(name))
    assert name in str(refused(repository, WithheldError))


def test_b05_an_edited_role_in_the_store_is_fetched_again(delegated: tuple[Simulator, str]) -> None:
    repository, name = delegated
    session = Session(repository)
    session.find("x")
    stored = session.store.files[name, 1, repository.roles[name].version]
    session.store.files[name, 1, repository.roles[name].version] = stored.replace(b"2030", b"2031")
    again = Session(repository, session.store)
    assert again.chain("x") == ["targets", name]
    assert repository.asked == [repository.file_name(name)]
    assert session.store.files[name, 1, repository.roles[name].version] == stored


def test_a_signed_length_above_the_limit_is_not_asked_for(delegated: tuple[Simulator, str]) -> None:
    repository, _ = delegated
    session = Session(repository)
    with pytest.raises(LimitError):
        session.find("x", limits=Limits(targets_length=10))
    assert repository.asked == []
