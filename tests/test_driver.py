"""How requests are answered: several mirrors, of which some fail and some lie, and many lookups at once."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import (
    AbsentError,
    ExpiredError,
    LimitError,
    RollbackError,
    SecureFetchError,
    SignatureError,
    TransportError,
    UncheckedError,
    WithheldError,
)

from .clients import Mirrors, client, index
from .simulator import NOW, Simulator

if TYPE_CHECKING:
    from pathlib import Path

    from secure_fetch import Client, RoleName
    from secure_fetch.trust import Stored

A, B, C = "https://a.example/m/", "https://b.example/m/", "https://c.example/m/"
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


# Several mirrors (TRAPS A18, E7)


def test_that_there_is_no_newer_root_is_believed_only_if_every_mirror_says_so_a18(
    corp: Simulator, tmp_path: Path
) -> None:
    for bad in (A, B):
        mirrors = Mirrors(corp, A, B)
        mirrors.errors[f"{bad}2.root.json"] = DOWN
        with mirrored(mirrors, tmp_path / bad[8]) as one, pytest.raises(TransportError) as caught:
            one.refresh()
        assert not isinstance(caught.value, AbsentError)
        assert mirrors.asked == [f"{A}2.root.json", f"{B}2.root.json"]


def test_both_mirrors_are_asked_whether_there_is_a_newer_root_and_the_first_for_the_rest(
    corp: Simulator, tmp_path: Path
) -> None:
    mirrors = Mirrors(corp, A, B)
    with mirrored(mirrors, tmp_path) as one:
        one.refresh()
    rest = ["timestamp.json", corp.file_name("snapshot"), corp.file_name("targets")]
    assert mirrors.asked == [f"{A}2.root.json", f"{B}2.root.json", *(A + name for name in rest)]


def test_a_newer_root_is_taken_from_whichever_mirror_has_it_a18(corp: Simulator, tmp_path: Path) -> None:
    corp.publish_root()
    mirrors = Mirrors(corp, A, B)
    mirrors.errors[f"{A}2.root.json"] = AbsentError(A, "HTTP 404", status=404)
    with mirrored(mirrors, tmp_path) as one:
        assert one.refresh().root.version == 2


def test_a_mirror_that_lies_about_the_root_has_not_said_that_there_is_none_a18(corp: Simulator, tmp_path: Path) -> None:
    mirrors = Mirrors(corp, A, B)
    mirrors.lies[f"{A}2.root.json"] = corp.initial_root
    corp.served[corp.url("2.root.json")] = b""  # so that the lie is reached
    mirrors.errors[f"{B}2.root.json"] = AbsentError(B, "HTTP 404", status=404)
    with mirrored(mirrors, tmp_path) as one, pytest.raises(SecureFetchError) as caught:
        one.refresh()
    assert caught.value.source == A


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "2.targets.json", "2.bin-4.json"])
@pytest.mark.parametrize("fault", ["fails", "is absent", "lies", "is endless"])
def test_the_next_mirror_is_tried_when_one_fails_or_lies_e7(
    name: str, fault: str, corp: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirrors = Mirrors(corp, A, B)
    if fault == "lies":
        mirrors.lies[A + name] = corp.served[corp.url(name)].replace(b'"version":', b'"version":1')
    else:
        mirrors.errors[A + name] = {
            "fails": DOWN,
            "is absent": AbsentError(A, "HTTP 404", status=404),
            "is endless": LimitError(A, limit=1),
        }[fault]
    path = next(f"packages/{n}.whl" for n in range(40) if corp.role_for(f"packages/{n}.whl") == "bin-4")
    with mirrored(mirrors, tmp_path) as one:
        assert one.find(path) is not None
    assert B + name in mirrors.asked
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [A in warning for warning in warnings] == ([True] if fault in ("lies", "is endless") else [])


def test_when_all_lie_the_first_one_is_named_e7(corp: Simulator, tmp_path: Path) -> None:
    mirrors = Mirrors(corp, A, B)
    mirrors.lies[f"{A}timestamp.json"] = corp.served[corp.url("timestamp.json")].replace(b'"sig":"', b'"sig":"00')
    mirrors.lies[f"{B}timestamp.json"] = b"{}"
    with mirrored(mirrors, tmp_path) as one, pytest.raises(SignatureError) as caught:
        one.refresh()
    assert caught.value.source == A
    assert f"It came from {A}" in str(caught.value)


def test_a_mirror_that_is_endless_is_named_e7(corp: Simulator, tmp_path: Path) -> None:
    mirrors = Mirrors(corp, A)
    mirrors.errors[f"{A}timestamp.json"] = LimitError("timestamp.json", limit=1)
    with mirrored(mirrors, tmp_path) as one, pytest.raises(LimitError) as caught:
        one.refresh()
    assert caught.value.source == A


def test_a_mirror_that_is_behind_is_passed_over(corp: Simulator, tmp_path: Path) -> None:
    old = corp.served[corp.url("timestamp.json")]
    corp.publish("targets")
    mirrors = Mirrors(corp, A, B)
    with mirrored(mirrors, tmp_path) as one:
        one.refresh()
    mirrors.lies[f"{A}timestamp.json"] = old
    with mirrored(mirrors, tmp_path) as one:
        state = one.refresh()
    assert state.timestamp is not None
    assert state.timestamp.version == corp.timestamp.version
    mirrors.lies[f"{B}timestamp.json"] = old
    with mirrored(mirrors, tmp_path) as one, pytest.raises(RollbackError) as caught:
        one.refresh()
    assert caught.value.source == A


def test_an_expired_timestamp_is_passed_over(corp: Simulator, tmp_path: Path) -> None:
    corp.timestamp.expires = NOW
    old = corp.write("timestamp")
    corp.timestamp.expires = corp.snapshot.expires
    corp.write("timestamp")
    mirrors = Mirrors(corp, A, B)
    mirrors.lies[f"{A}timestamp.json"] = old
    with mirrored(mirrors, tmp_path) as one:
        one.refresh()
    with mirrored(mirrors, tmp_path / "other", A) as one, pytest.raises(ExpiredError):
        one.refresh()


def test_what_no_mirror_has_is_withheld_and_what_one_fails_to_give_is_not(corp: Simulator, tmp_path: Path) -> None:
    name = corp.file_name("snapshot")
    corp.withhold(name)
    mirrors = Mirrors(corp, A, B)
    with mirrored(mirrors, tmp_path / "1") as one, pytest.raises(WithheldError):
        one.refresh()
    for bad in (A, B):
        mirrors.errors = {bad + name: DOWN}
        with mirrored(mirrors, tmp_path / "2") as one, pytest.raises(TransportError):
            one.refresh()
    mirrors.errors = {}
    corp.withhold("timestamp.json")
    with mirrored(mirrors, tmp_path / "3") as one, pytest.raises(UncheckedError):
        one.refresh()


def test_a_lie_outweighs_the_failure_of_the_next_mirror(corp: Simulator, tmp_path: Path) -> None:
    mirrors = Mirrors(corp, A, B)
    mirrors.lies[f"{A}timestamp.json"] = b"{}"
    mirrors.errors[f"{B}timestamp.json"] = DOWN
    with mirrored(mirrors, tmp_path) as one, pytest.raises(SecureFetchError) as caught:
        one.refresh()
    assert caught.value.exit_code == 1


def test_a_mirror_that_is_given_twice_is_asked_once(corp: Simulator, tmp_path: Path) -> None:
    mirrors = Mirrors(corp, A, B)
    mirrors.lies[f"{A}timestamp.json"] = b"{}"
    with mirrored(mirrors, tmp_path, A, A, B, A) as one:
        one.refresh()
    assert mirrors.asked.count(f"{A}timestamp.json") == 1


def test_no_number_of_lying_mirrors_goes_on_for_ever(corp: Simulator, tmp_path: Path) -> None:
    bases = [f"https://mirror-{number}.example/" for number in range(40)]
    mirrors = Mirrors(corp, *bases)
    mirrors.lies.update({f"{base}timestamp.json": b"{}" for base in bases})
    with mirrored(mirrors, tmp_path) as one, pytest.raises(SecureFetchError) as caught:
        one.refresh()
    assert caught.value.source == bases[0]


def test_a_mirrors_credentials_are_in_no_message(
    corp: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "https://user:hunter2@a.example/m/"
    mirrors = Mirrors(corp, secret)
    mirrors.lies[f"{secret}timestamp.json"] = b"{}"
    with mirrored(mirrors, tmp_path) as one, pytest.raises(SecureFetchError) as caught:
        one.refresh()
    assert caught.value.source == "https://a.example/m/"
    assert "hunter2" not in caplog.text


# Many lookups at once


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
        assert time.monotonic() - began < 2
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
