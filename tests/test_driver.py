"""How requests are answered: several mirrors, of which some fail and some lie."""

from __future__ import annotations

import logging
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

    from secure_fetch import Client

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
