"""The conformance suite's families for `refresh`, each judged by python-tuf's client as well."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator import TOP_LEVEL, pretty, signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator import Simulator

    from .bench import Bench
    from .conftest import MakeBench

FIRST = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
ALL_FIRST = dict.fromkeys(TOP_LEVEL, 1)
PAST = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1)


def test_the_first_refresh_asks_for_each_role_once_and_the_next_only_for_what_may_be_new(bench: Bench) -> None:
    first = bench.refresh()
    assert (first.code, first.asked, first.versions) == (0, FIRST, ALL_FIRST)
    assert bench.refresh().asked == FIRST[:2]
    bench.repository.publish_timestamp()
    assert bench.refresh().asked == FIRST[:2]
    bench.repository.publish_snapshot()
    assert bench.refresh().asked == [*FIRST[:2], "2.snapshot.json"]
    bench.repository.publish("targets")
    bench.repository.publish_root()
    newest = bench.refresh()
    assert newest.asked == ["2.root.json", "3.root.json", "timestamp.json", "3.snapshot.json", "2.targets.json"]
    assert newest.versions == {"root": 2, "timestamp": 4, "snapshot": 3, "targets": 2}


def test_without_consistent_snapshots_names_are_plain(make_bench: MakeBench) -> None:
    bench = make_bench(consistent_snapshot=False)
    assert bench.refresh().asked == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]
    bench.repository.publish("targets")
    assert bench.refresh().asked == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]


@pytest.mark.parametrize("meta_hashes", [True, False])
def test_metadata_is_kept_byte_for_byte(make_bench: MakeBench, meta_hashes: bool) -> None:
    bench = make_bench(serialize=lambda value: b" \n" + pretty(value) + b"\n", meta_hashes=meta_hashes)
    outcome = bench.refresh()
    assert outcome.code == 0
    for role in TOP_LEVEL:
        assert outcome.trusted[role] == bench.repository.served[bench.repository.url(bench.repository.file_name(role))]
        assert outcome.trusted[role].startswith(b" \n")


def add_fields(signed: dict[str, Any]) -> None:
    signed["x-custom"] = {"ünicode": ["\u2028", None, True, -1, {"nested": "\\"}]}
    for part in ("meta", "roles", "keys"):
        for entry in signed.get(part, {}).values():
            entry["x-custom"] = "any"


def test_unknown_fields_are_signed_and_kept(bench: Bench) -> None:
    for role in TOP_LEVEL:
        bench.repository.edits[role] = add_fields
    bench.repository.publish_root()
    bench.repository.publish("targets")
    outcome = bench.refresh()
    assert outcome.code == 0
    assert all(b"x-custom" in data for data in outcome.trusted.values())


# One role is not what it should be: the roles before it are trusted, it and those after it are as they were.


def unsign(whole: dict[str, Any]) -> None:
    whole["signatures"] = []


def empty_signature(whole: dict[str, Any]) -> None:
    whole["signatures"][0]["sig"] = ""


def sign_with(number: int) -> Callable[[Simulator, str], None]:
    def spoil(repository: Simulator, role: str) -> None:
        repository.signers[role] = [signer(number)]
        if role == "root":
            repository._last_root_signers = []

    return spoil


def expire(repository: Simulator, role: str) -> None:
    repository.signed(role).expires = PAST


def envelope(change: Callable[[dict[str, Any]], None]) -> Callable[[Simulator, str], None]:
    return lambda repository, role: repository.envelopes.update({role: change})


def edit(**fields: Any) -> Callable[[Simulator, str], None]:
    return lambda repository, role: repository.edits.update({role: lambda signed: signed.update(fields)})


def lower(repository: Simulator, role: str) -> None:
    """Serve version 1 where 3 or more is due."""
    repository.edits[role] = lambda signed: signed.update(version=1)


SPOILED = {
    "unsigned": envelope(unsign),
    "empty signature": envelope(empty_signature),
    "foreign key": sign_with(77),
    "wrong type": edit(_type="mirrors"),
    "rolled back": lower,
    "no version": edit(version=None),
    "other specification": edit(spec_version="2.0.0"),
    "no expiry": edit(expires="tomorrow"),
    "signature twice": envelope(lambda whole: whole["signatures"].append(whole["signatures"][0])),
}


def publish_all(repository: Simulator) -> None:
    repository.publish_root()
    repository.publish("targets")


@pytest.mark.parametrize("role", TOP_LEVEL)
@pytest.mark.parametrize("name", SPOILED)
def test_a_bad_role_ends_the_refresh_and_what_was_verified_before_it_stays(bench: Bench, name: str, role: str) -> None:
    repository = bench.repository
    publish_all(repository)
    assert bench.refresh().code == 0
    honest = dict(repository.signers)
    SPOILED[name](repository, role)
    publish_all(repository)
    failed = bench.refresh()
    good = TOP_LEVEL[: TOP_LEVEL.index(role)]
    assert failed.code == 1
    assert failed.versions == {each: 3 if each in good else 2 for each in TOP_LEVEL}
    repository.edits.clear()
    repository.envelopes.clear()
    repository.signers = honest
    repository._last_root_signers = honest["root"]
    for each in reversed(TOP_LEVEL[1:]):
        repository.write(each)
    repository.write("root")
    assert bench.refresh().versions == dict.fromkeys(TOP_LEVEL, 3)


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_expired_metadata_ends_the_refresh(bench: Bench, role: str) -> None:
    assert bench.refresh().code == 0
    expire(bench.repository, role)
    publish_all(bench.repository)
    failed = bench.refresh(peer=role != "root")  # then the peer asks for the timestamp all the same
    good = TOP_LEVEL[: max(1, TOP_LEVEL.index(role))]  # the last root is kept, and nothing else is asked for
    assert failed.code == 1
    assert failed.versions == {each: 2 if each in good else 1 for each in TOP_LEVEL}
    assert len(failed.asked) == (2 if role == "root" else TOP_LEVEL.index(role) + 2)


def test_an_expired_root_on_the_way_to_a_good_one_does_not_matter(bench: Bench) -> None:
    good = bench.repository.root.expires
    expire(bench.repository, "root")
    bench.repository.publish_root()
    bench.repository.root.expires = good
    bench.repository.publish_root()
    assert bench.refresh().versions == {**ALL_FIRST, "root": 3}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"signed":{},"signatures":[]}', b"\xff", b"[" * 9_999])
@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json"])
def test_garbage_is_refused(bench: Bench, name: str, data: bytes) -> None:
    bench.server.lies[name] = data
    peer = not data.startswith(b"[[")  # there the peer ends with a RecursionError
    assert bench.refresh(peer=peer).code == 1


def test_an_initial_root_that_does_not_verify_lets_no_request_out(bench: Bench) -> None:
    bench.init(bench.repository.initial_root.replace(b"2", b"3"))
    outcome = bench.refresh(peer=False)
    assert (outcome.code, outcome.asked) == (1, [])
    assert list(outcome.trusted) == ["root"]


# What signed metadata says about lengths, hashes and versions


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("field", ["length", "hashes", "version", "missing"])
def test_what_a_role_says_about_another_is_checked(make_bench: MakeBench, role: str, field: str) -> None:
    bench = make_bench(meta_hashes=True)
    assert bench.refresh().code == 0
    by = "timestamp" if role == "snapshot" else "snapshot"

    def change(signed: dict[str, Any]) -> None:
        entry = signed["meta"][f"{role}.json"]
        if field == "missing":
            del signed["meta"][f"{role}.json"]
        elif field == "hashes":
            entry["hashes"]["sha512"] = "0" * 128
        else:
            entry[field] += 1 if field == "version" else -1

    bench.repository.edits[by] = change
    bench.repository.publish("targets")
    outcome = bench.refresh(peer=field != "missing")  # the peer takes a snapshot that names no targets
    assert outcome.code == 1
    assert outcome.versions["targets"] == 1


def test_a_snapshot_in_the_store_counts_as_memory_though_its_hash_is_not_named_any_more(make_bench: MakeBench) -> None:
    bench = make_bench(meta_hashes=True)
    bench.repository.publish("targets")
    assert bench.refresh().code == 0
    bench.repository.targets.version = 1
    bench.repository.write("targets")
    bench.repository.link("targets")
    bench.repository.publish_snapshot()
    outcome = bench.refresh()
    assert (outcome.code, outcome.versions["snapshot"]) == (1, 2)


def test_a_role_that_disappears_from_the_snapshot_is_refused(bench: Bench) -> None:
    bench.repository.delegate("one")
    bench.repository.publish("targets", "one")
    assert bench.refresh().code == 0
    del bench.repository.snapshot.meta["one.json"]
    bench.repository.publish_snapshot()
    assert bench.refresh().versions == {"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2}


def test_a_timestamp_for_an_older_snapshot_is_not_kept(bench: Bench) -> None:
    bench.repository.publish_snapshot()
    assert bench.refresh().code == 0
    bench.repository.edits["timestamp"] = lambda signed: signed["meta"]["snapshot.json"].update(version=1)
    bench.repository.publish_timestamp()
    assert bench.refresh().versions["timestamp"] == 2
    bench.repository.edits.clear()
    bench.repository.publish_timestamp()
    assert bench.refresh().versions["timestamp"] == 4


def test_another_timestamp_of_the_same_version_changes_nothing(bench: Bench) -> None:
    first = bench.refresh()
    bench.repository.edits["timestamp"] = lambda signed: signed.update(custom=1)
    bench.repository.write("timestamp")
    again = bench.refresh()
    assert (again.code, again.trusted) == (0, first.trusted)


# What a server may fail to give


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json", "2.targets.json"])
@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_file_that_is_not_served_is_asked_for_once(bench: Bench, name: str, status: int) -> None:
    assert bench.refresh().code == 0
    bench.repository.publish("targets")
    bench.server.statuses[name] = status
    failed = bench.refresh()
    assert (failed.code, failed.asked[-1], failed.asked.count(name)) == (1, name, 1)
    bench.server.statuses.clear()
    assert bench.refresh().versions == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}


@pytest.mark.parametrize(("status", "code"), [(403, 0), (404, 0), (410, 1), (500, 1), (503, 1)])
def test_only_403_and_404_mean_that_there_is_no_newer_root(bench: Bench, status: int, code: int) -> None:
    bench.server.statuses["2.root.json"] = status
    outcome = bench.refresh()
    assert (outcome.code, outcome.asked) == (code, FIRST[: 4 if code == 0 else 1])


@pytest.mark.parametrize(
    ("name", "length", "code"),
    [
        ("2.root.json", 512_000, 0),
        ("2.root.json", 512_001, 1),
        ("timestamp.json", 16_384, 0),
        ("timestamp.json", 16_385, 1),
    ],
)
def test_what_is_too_long_is_refused(bench: Bench, name: str, length: int, code: int) -> None:
    bench.repository.publish_root()
    bench.server.lies[name] = bench.repository.served[bench.repository.url(name)].ljust(length)
    assert bench.refresh().code == code
