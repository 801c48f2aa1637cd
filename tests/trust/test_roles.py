"""The four roles: what is valid is read whole, and one wrong member is a MalformedError, never anything else."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError
from secure_fetch.trust import RoleName, TargetPath
from secure_fetch.trust.roles import MetaFile, Root, Snapshot, Targets, Timestamp
from tests.simulator import EXPIRES, Simulator

from .json_values import ANY_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

    Role = type[Root | Timestamp | Snapshot | Targets]

SHA256 = "0" * 64


def _examples() -> dict[str, tuple[Role, dict[str, Any]]]:
    repository = Simulator(meta_hashes=True)
    repository.delegate("bins", paths=["a/*"])
    repository.delegate("hashed", prefixes=["0", "1f"])
    repository.add_target("b", b"data", role="targets")
    repository.targets.targets["b"].unrecognized_fields["custom"] = {"any": 1}
    listed = repository.targets.to_dict()
    repository.publish()
    succinct = Simulator()
    succinct.succinct_bins(2)
    return {
        "root": (Root, repository.root.to_dict()),
        "timestamp": (Timestamp, repository.timestamp.to_dict()),
        "snapshot": (Snapshot, repository.snapshot.to_dict()),
        "targets": (Targets, listed),
        "succinct": (Targets, succinct.targets.to_dict()),
    }


EXAMPLES = _examples()


def read(name: str, signed: dict[str, Any]) -> Root | Timestamp | Snapshot | Targets:
    kind = EXAMPLES[name][0]
    return kind.read(signed, "it")


def use(role: Root | Timestamp | Snapshot | Targets) -> None:
    """Ask a role everything that the workflow asks it."""
    hash(role.version)
    assert role.expires > EXPIRES - timedelta(days=10**5)
    if isinstance(role, Root):
        for name in role.roles:
            role.signers(name)
    elif isinstance(role, Snapshot):
        for name in role.meta:
            with suppress(MalformedError):  # the name of a file need not be that of a role
                assert isinstance(role.file(RoleName(name.removesuffix(".json"))), MetaFile | None)
    elif isinstance(role, Targets):
        for path in ("b", "a/b", "c", "0"):
            role.target(TargetPath(path))
            if role.delegations is not None:
                list(role.delegations.roles_for(TargetPath(path)))
                role.delegations.role(RoleName("bins"))


def places(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every member, at every depth."""
    found = [here] if here else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*here, key))
    return found


def changed(value: Any, place: tuple[str | int, ...], change: Callable[[Any, str | int], object]) -> Any:
    """Return a copy in which `change` was called with the last object on the way to a place, and its key there."""
    whole = copy.deepcopy(value)
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    change(inner, place[-1])
    return whole


def replaced(value: Any, place: tuple[str | int, ...], by: Any) -> Any:
    return changed(value, place, lambda inner, key: inner.__setitem__(key, copy.deepcopy(by)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_python_tuf_writes_is_read(name: str) -> None:
    role = read(name, EXAMPLES[name][1])
    assert role.expires == EXPIRES
    assert role.version == EXAMPLES[name][1]["version"]
    use(role)


@pytest.mark.parametrize("name", EXAMPLES)
@given(data=st.data())
def test_b09_one_member_of_any_value_is_read_or_malformed(name: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(places(EXAMPLES[name][1])))
    value = data.draw(ANY_VALUES)
    signed = replaced(EXAMPLES[name][1], place, value)
    with suppress(MalformedError):
        use(read(name, signed))


@pytest.mark.parametrize("name", EXAMPLES)
def test_b09_one_member_less_or_empty_is_read_or_malformed(name: str) -> None:
    def remove(inner: Any, key: str | int) -> None:
        del inner[key]

    empty: list[Any] = [None, True, False, 0, 1, -1, 2**70, "", "x", "\ud800", [], {}, [[]], [{}], {"": {}}, ["", ""]]
    for place in places(EXAMPLES[name][1]):
        variants = [changed(EXAMPLES[name][1], place, remove)]
        variants += [replaced(EXAMPLES[name][1], place, value) for value in empty]
        for signed in variants:
            with suppress(MalformedError):
                use(read(name, signed))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a14_unknown_members_are_allowed_everywhere(name: str) -> None:
    def add(inner: Any, key: str | int) -> None:
        if isinstance(inner[key], dict):
            inner[key]["x-unknown"] = {"more": [1, None]}

    closed = {"keys", "meta", "targets", "hashes", "roles"}  # their members are names, not fields
    signed = EXAMPLES[name][1] | {"x-unknown": [1]}
    for place in places(EXAMPLES[name][1]):
        if place[-1] not in closed:
            signed = changed(signed, place, add)
    assert "x-unknown" in json.dumps(signed)
    use(read(name, signed))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("member", ["_type", "version", "expires", "keys", "roles", "meta", "targets", "delegations"])
def test_b09_deep_nesting_is_read_or_malformed(name: str, member: str) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with suppress(MalformedError):
        read(name, EXAMPLES[name][1] | {member: nested})


# (role, where, wrong values)
WRONG: list[tuple[str, tuple[str | int, ...], list[Any]]] = [
    *(("root", ("roles", role, "threshold"), [0, -1, True, "1", None, 1.0]) for role in ("root", "targets")),
    ("root", ("roles", "root", "keyids"), [["a", "a"], [1], "a", None]),
    ("root", ("roles", "snapshot"), [None, []]),
    ("root", ("roles",), [None, {}, []]),
    ("root", ("keys",), [None, []]),
    ("root", ("consistent_snapshot",), [None, 0, 1, "true"]),
    ("timestamp", ("meta",), [None, {}, []]),
    ("timestamp", ("meta", "snapshot.json"), [None, 1, {}]),
    ("timestamp", ("meta", "snapshot.json", "version"), [0, -1, True, "1", None, 2**63]),
    ("timestamp", ("meta", "snapshot.json", "length"), [-1, True, "1", 1.0, 2**63]),
    ("timestamp", ("meta", "snapshot.json", "hashes"), [None, {}, [], {"md5": "00"}]),
    ("snapshot", ("meta",), [None, {}, [], {"other.json": {"version": 1}}]),
    ("snapshot", ("meta", "bins.json"), [None, 1, {}, {"length": 1}, [1]]),
    ("snapshot", ("meta", "bins.json"), [{"version": value} for value in (0, -1, True, "1", None, 2**63)]),
    ("snapshot", ("meta", "bins.json"), [{"version": value, "x": 1} for value in (0, -1, True, "1", None, 2**63)]),
    ("snapshot", ("meta", "bins.json"), [{"version": 1, "length": -1}, {"version": 1, "hashes": {}}]),
    ("targets", ("targets",), [None, []]),
    ("targets", ("targets", "b"), [None, {}, {"length": 1}, {"hashes": {"sha256": SHA256}}]),
    ("targets", ("targets", "b", "length"), [-1, True, "1", None, 1.0]),
    ("targets", ("targets", "b", "hashes"), [None, {}, {"sha256": "0"}, {"md5": 0}]),
    ("targets", ("targets", "b", "custom"), [1, "x", []]),
    ("targets", ("delegations",), [[], 1, {}, {"keys": {}}, {"roles": []}]),
    ("targets", ("delegations", "keys"), [None, []]),
    ("targets", ("delegations", "roles"), [None, {}, [None]]),
    ("targets", ("delegations", "roles", 0, "name"), ["", "root", "timestamp", "snapshot", "targets", "hashed"]),
    ("targets", ("delegations", "roles", 0, "name"), [None, 1, "a\x00", "x" * 513]),
    ("targets", ("delegations", "roles", 0, "keyids"), [None, ["a", "a"], [1], "a", {}]),
    ("targets", ("delegations", "roles", 1, "keyids"), [None, ["a", "a"], [1], "a", {}]),
    ("targets", ("delegations", "roles", 0, "threshold"), [0, -1, True, "1", None]),
    ("targets", ("delegations", "roles", 1, "threshold"), [0, -1, True, "1", None]),
    ("targets", ("delegations", "roles", 0, "terminating"), [0, 1, "true", None]),
    ("targets", ("delegations", "roles", 0, "paths"), [None, "a/*", [1], {}]),
    ("targets", ("delegations", "roles", 0, "path_hash_prefixes"), [["0"]]),
    ("targets", ("delegations", "roles", 1, "path_hash_prefixes"), [None, "0", [1], {}, [""], ["A"], ["g"]]),
    ("targets", ("delegations", "roles", 1, "path_hash_prefixes"), [["0" * 65], ["\u0660"], ["0", "0x"]]),
    ("succinct", ("delegations", "roles"), [[]]),
    ("succinct", ("delegations", "succinct_roles"), [None, [], {}]),
    ("succinct", ("delegations", "succinct_roles", "bit_length"), [0, 33, -1, True, "8", None]),
    ("succinct", ("delegations", "succinct_roles", "threshold"), [0, -1, True, "1", None]),
    ("succinct", ("delegations", "succinct_roles", "keyids"), [None, ["a", "a"], [1]]),
    ("succinct", ("delegations", "succinct_roles", "name_prefix"), [None, 1]),
]


@pytest.mark.parametrize(("name", "place", "values"), WRONG)
def test_a19_a20_b02_what_is_wrong_is_refused(name: str, place: tuple[str | int, ...], values: list[Any]) -> None:
    for value in values:
        signed = replaced(EXAMPLES[name][1], place, value)
        with pytest.raises(MalformedError) as caught:
            read(name, signed)
        assert "it" in caught.value.what or caught.value.what == "a role name", value


def test_a20_a_delegation_without_key_ids_is_refused() -> None:
    for position in (0, 1):
        signed = copy.deepcopy(EXAMPLES["targets"][1])
        del signed["delegations"]["roles"][position]["keyids"]
        with pytest.raises(MalformedError, match="keyids"):
            read("targets", signed)


def test_a_root_without_consistent_snapshot_has_none() -> None:
    signed = {key: value for key, value in EXAMPLES["root"][1].items() if key != "consistent_snapshot"}
    root = read("root", signed)
    assert isinstance(root, Root)
    assert root.consistent_snapshot is False


def test_a11_a_length_of_0_is_a_length_and_a_missing_one_is_none() -> None:
    for entry, length in (
        ({"version": 1, "length": 0}, 0),
        ({"version": 1}, None),
        ({"version": 1, "length": None}, None),
    ):
        signed = replaced(EXAMPLES["timestamp"][1], ("meta", "snapshot.json"), entry)
        timestamp = read("timestamp", signed)
        assert isinstance(timestamp, Timestamp)
        assert timestamp.snapshot == MetaFile(version=1, length=length, hashes={})


def test_a_snapshot_tells_what_it_says_about_a_role() -> None:
    snapshot = read("snapshot", EXAMPLES["snapshot"][1])
    assert isinstance(snapshot, Snapshot)
    bins = snapshot.file(RoleName("bins"))
    assert bins is not None
    assert (bins.version, set(bins.hashes)) == (1, {"sha256", "sha512"})
    assert bins.length == EXAMPLES["snapshot"][1]["meta"]["bins.json"]["length"]
    assert snapshot.file(RoleName("bin")) is None
    assert snapshot.file(RoleName("Bins")) is None


def test_the_widest_versions_are_read() -> None:
    for version in (1, 2**63 - 1):
        signed = replaced(EXAMPLES["snapshot"][1], ("meta", "bins.json"), {"version": version})
        snapshot = read("snapshot", signed)
        assert isinstance(snapshot, Snapshot)
        assert snapshot.file(RoleName("bins")) == MetaFile(version=version, length=None, hashes={})


def test_a_target_is_told_with_its_custom_fields() -> None:
    targets = read("targets", EXAMPLES["targets"][1])
    assert isinstance(targets, Targets)
    file = targets.target(TargetPath("b"))
    assert file is not None
    assert (file.length, set(file.hashes), file.custom) == (4, {"sha256"}, {"any": 1})
    assert targets.target(TargetPath("B")) is None


def test_signers_differ_exactly_if_keys_or_threshold_do() -> None:
    repository = Simulator()
    before = Root.read(repository.root.to_dict(), "it")
    again = copy.deepcopy(repository.root.to_dict())
    (keyid,) = again["roles"]["snapshot"]["keyids"]
    again["keys"]["another id"] = again["keys"][keyid]
    again["roles"]["snapshot"]["keyids"] = ["another id", "of no key"]
    assert Root.read(again, "it").signers("snapshot") == before.signers("snapshot")
    again["roles"]["snapshot"]["threshold"] = 2
    assert Root.read(again, "it").signers("snapshot") != before.signers("snapshot")
    repository.rotate("snapshot")
    after = Root.read(repository.root.to_dict(), "it")
    assert after.signers("snapshot") != before.signers("snapshot")
    assert after.signers("timestamp") == before.signers("timestamp")
