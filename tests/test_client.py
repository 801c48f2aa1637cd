"""The public client: its API, what exactly it asks for, what it keeps, and what it refuses."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from secure_fetch import Client, Repository
from secure_fetch.errors import (
    ConfigurationError,
    ExpiredError,
    HashError,
    LengthError,
    LimitError,
    MalformedError,
    WithheldError,
)

from .clients import INDEX_URL, ROOT_URL, WHEEL, Clock, add_project, client, files_in, index, save
from .quick import clean_environment
from .servers import Server
from .simulator import EXPIRES, NOW, Simulator

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["clean_environment"]

DATA = b"the wheel of flask"


@pytest.fixture
def corp() -> Simulator:
    """Return an index with one project in hash-prefix bins."""
    simulator = index()
    simulator.hash_bins()
    add_project(simulator, "flask", {WHEEL: DATA})
    simulator.publish()
    return simulator


# The API, as the design shows it


def walk_through(repo: Repository, path: Path, clock: Clock, transport: Simulator | None = None) -> None:
    """Do what the example in the documentation does."""
    with Client(repo, cache_dir=path / "cache", transport=transport, clock=clock) as example:
        state = example.refresh()
        assert state.timestamp is not None
        page = example.project("Flask")
        (listed,) = page.files
        target = example.locate(page, WHEEL)
        assert example.find(target.path.text) == target
        assert example.find("packages/nothing.whl") is None
        assert example.find_all([target.path, "packages/nothing.whl"]) == {
            target.path.text: target,
            "packages/nothing.whl": None,
        }
        file = example.download(target, path / "out")
        assert file.path == path / "out" / WHEEL
        assert file.path.read_bytes() == DATA
        assert (file.length, file.hashes, file.vouched_by) == (len(DATA), listed.hashes, "target")
        with example.open(target) as opened:
            assert (opened.file.read(), opened.length, opened.target) == (DATA, len(DATA), target)


def test_the_example_of_the_design(corp: Simulator, tmp_path: Path) -> None:
    repo = Repository(
        name="corp",
        root=corp.initial_root,
        metadata_url=corp.metadata_url,
        targets_url=ROOT_URL,
        index_url=INDEX_URL,
        layout="pep458",
    )
    walk_through(repo, tmp_path, Clock(), corp)


def test_the_example_works_from_a_folder(corp: Simulator, tmp_path: Path) -> None:
    mirror = tmp_path / "mi rror"
    save(corp, mirror)
    walk_through(
        Repository(name="corp", root=corp.initial_root, index_url=f"{mirror.as_uri()}/simple/"), tmp_path, Clock()
    )


def test_the_example_works_over_http(corp: Simulator, tmp_path: Path, clean_environment: None) -> None:
    save(corp, tmp_path / "mirror")
    with Server(tmp_path / "mirror") as server:
        repo = Repository(name="corp", root=corp.initial_root, index_url=server.url + "simple/")
        walk_through(repo, tmp_path, Clock())
    assert "/timestamp.json" in "".join(server.paths)


def test_without_a_state_folder_the_state_is_in_the_cache_folder_apart_from_files(
    corp: Simulator, tmp_path: Path
) -> None:
    """A repository called "state" or "files" must not put its files where another one's memory is."""
    for name in ("state", "files", "v1"):
        repo = Repository(name=name, root=corp.initial_root, metadata_url=corp.metadata_url, targets_url=ROOT_URL)
        with Client(repo, cache_dir=tmp_path, transport=corp, clock=Clock()) as one:
            target = one.find(add_project(index(), "flask", {WHEEL: DATA})[WHEEL])
            assert target is not None
            one.download(target, tmp_path / "out")
            assert not one.store.folder.is_relative_to(tmp_path / name)


def test_the_chain_says_who_signed_what_for_whom(corp: Simulator, tmp_path: Path) -> None:
    path = add_project(index(), "flask", {WHEEL: DATA})[WHEEL]
    with client(corp, tmp_path) as one:
        target = one.find(path)
    assert target is not None
    chain = target.chain
    bin_name = corp.role_for(path)
    assert [link.role for link in chain] == ["root", "timestamp", "snapshot", "targets", bin_name]
    assert [link.delegator for link in chain] == ["root", "root", "root", "root", "targets"]
    assert all((link.threshold, link.keys, link.expires) == (1, 1, EXPIRES) for link in chain)
    assert chain[0].signed_by == (corp.signers["root"][0].public_key.keyid,)
    assert chain[-1].version == corp.roles[bin_name].version


def test_the_state_is_refreshed_on_first_use_and_only_then(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        assert corp.requests == []
        first = one.state
        assert first.now == NOW
        assert one.state is first


def test_without_a_clock_it_is_now(corp: Simulator, tmp_path: Path) -> None:
    repo = Repository(name="corp", root=corp.initial_root, metadata_url=corp.metadata_url, targets_url=ROOT_URL)
    with Client(repo, cache_dir=tmp_path, transport=corp) as one:
        began = datetime.now(timezone.utc).replace(microsecond=0)
        assert began <= one.refresh().now <= datetime.now(timezone.utc)


def test_leaving_the_block_closes_the_connections(corp: Simulator, tmp_path: Path) -> None:
    closed = []
    corp.close = lambda: closed.append(True)  # type: ignore[method-assign]
    with client(corp, tmp_path):
        assert not closed
    assert closed == [True]


def test_a_clock_in_another_zone_is_the_same_time(corp: Simulator, tmp_path: Path) -> None:
    east = Clock(NOW.astimezone(timezone(timedelta(hours=9))))
    with client(corp, tmp_path, clock=east) as one:
        assert one.refresh().now == NOW
    corp.timestamp.expires = NOW - timedelta(hours=1)
    corp.publish_timestamp()
    with (
        client(corp, tmp_path, clock=east) as one,
        pytest.raises(ExpiredError, match="it is now 2030-01-01 00:00:00 UTC"),
    ):
        one.refresh()


# Hostile names, TRAPS D1 to D4


@pytest.mark.parametrize("path", ["", "..", "/x", "a/../b", "a//b", "a\\b", "a\0b", "x" * 5000, "a/./b", "\ud800"])
def test_a_hostile_path_is_refused_before_anything_is_asked_for_d1(path: str, tmp_path: Path) -> None:
    simulator = Simulator()
    with client(simulator, tmp_path) as one, pytest.raises(MalformedError):
        one.find(path)
    assert simulator.requests == []


HOSTILE = [
    "packages/..whl",
    "packages/.hidden",
    "packages/CON",
    "packages/nul.whl",
    "packages/x.whl.",
    "packages/x.whl ",
    "packages/%2e%2e",
    "packages/..%2f..%2fx",
    "packages/a?b#c",
    "packages/C:x",
    "packages/X.whl",
    "packages/x.whl",
    "packages/\u00e9\u202e.whl",
    "packages/-rf",
    "packages/~",
    "packages/" + "x" * 300,
    "packages/" + "x" * 301,
]


def test_hostile_names_stay_in_their_folder_and_apart_d1(tmp_path: Path) -> None:
    simulator = index()
    for path in HOSTILE:
        simulator.add_target(path, path.encode())
    simulator.publish()
    (tmp_path / "inside").mkdir()
    with client(simulator, tmp_path / "inside", hash_prefix_targets=True) as one:
        targets = one.find_all(HOSTILE)
        files = {}
        for path, target in targets.items():
            assert target is not None
            files[path] = one.download(target, tmp_path / "out").path
            assert files[path].read_bytes() == path.encode()
    assert {path.parent for path in files.values()} == {tmp_path / "out"}
    assert len({path.name.casefold() for path in files.values()}) == len(HOSTILE) - 1  # X.whl is x.whl's neighbour
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "out"]


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "", ".", "..", "a b", "x" * 65, "a\n", "~"])
def test_a_repository_name_is_no_path_d4(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a name"):
        Repository(name=name, root=b"{}", index_url=INDEX_URL)


def test_repositories_that_differ_in_case_share_nothing_d4(corp: Simulator, tmp_path: Path) -> None:
    upper, lower = client(corp, tmp_path, name="Corp"), client(corp, tmp_path, name="corp")
    assert upper.store.folder.as_posix().casefold() != lower.store.folder.as_posix().casefold()


# Files


def test_a_file_that_is_longer_than_signed_stops_at_the_first_byte_too_many(corp: Simulator, tmp_path: Path) -> None:
    path = add_project(index(), "flask", {WHEEL: DATA})[WHEEL]
    for change in (lambda data: data + b"!", lambda data: data[:-1], lambda data: b"T" + data[1:]):
        corp.tamper(ROOT_URL + path, change)
        with client(corp, tmp_path) as one:
            target = one.find(path)
            assert target is not None
            with pytest.raises((LimitError, LengthError, HashError)) as caught:
                one.download(target, tmp_path / "out")
        assert caught.value.source is not None
        assert caught.value.source.startswith(ROOT_URL)
    assert not (tmp_path / "out").exists()
    assert files_in(tmp_path / "cache") == []


def test_a_withheld_file_is_not_not_found(corp: Simulator, tmp_path: Path) -> None:
    path = add_project(index(), "flask", {WHEEL: DATA})[WHEEL]
    corp.withhold(ROOT_URL + path)
    with client(corp, tmp_path) as one:
        target = one.find(path)
        assert target is not None
        with pytest.raises(WithheldError) as caught:
            one.download(target, tmp_path / "out")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("hashed", [True, False])
def test_hash_prefix_targets_says_where_files_lie(hashed: bool, tmp_path: Path) -> None:
    simulator = index(hash_named_targets=hashed)
    simulator.add_target("files/x.whl", DATA)
    simulator.publish()
    with client(simulator, tmp_path, hash_prefix_targets=hashed) as one:
        target = one.find("files/x.whl")
        assert target is not None
        one.download(target, tmp_path / "out")
    assert simulator.asked[-1] == simulator.target_url("files/x.whl", target.hashes["sha256"] if hashed else None)


def test_the_next_targets_url_is_tried_when_one_fails_or_lies_e7(corp: Simulator, tmp_path: Path) -> None:
    path = add_project(index(), "flask", {WHEEL: DATA})[WHEEL]
    bad, absent = "https://bad.example/", "https://absent.example/"
    corp.served[bad + path] = DATA[::-1]
    with client(corp, tmp_path, targets_url=(absent, bad, ROOT_URL)) as one:
        target = one.find(path)
        assert target is not None
        corp.requests.clear()
        one.download(target, tmp_path / "out")
        assert [url for url in corp.asked if url.endswith(path)] == [absent + path, bad + path, ROOT_URL + path]
    with client(corp, tmp_path / "new", targets_url=(absent, bad)) as one, pytest.raises(HashError) as caught:
        one.download(target, tmp_path / "out2")
    assert caught.value.source == f"{bad}{path}"


# Many threads


def test_one_client_serves_many_threads(tmp_path: Path) -> None:
    simulator = index()
    simulator.hash_bins()
    paths = [f"packages/{number}.whl" for number in range(60)]
    for path in paths:
        simulator.add_target(path, path.encode())
    simulator.publish()
    start = threading.Barrier(16)

    def work(number: int) -> set[bytes]:
        start.wait()
        found = one.find_all(paths[number : number + 40])
        read = set()
        for target in list(found.values())[:10]:
            assert target is not None
            with one.open(target) as opened:
                read.add(opened.file.read())
        return read

    with client(simulator, tmp_path, hash_prefix_targets=True) as one, ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(16)))
    assert all(results[number] == {path.encode() for path in paths[number : number + 10]} for number in range(16))
    assert sorted(set(simulator.asked)) == sorted(simulator.asked), "something was fetched twice"
