"""The conformance suite's families about roots, keys and thresholds, each judged by python-tuf's client as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from securesystemslib.signer import CryptoSigner

from tests.simulator import TOP_LEVEL, signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import Bench

ALL_FIRST = dict.fromkeys(TOP_LEVEL, 1)
FAR = 99_999


def test_roots_are_walked_one_by_one_each_signed_by_the_one_before(bench: Bench) -> None:
    for _ in range(3):
        bench.repository.rotate("root")
    outcome = bench.refresh()
    assert outcome.asked[:4] == ["2.root.json", "3.root.json", "4.root.json", "5.root.json"]
    assert outcome.versions == {**ALL_FIRST, "root": 4}


@pytest.mark.parametrize("served_as", [2, 3])
def test_a_root_under_another_version_is_refused(bench: Bench, served_as: int) -> None:
    repository = bench.repository
    repository.publish_root()
    repository.publish_root()
    other = {2: repository.initial_root, 3: repository.served[repository.url("2.root.json")]}[served_as]
    bench.server.lies[f"{served_as}.root.json"] = other
    outcome = bench.refresh()
    assert (outcome.code, outcome.versions) == (1, {"root": served_as - 1})


@pytest.mark.parametrize("missing", ["the old keys", "the new keys", "one of two new keys"])
def test_a_root_needs_both_thresholds(bench: Bench, missing: str) -> None:
    repository = bench.repository
    new = [repository.fresh_signer(), repository.fresh_signer()]

    def drop(whole: dict[str, Any]) -> None:
        del whole["signatures"][{"the old keys": slice(2, 3), "the new keys": slice(2)}.get(missing, slice(1))]

    repository.envelopes["root"] = drop
    repository.rotate("root", new, threshold=2)
    outcome = bench.refresh()
    assert (outcome.code, outcome.versions) == (1, {"root": 1})


@pytest.mark.parametrize("role", TOP_LEVEL[1:])
def test_rotated_keys_are_needed_at_once(bench: Bench, role: str) -> None:
    """Nobody deletes what the old keys signed: D tells what was trusted last (see entry.py)."""
    assert bench.refresh().code == 0
    old = bench.repository.signers[role]
    bench.repository.rotate(role)
    fresh, bench.repository.signers[role] = bench.repository.signers[role], old
    bench.repository.publish("targets")
    failed = bench.refresh()
    assert failed.code == 1
    assert failed.versions == {name: 2 if TOP_LEVEL.index(name) < TOP_LEVEL.index(role) else 1 for name in TOP_LEVEL}
    bench.repository.signers[role] = fresh
    bench.repository.publish("targets")
    assert bench.refresh().versions == {"root": 2, "timestamp": 3, "snapshot": 3, "targets": 3}


@pytest.mark.parametrize("roles", [["timestamp"], ["timestamp", "snapshot"]])
def test_new_keys_recover_from_a_fast_forward(bench: Bench, roles: list[str]) -> None:
    repository = bench.repository
    assert bench.refresh().code == 0
    repository.timestamp.version = FAR
    if "snapshot" in roles:
        repository.snapshot.version = FAR
    repository.publish_snapshot()
    assert bench.refresh().versions["timestamp"] == FAR + 1
    repository.timestamp.version = 1
    if "snapshot" in roles:
        repository.snapshot.version = 1
    repository.publish_snapshot()
    assert bench.refresh().code == 1
    for role in roles:
        repository.rotate(role)
    repository.publish_snapshot()
    recovered = bench.refresh()
    assert recovered.code == 0
    assert recovered.versions["timestamp"] == repository.timestamp.version == 3
    assert recovered.versions["snapshot"] == repository.snapshot.version


def test_new_keys_of_the_snapshot_alone_recover_from_a_fast_forward(bench: Bench) -> None:
    """The peer re-verifies only, and stays stuck on the old timestamp's snapshot version (TRAPS A9)."""
    repository = bench.repository
    repository.snapshot.version = FAR
    repository.publish_snapshot()
    assert bench.refresh(peer=False).versions["snapshot"] == FAR + 1
    repository.rotate("snapshot")
    repository.snapshot.version = 1
    repository.publish_snapshot()
    assert bench.refresh(peer=False).versions["snapshot"] == 2


@pytest.mark.parametrize("role", TOP_LEVEL)
@pytest.mark.parametrize(("signed", "code"), [(1, 1), (2, 0), (3, 0)])
def test_a_threshold_counts_keys(bench: Bench, role: str, signed: int, code: int) -> None:
    keys = [signer(number) for number in (70, 71, 72)]
    if role == "root":
        bench.repository.envelopes["root"] = lambda whole: whole["signatures"].__delitem__(slice(signed, 3))
    bench.repository.rotate(role, keys, threshold=2)
    bench.repository.signers[role] = keys[:signed]
    bench.repository.publish("targets")
    assert bench.refresh().code == code


def key_ids(change: Callable[[str, int], str]) -> Callable[[dict[str, Any]], None]:
    """Return an edit of a root that gives every key other ids, `change(id, 0)` and `change(id, 1)`."""

    def edit(signed: dict[str, Any]) -> None:
        signed["keys"] = {change(keyid, n): key for keyid, key in signed["keys"].items() for n in (0, 1)}
        for role in signed["roles"].values():
            role["keyids"] = list(dict.fromkeys(change(keyid, n) for keyid in role["keyids"] for n in (0, 1)))

    return edit


def test_a_key_id_need_not_be_the_hash_of_its_key(bench: Bench) -> None:
    """As in old roots of large public deployments."""
    rename = key_ids(lambda keyid, _: f"key {keyid[:6]} é")

    def renamed(whole: dict[str, Any]) -> None:
        for signature in whole["signatures"]:
            signature["keyid"] = f"key {signature['keyid'][:6]} é"

    bench.repository.edits["root"] = rename
    bench.repository.envelopes.update(dict.fromkeys(TOP_LEVEL[1:], renamed))
    bench.repository.envelopes["root"] = lambda whole: whole["signatures"].append(
        {"keyid": f"key {whole['signatures'][0]['keyid'][:6]} é", "sig": whole["signatures"][0]["sig"]}
    )
    bench.repository.publish_root()
    bench.repository.publish("targets")
    assert bench.refresh().code == 0


def test_one_key_under_two_ids_counts_once(bench: Bench) -> None:
    """The peer counts it twice."""
    add = key_ids(lambda keyid, number: keyid if number == 0 else f"again {keyid}")

    def edit(signed: dict[str, Any]) -> None:
        add(signed)
        signed["roles"]["timestamp"]["threshold"] = 2

    def sign_twice(whole: dict[str, Any]) -> None:
        first = whole["signatures"][0]
        whole["signatures"].append({**first, "keyid": f"again {first['keyid']}"})

    bench.repository.edits["root"] = edit
    bench.repository.envelopes["timestamp"] = sign_twice
    bench.repository.publish_root()
    bench.repository.publish_timestamp()
    outcome = bench.refresh(peer=False)
    assert (outcome.code, outcome.versions) == (1, {"root": 2})


@pytest.mark.parametrize(
    "make",
    [
        CryptoSigner.generate_ed25519,
        CryptoSigner.generate_ecdsa,
        *(
            lambda scheme=f"{kind}-{size}": CryptoSigner.generate_rsa(scheme=scheme, size=2048)
            for kind in ("rsassa-pss", "rsa-pkcs1v15")
            for size in ("sha256", "sha512")
        ),
    ],
)
def test_key_types(bench: Bench, make: Callable[[], CryptoSigner]) -> None:
    one = make()
    for role in TOP_LEVEL:
        bench.repository.rotate(role, [one])
    bench.repository.publish("targets")
    assert bench.refresh().code == 0
    assert f'"{one.public_key.scheme}"'.encode() in bench.refresh().trusted["root"]


def test_the_older_spelling_of_ecdsa(bench: Bench) -> None:
    one = CryptoSigner.generate_ecdsa()

    def respell(signed: dict[str, Any]) -> None:
        signed["keys"][one.public_key.keyid]["keytype"] = "ecdsa-sha2-nistp256"

    bench.repository.edits["root"] = respell
    bench.repository.rotate("timestamp", [one])
    bench.repository.publish_timestamp()
    assert bench.refresh(peer=False).code == 0  # the peer warns of it


def test_a_key_of_an_unknown_kind_beside_a_good_one_does_not_matter(bench: Bench) -> None:
    def add(signed: dict[str, Any]) -> None:
        signed["keys"]["odd"] = {"keytype": "odd", "scheme": "odder", "keyval": {"public": "?"}}
        signed["roles"]["timestamp"]["keyids"].insert(0, "odd")

    bench.repository.edits["root"] = add
    bench.repository.envelopes["timestamp"] = lambda whole: whole["signatures"].insert(0, {"keyid": "odd", "sig": "ff"})
    bench.repository.publish_root()
    bench.repository.publish_timestamp()
    assert bench.refresh(peer=False).code == 0  # the peer refuses the whole root
