"""The conformance suite's families for `download`, each judged by python-tuf's client as well."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator import signer

from .entry import LONGEST, artifact_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator import Simulator

    from .bench import Bench
    from .conftest import MakeBench

DATA = b"some bytes"
PAST = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1)


def hashed(path: str, data: bytes = DATA) -> str:
    """Return what is asked for a target where snapshots are consistent."""
    folder, slash, name = path.rpartition("/")
    return f"/targets/{folder}{slash}{hashlib.sha256(data).hexdigest()}.{name}"


def asked_after(asked: list[str], name: str) -> list[str]:
    return asked[asked.index(name) + 1 :]


# Artifacts

PATHS = [
    "file",
    "a/b/c.txt",
    "two words",
    "%41%2f",
    "a+b&c=d;e,f@g:h!$'()*~",
    "é/ü",
    ".hidden",
    "a..b",
    "x?y#z",
    "[ab]",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("consistent", [True, False])
def test_an_artifact_has_its_hash_in_its_name_where_snapshots_are_consistent(
    make_bench: MakeBench, path: str, consistent: bool
) -> None:
    bench = make_bench(consistent_snapshot=consistent, hash_named_targets=consistent)
    bench.repository.add_target(path, DATA)
    bench.repository.publish()
    sendable = not set(path) & set("%?#")  # the peer does not quote what it asks for
    outcome = bench.download(path, peer=sendable)
    assert outcome.code == 0
    assert outcome.asked[4:] == [hashed(path) if consistent else f"/targets/{path}"]
    assert outcome.artifacts == {artifact_name(path): DATA}


def test_a_name_too_long_for_a_file_is_shortened_and_stays_its_own(bench: Bench) -> None:
    paths = [f"{'ü/' * 60}{last}" for last in "ab"]
    for path in paths:
        bench.repository.add_target(path, path.encode())
    bench.repository.publish()
    outcome = bench.download(*paths, peer=False)
    assert outcome.code == 0
    assert sorted(outcome.artifacts.values()) == [path.encode() for path in paths]
    assert all(len(name) <= LONGEST for name in outcome.artifacts)


def test_what_is_there_and_right_is_not_downloaded_again(bench: Bench) -> None:
    bench.repository.add_target("a/x", DATA)
    bench.repository.publish()
    assert bench.download("a/x").asked[-1] == hashed("a/x")
    assert bench.download("a/x").asked == ["2.root.json", "timestamp.json"]
    bench.repository.publish("targets")
    assert bench.download("a/x").asked == ["2.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json"]


def test_another_content_takes_the_place_of_the_old_one(bench: Bench) -> None:
    bench.repository.add_target("a/x", DATA)
    bench.repository.publish()
    bench.download("a/x")
    bench.repository.add_target("a/x", b"other")
    bench.repository.publish()
    assert bench.download("a/x").artifacts == {"a%2Fx": b"other"}


@pytest.mark.parametrize("there", [None, b"", b"some bytez", b"some bytes and more"])
def test_what_is_there_and_wrong_is_downloaded_again(bench: Bench, there: bytes | None) -> None:
    bench.repository.add_target("x", DATA)
    bench.repository.publish()
    bench.download("x")
    for folder in (bench.targets, bench.peer_targets):
        (folder / "x").unlink() if there is None else (folder / "x").write_bytes(there)
    again = bench.download("x")
    assert (again.asked[2:], again.artifacts) == ([hashed("x")], {"x": DATA})


def test_what_somebody_else_put_there_counts_if_it_is_right(bench: Bench) -> None:
    bench.repository.add_target("x", DATA)
    bench.repository.publish()
    for folder in (bench.targets, bench.peer_targets):
        folder.mkdir(exist_ok=True)
        (folder / "x").write_bytes(DATA)
    assert bench.download("x").asked[-1] == "2.targets.json"


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize("served", [b"some bytez", b"some byte", b"some bytes and more", b"", None])
def test_wrong_bytes_leave_nothing_behind(make_bench: MakeBench, consistent: bool, served: bytes | None) -> None:
    bench = make_bench(consistent_snapshot=consistent, hash_named_targets=consistent)
    bench.repository.add_target("good", DATA)
    bench.repository.add_target("bad", DATA)
    bench.repository.publish()
    name = hashed("bad") if consistent else "/targets/bad"
    if served is None:
        bench.server.statuses[name] = 404
    else:
        bench.server.lies[name] = served
    outcome = bench.download("good", "bad", "good", peer=False)  # which does not refresh again (TRAPS A16, A17)
    assert (outcome.code, outcome.artifacts) == (1, {"good": DATA})
    good = hashed("good") if consistent else "/targets/good"
    assert [path for path in outcome.asked if path.startswith("/targets/")] == [good, name]
    bench.server.statuses.clear()
    bench.server.lies.clear()
    assert bench.download("bad", peer=False).code == 0


def test_several_names_are_taken_in_order_and_the_first_failure_ends_them(bench: Bench) -> None:
    for name in ("a/x", "b/x", "c/x"):
        bench.repository.add_target(name, name.encode())
    bench.repository.publish()
    outcome = bench.download("b/x", "a/x", "missing", "c/x")
    assert outcome.code == 1
    assert outcome.asked[4:] == [hashed(name, name.encode()) for name in ("b/x", "a/x")]
    assert outcome.artifacts == {"a%2Fx": b"a/x", "b%2Fx": b"b/x"}


@pytest.mark.parametrize("name", ["missing", "", "/x", "../x", "x/../x", "x/", "\\x", "a\nb"])
def test_a_name_that_is_no_target_costs_a_refresh_and_no_more(bench: Bench, name: str) -> None:
    bench.repository.add_target("x", DATA)
    bench.repository.publish()
    outcome = bench.download(name, peer=False)
    assert (outcome.code, outcome.artifacts) == (1, {})
    assert outcome.asked == ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"]


def test_every_known_hash_has_to_match(bench: Bench) -> None:
    bench.repository.add_target("x", DATA, algorithms=("sha256", "sha512"))
    bench.repository.publish()
    assert bench.download("x").code == 0
    bench.repository.targets.targets["x"].hashes["sha512"] = "0" * 128
    bench.repository.publish("targets")
    assert bench.download("x", peer=False).code == 1


def test_a_hash_that_nobody_knows_makes_only_its_own_file_unusable(bench: Bench) -> None:
    for name in ("unknown", "known"):
        bench.repository.add_target(name, DATA)
    bench.repository.targets.targets["unknown"].hashes = {"sha1337": "00"}
    bench.repository.publish()
    assert bench.refresh().code == 0
    assert bench.download("known").code == 0
    assert bench.download("unknown", peer=False).code == 1
    assert bench.download("known", "unknown", peer=False).artifacts == {"known": DATA}


# Delegations


def tree(repository: Simulator) -> None:
    """Two levels: a → c, d and b → e, all for everything; only e has the file."""
    for name, by in (("a", "targets"), ("b", "targets"), ("c", "a"), ("d", "a"), ("e", "b")):
        repository.delegate(name, by=by, paths=["*", "*/*"])
    repository.add_target("x", DATA, role="e")
    repository.publish()


def test_roles_are_visited_depth_first_and_each_is_kept(bench: Bench) -> None:
    tree(bench.repository)
    outcome = bench.download("x")
    assert asked_after(outcome.asked, "2.targets.json") == [
        *(f"1.{name}.json" for name in ("a", "c", "d", "b", "e")),
        hashed("x"),
    ]
    assert set(outcome.trusted) == {"root", "timestamp", "snapshot", "targets", "a", "b", "c", "d", "e"}
    assert bench.download("x").asked == ["2.root.json", "timestamp.json"]
    bench.repository.publish("d")
    assert bench.refresh().versions["d"] == 1
    again = bench.download("missing")
    assert (again.code, again.asked[2:], again.versions["d"]) == (1, ["2.d.json"], 2)


def test_a_terminating_role_ends_the_search(bench: Bench) -> None:
    tree(bench.repository)
    delegations = bench.repository.targets.delegations
    assert delegations is not None
    assert delegations.roles is not None
    delegations.roles["a"].terminating = True
    bench.repository.publish()
    outcome = bench.download("x")
    assert outcome.code == 1
    assert asked_after(outcome.asked, "3.targets.json") == ["1.a.json", "1.c.json", "1.d.json"]


def test_cycles_and_diamonds_end(bench: Bench) -> None:
    for name, by in (("a", "targets"), ("b", "a"), ("a", "b"), ("b", "targets"), ("b", "b")):
        bench.repository.delegate(name, by=by)
    bench.repository.publish()
    outcome = bench.download("x")
    assert (outcome.code, asked_after(outcome.asked, "2.targets.json")) == (1, ["1.a.json", "1.b.json"])


@pytest.mark.parametrize(
    ("patterns", "path", "matches"),
    [
        (["*.txt"], "a.txt", True),
        (["*.txt"], "a/a.txt", False),
        (["a/*"], "a/b", True),
        (["a/*"], "a/b/c", False),
        (["a?c"], "abc", True),
        (["a?c"], "a/c", False),
        (["A"], "a", False),
        (["a", "b"], "b", True),
        ([], "a", False),
    ],
)
def test_a_role_speaks_for_its_paths_alone(bench: Bench, patterns: list[str], path: str, matches: bool) -> None:
    bench.repository.delegate("role", paths=patterns)
    bench.repository.add_target(path, DATA, role="role")
    bench.repository.publish()
    assert bench.download(path).code == (0 if matches else 1)


ROLES = [
    "?",
    "#",
    "/delegatedrole",
    "../delegatedrole",
    "a b",
    "é",
    "%2e%2e",
    "1.root",
    "CON",
    "store",
    ".",
    "a\"b'c<>&",
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("consistent", [True, False])
def test_role_names_are_quoted_whole(make_bench: MakeBench, role: str, consistent: bool) -> None:
    bench = make_bench(consistent_snapshot=consistent, hash_named_targets=consistent)
    bench.repository.delegate(role)
    bench.repository.add_target("x", DATA, role=role)
    bench.repository.publish()
    outcome = bench.download("x")
    assert outcome.code == 0
    assert outcome.asked[4] == ("1." if consistent else "") + f"{role}.json"
    assert sorted(path.name for path in bench.folder.iterdir()) == ["initial.json", "ours", "peer"]


@pytest.mark.parametrize("bins", ["succinct", "hash prefixes"])
def test_bins(bench: Bench, bins: str) -> None:
    make = bench.repository.succinct_bins if bins == "succinct" else bench.repository.hash_bins
    make()
    names = {bench.repository.add_target(f"file{number}", DATA) for number in range(4)}
    bench.repository.publish()
    outcome = bench.download(*(f"file{number}" for number in range(4)))
    assert outcome.code == 0
    assert set(outcome.trusted) == {"root", "timestamp", "snapshot", "targets"} | names


# A delegated role obeys the same rules as all others


def expire(repository: Simulator) -> None:
    repository.roles["role"].expires = PAST


def sign_with_foreign_key(repository: Simulator) -> None:
    repository.signers["role"] = [signer(77)]


def sign_twice(repository: Simulator) -> None:
    repository.envelopes["role"] = lambda whole: whole["signatures"].append(whole["signatures"][0])


def wrong_version(repository: Simulator) -> None:
    repository.edits["role"] = lambda signed: signed.update(version=1)


def wrong_type(repository: Simulator) -> None:
    repository.edits["role"] = lambda signed: signed.update(_type="role")


def wrong_hash(repository: Simulator) -> None:
    def edit(signed: dict[str, Any]) -> None:
        signed["meta"]["role.json"]["hashes"]["sha256"] = "0" * 64

    repository.edits["snapshot"] = edit


def higher_threshold(repository: Simulator) -> None:
    delegations = repository.targets.delegations
    assert delegations is not None
    assert delegations.roles is not None
    delegations.roles["role"].threshold = 2


@pytest.mark.parametrize(
    "spoil", [expire, sign_with_foreign_key, sign_twice, wrong_version, wrong_type, wrong_hash, higher_threshold]
)
def test_a_bad_delegated_role_ends_the_download(make_bench: MakeBench, spoil: Callable[[Simulator], None]) -> None:
    bench = make_bench(meta_hashes=True)
    repository = bench.repository
    repository.delegate("role")
    repository.add_target("x", DATA, role="role")
    repository.publish()
    assert bench.download("x").code == 0
    repository.add_target("x", b"new", role="role")
    spoil(repository)
    repository.publish("role", "targets")
    outcome = bench.download("x")
    assert (outcome.code, outcome.versions["role"], outcome.artifacts) == (1, 1, {"x": DATA})
    assert outcome.versions["targets"] == 3


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_delegated_role_that_is_withheld_ends_the_download(bench: Bench, status: int) -> None:
    bench.repository.delegate("role")
    bench.repository.publish()
    bench.server.statuses["1.role.json"] = status
    outcome = bench.download("x", peer=False)  # which does not refresh again (TRAPS A17)
    again = ["2.root.json", "timestamp.json"] if status != 500 else []
    assert (outcome.code, outcome.asked[4:]) == (1, ["1.role.json", *again])
    assert set(outcome.trusted) == {"root", "timestamp", "snapshot", "targets"}


def test_a_delegated_role_that_no_snapshot_names_ends_the_download(bench: Bench) -> None:
    bench.repository.delegate("role")
    bench.repository.edits["snapshot"] = lambda signed: signed["meta"].pop("role.json")
    bench.repository.publish()
    outcome = bench.download("x")
    assert (outcome.code, len(outcome.asked)) == (1, 4)


def test_a_file_that_another_role_still_names_is_not_reached_past_a_bad_one(bench: Bench) -> None:
    for name in ("bad", "good"):
        bench.repository.delegate(name)
        bench.repository.add_target("x", DATA, role=name)
    bench.repository.signers["bad"] = [signer(77)]
    bench.repository.publish()
    outcome = bench.download("x")
    assert (outcome.code, outcome.asked[-1]) == (1, "1.bad.json")
