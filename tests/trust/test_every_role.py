"""Rules that hold for each of the top-level roles: signatures, types, versions, what is kept (TRAPS A, B)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.errors import (
    LimitError,
    MalformedError,
    SignatureError,
    VerificationError,
    VersionError,
    WithheldError,
)
from secure_fetch.trust import Limits
from tests.simulator import EXPIRES, MemoryStore, Simulator, signer, update

if TYPE_CHECKING:
    from secure_fetch.trust.signatures import Key

NOTHING_NEW = ["2.root.json", "timestamp.json"]

ROLES = ["timestamp", "snapshot", "targets"]
NAMES = {"timestamp": "timestamp.json", "snapshot": "1.snapshot.json", "targets": "1.targets.json"}


def twice(whole: dict[str, Any]) -> None:
    whole["signatures"] *= 2


@pytest.mark.parametrize("role", [*ROLES, "root"])
def test_cve_2020_15093_b01_one_signature_twice_rejects_the_file(role: str, store: MemoryStore) -> None:
    repository = Simulator()
    repository.envelopes[role] = twice
    if role == "root":
        repository.publish_root()
    repository.write(role)
    with pytest.raises(MalformedError, match="signs it twice"):
        update(repository, store)
    assert role not in {keep.role.text for keep in store.kept}


@pytest.mark.parametrize("role", [*ROLES, "root"])
def test_ghsa_3633_b01_one_key_under_two_ids_does_not_meet_a_threshold_of_two(role: str) -> None:
    repository = Simulator()
    (keyid,) = repository.root.roles[role].keyids

    def second_id(signed: dict[str, Any]) -> None:
        signed["keys"]["second"] = signed["keys"][keyid]
        signed["roles"][role].update(keyids=[keyid, "second"], threshold=2)

    def sign_again(whole: dict[str, Any]) -> None:
        whole["signatures"] += [{**one, "keyid": "second"} for one in whole["signatures"] if one["keyid"] == keyid]

    repository.edits["root"] = second_id
    repository.envelopes[role] = sign_again
    root = repository.write("root")
    repository.write(role)
    with pytest.raises(SignatureError) as caught:
        update(repository, root=root)
    assert (caught.value.valid, caught.value.threshold) == (1, 2)


@pytest.mark.parametrize("role", ROLES)
def test_a_threshold_of_two_needs_two_keys(role: str) -> None:
    repository = Simulator()
    repository.rotate(role, [signer(30), signer(31)], threshold=2)
    repository.write(role)
    assert update(repository).root.version == 2
    repository.signers[role] = [signer(30), signer(32)]
    repository.write(role)
    with pytest.raises(SignatureError) as caught:
        update(repository)
    assert (caught.value.valid, caught.value.threshold, caught.value.signed_for) == (1, 2, "root version 2")


@pytest.mark.parametrize("role", ROLES)
def test_cve_2020_6173_b04_100000_junk_signatures_cost_no_cryptography(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Simulator()

    def junk(whole: dict[str, Any]) -> None:
        whole["signatures"] += [{"keyid": f"{n}", "sig": "00" * 64} for n in range(100_000)]

    repository.envelopes[role] = junk
    repository.write(role)
    tried: list[str] = []

    def verify(key: Key, *_: object) -> bool:
        tried.append(key.keyid)
        return True

    monkeypatch.setattr("secure_fetch.trust.signatures._verify_one", verify)
    wide = Limits(timestamp_length=10**8, snapshot_length=10**8, targets_length=10**8)
    with pytest.raises(LimitError) as caught:
        update(repository, limits=wide)
    assert caught.value.unit == "signatures"
    assert len(tried) == 1 + ROLES.index(role)  # the configured root, and the roles before this one


@pytest.mark.parametrize("role", ROLES)
def test_a19_the_type_is_the_role(role: str) -> None:
    repository = Simulator()
    other = ROLES[ROLES.index(role) - 1]
    repository.signers[other] = repository.signers[role]
    repository.tamper(NAMES[role], lambda _: repository.sign(other))
    with pytest.raises(MalformedError, match="_type"):
        update(repository)


@pytest.mark.parametrize("role", ROLES)
def test_a14_unknown_fields_are_allowed_and_covered_by_the_signature(role: str) -> None:
    repository = Simulator()
    repository.edits[role] = lambda signed: signed.update({"x-unknown": {"é\n": [1]}})
    repository.write(role)
    update(repository)
    repository.tamper(NAMES[role], lambda data: data.replace(b"[1]", b"[2]"))
    with pytest.raises(SignatureError):
        update(repository)


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("version", [1, 3])
def test_a15_the_version_in_the_file_is_the_one_that_was_asked_for(role: str, version: int) -> None:
    repository = Simulator()
    repository.publish("targets")
    repository.signed(role).version = version
    repository.tamper(f"2.{role}.json", lambda _: repository.sign(role))
    with pytest.raises(VersionError) as caught:
        update(repository)
    assert (caught.value.role, caught.value.expected, caught.value.offered) == (role, 2, version)


@pytest.mark.parametrize("role", ROLES)
def test_cve_2026_23991_b09_valid_json_of_the_wrong_shape_is_a_typed_error(role: str) -> None:
    for served in (b"[]", b"{}", b'{"signed":{},"signatures":{}}', b'{"signed":{},"signatures":[]}', b"[" * 10_000):
        repository = Simulator()
        repository.tamper(NAMES[role], lambda _, served=served: served)  # type: ignore[misc]
        with pytest.raises(VerificationError):
            update(repository)


def test_a13_what_was_verified_stays_kept_when_a_later_step_fails(repository: Simulator, store: MemoryStore) -> None:
    repository.publish_root()
    repository.publish("targets")
    repository.withhold("2.targets.json")
    with pytest.raises(WithheldError):
        update(repository, store)
    assert store.names == ["root 2", "timestamp 2", "snapshot 2"]
    repository.restore()
    update(repository, store)
    assert repository.asked == ["3.root.json", "timestamp.json", "2.targets.json"]


@pytest.mark.parametrize("role", ROLES)
def test_an_edited_file_in_the_store_is_fetched_again(repository: Simulator, store: MemoryStore, role: str) -> None:
    update(repository, store)
    good = store.files[role, 1, 1]
    store.files[role, 1, 1] = good.replace(b"2030", b"2031")
    state = update(repository, store)
    assert repository.asked == [*NOTHING_NEW, *([NAMES[role]] if role != "timestamp" else [])]
    assert store.files[role, 1, 1] == good
    assert state.expires == EXPIRES


def test_the_state_and_its_parts_are_frozen(repository: Simulator) -> None:
    state = update(repository)
    with pytest.raises(AttributeError):
        state.now = EXPIRES  # type: ignore[misc]
    assert state.targets is not None
    with pytest.raises(AttributeError):
        state.targets.data = b""  # type: ignore[misc]
    assert state.targets.data == repository.served[repository.url("1.targets.json")]
    assert json.loads(state.targets.data)["signed"]["version"] == state.targets.version
    keyid = repository.signers["targets"][0].public_key.keyid
    assert (state.targets.signed_by, state.targets.threshold, state.targets.keys) == ((keyid,), 1, 1)
    assert (str(state.targets.role), str(state.targets.delegator)) == ("targets", "root")
