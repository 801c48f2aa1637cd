"""Many lookups at once, of one thread and of many: what they share, and how they end together."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import (
    SignatureError,
    TransportError,
)

from .clients import Mirrors, client, index

if TYPE_CHECKING:
    from pathlib import Path

    from secure_fetch import Client, RoleName
    from secure_fetch.trust import Stored

    from .simulator import Simulator

A, B = "https://a.example/m/", "https://b.example/m/"
DOWN = TransportError(A, "HTTP 500", status=500)


@pytest.fixture
def corp() -> Simulator:
    simulator = index()
    simulator.hash_bins()
    for number in range(40):
        simulator.add_target(f"packages/{number}.whl", b"%d" % number)
    simulator.publish()
    return simulator


def mirrored(mirrors: Mirrors, folder: Path, *urls: str) -> Client:
    return client(mirrors.simulator, folder, transport=mirrors, metadata_url=urls or mirrors.bases)


def test_lookups_share_what_they_fetch(tmp_path: Path) -> None:
    """Two levels of delegation, as PEP 458 has them: the role above the bins is fetched once, then each bin once."""
    simulator = index()
    simulator.delegate("bins", paths=["packages/*"])
    simulator.hash_bins(by="bins")
    paths = [f"packages/{number}.whl" for number in range(40)]
    for path in paths:
        simulator.add_target(path, path.encode())
    simulator.publish()
    in_one_bin = [path for path in paths if simulator.role_for(path) == simulator.role_for(paths[0])]
    with client(simulator, tmp_path) as one:
        one.refresh()
        simulator.requests.clear()
        found = one.find_all(in_one_bin * 5)
        assert len(in_one_bin) * 5 >= 10
        assert all(found.values())
        assert simulator.asked == [simulator.file_name("bins"), simulator.file_name(simulator.role_for(paths[0]))]
        assert all(one.find_all(paths).values())
        assert len(set(simulator.asked)) == len(simulator.asked) == 1 + len({*map(simulator.role_for, paths)})
        assert one.find_all([]) == {}


def test_lookups_of_many_threads_share_what_they_fetch(corp: Simulator, tmp_path: Path) -> None:
    path = "packages/0.whl"
    name = corp.file_name(corp.role_for(path))
    start, go = threading.Barrier(16), threading.Event()

    def look_up(number: int) -> bool:
        start.wait()
        return one.find(path) is not None

    def before(url: str) -> None:
        if url.endswith(name):
            go.wait(10)

    with client(corp, tmp_path) as one, ThreadPoolExecutor(16) as pool:
        one.refresh()
        corp.requests.clear()
        corp.before = before
        answers = [pool.submit(look_up, number) for number in range(16)]
        time.sleep(0.05)  # so that the others come to wait for the first one
        go.set()
        assert all(answer.result(10) for answer in answers)
    assert corp.asked == [name]


def test_what_was_verified_between_looking_for_it_and_fetching_it_is_not_fetched(
    corp: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "packages/0.whl"
    looked, found = threading.Event(), threading.Event()
    with client(corp, tmp_path) as one, ThreadPoolExecutor(1) as pool:
        one.refresh()
        real = one.store.load

        def load(role: RoleName, version: int | None = None) -> tuple[Stored, ...]:
            stored = real(role, version)
            if not looked.is_set():
                looked.set()
                found.wait(10)
            return stored

        monkeypatch.setattr(one.store, "load", load)
        corp.requests.clear()
        slow = pool.submit(one.find, path)
        looked.wait(10)
        assert one.find(path) is not None
        found.set()
        assert slow.result(10) is not None
    assert len(corp.asked) == 1


def test_a_refresh_is_not_begun_anew_for_what_other_threads_look_up_a6(
    corp: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "packages/0.whl"
    name = corp.file_name(corp.role_for(path))
    asked, go = threading.Event(), threading.Event()
    with client(corp, tmp_path) as one, ThreadPoolExecutor(1) as pool:
        one.refresh()
        corp.requests.clear()

        def before(url: str) -> None:
            if url.endswith(name):
                asked.set()
                go.wait(10)

        real = one.store.load

        def load(role: RoleName, version: int | None = None) -> tuple[Stored, ...]:
            if role.text == "timestamp":
                go.set()
                assert slow.result(10) is not None
            return real(role, version)

        monkeypatch.setattr(one.store, "load", load)
        corp.before = before
        slow = pool.submit(one.find, path)
        asked.wait(10)
        one.refresh()
    assert corp.asked == [name, "2.root.json", "timestamp.json"]


def test_threads_that_wait_for_a_fetch_that_fails_try_for_themselves_at_once(corp: Simulator, tmp_path: Path) -> None:
    """A server that does not answer keeps nobody waiting for each of the others in turn."""
    path = "packages/0.whl"
    name = corp.file_name(corp.role_for(path))
    start = threading.Barrier(16)

    def look_up(number: int) -> str:
        start.wait()
        try:
            one.find(path)
        except TransportError:
            return "failed"
        return "found"

    def before(url: str) -> None:
        if url.endswith(name):
            time.sleep(0.2)
            raise DOWN

    with client(corp, tmp_path) as one, ThreadPoolExecutor(16) as pool:
        one.refresh()
        corp.requests.clear()
        corp.before = before
        began = time.monotonic()
        assert set(pool.map(look_up, range(16))) == {"failed"}
        assert time.monotonic() - began < 3  # one after the other it would be 3.2 seconds
        corp.before = None
        assert one.find(path) is not None


def test_threads_come_through_with_a_mirror_that_lies(corp: Simulator, tmp_path: Path) -> None:
    """A thread that tries the next mirror is not sent back to the first one by the others."""
    mirrors = Mirrors(corp, A, B)
    for name in corp.roles:
        mirrors.lies[A + corp.file_name(name)] = b"{}" if name != "targets" else corp.served[corp.url("2.targets.json")]
    paths = [f"packages/{number}.whl" for number in range(40)]
    start = threading.Barrier(16)

    def look_up(number: int) -> bool:
        start.wait()
        return all(one.find_all(paths[number:] + paths[:number]).values())

    with mirrored(mirrors, tmp_path) as one, ThreadPoolExecutor(16) as pool:
        one.refresh()
        assert all(pool.map(look_up, range(16)))
    assert len(mirrors.asked) < 200


def test_the_first_error_ends_all_lookups_and_what_was_not_begun_is_not_fetched(
    corp: Simulator, tmp_path: Path
) -> None:
    simulator = index()
    simulator.hash_bins(2)
    paths = [f"packages/{number}.whl" for number in range(300)]
    for path in paths:
        simulator.add_target(path, b"")
    simulator.publish()
    with client(simulator, tmp_path) as one:
        one.refresh()
        simulator.requests.clear()
        first = simulator.file_name(simulator.role_for(paths[0]))
        simulator.fail(first, DOWN)

        def before(url: str) -> None:
            if not url.endswith(first):
                time.sleep(0.02)

        simulator.before = before
        with pytest.raises(TransportError):
            one.find_all(paths)
        assert len(simulator.asked) < 60
        simulator.restore()
        simulator.before = None
        assert all(one.find_all(paths).values())


def test_an_interruption_ends_all_waiting_and_leaves_nothing_claimed(corp: Simulator, tmp_path: Path) -> None:
    closed: list[bool] = []
    corp.close = lambda: closed.append(True)  # type: ignore[method-assign]
    names = {corp.role_for(f"packages/{number}.whl"): f"packages/{number}.whl" for number in range(40)}
    first = corp.file_name(next(iter(names)))

    def before(url: str) -> None:
        if url.endswith(first):
            raise KeyboardInterrupt

    one = client(corp, tmp_path)
    one.refresh()
    for paths in (list(names.values()), list(names.values())[:1]):
        corp.before = before
        with pytest.raises(KeyboardInterrupt):
            one.find_all(paths)
        assert closed
        corp.before = None
    assert all(one.find_all(names.values()).values())


def test_lookups_are_fetched_side_by_side(corp: Simulator, tmp_path: Path) -> None:
    together = threading.Barrier(4)
    with client(corp, tmp_path) as one:
        one.refresh()
        corp.before = lambda url: together.wait(10)
        chosen = {corp.role_for(f"packages/{n}.whl"): f"packages/{n}.whl" for n in range(40)}
        assert all(one.find_all(list(chosen.values())[:4]).values())


def test_one_role_through_two_delegators_is_verified_with_the_keys_of_each_b6(tmp_path: Path) -> None:
    """python-tuf #2977: also when it comes from the cache."""
    simulator = index()
    shared, foreign = simulator.fresh_signer(), simulator.fresh_signer()
    simulator.delegate("left", paths=["left/*"])
    simulator.delegate("right", paths=["right/*"])
    simulator.delegate("shared", by="left", paths=["left/*"], signers=[shared])
    simulator.delegate("shared", by="right", paths=["right/*"], signers=[foreign])
    for path in ("left/x", "right/x"):
        simulator.add_target(path, b"", role="shared")
    simulator.publish()
    for order in (["left/x", "right/x"], ["right/x", "left/x"]):
        for folder in ("cold", "warm"):
            with client(simulator, tmp_path / folder) as one:
                if folder == "warm":
                    assert one.find("left/x") is not None
                with pytest.raises(SignatureError) as caught:
                    one.find_all(order)
                assert caught.value.role.startswith("shared")
                assert "right" in str(caught.value.signed_for)
