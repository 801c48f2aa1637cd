"""Lengths and hashes, in memory and over a stream (TRAPS A11, A20, A21, D2)."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import HashError, LengthError, MalformedError
from secure_fetch.trust.digest import Digester, check, preferred, read_hashes

from .json_values import ANY_VALUES

DATA = b"some bytes"
HASHES = {
    "sha256": hashlib.sha256(DATA).hexdigest(),
    "sha384": hashlib.sha384(DATA).hexdigest(),
    "sha512": hashlib.sha512(DATA).hexdigest(),
    "sha3-256": hashlib.sha3_256(DATA).hexdigest(),
    "sha3-384": hashlib.sha3_384(DATA).hexdigest(),
    "sha3-512": hashlib.sha3_512(DATA).hexdigest(),
    "sha3_256": hashlib.sha3_256(DATA).hexdigest(),
    "sha3_384": hashlib.sha3_384(DATA).hexdigest(),
    "sha3_512": hashlib.sha3_512(DATA).hexdigest(),
    "blake2b-256": hashlib.blake2b(DATA, digest_size=32).hexdigest(),
    "blake2b-512": hashlib.blake2b(DATA).hexdigest(),
    "blake2b": hashlib.blake2b(DATA).hexdigest(),
}


def wrong(digest: str) -> str:
    return ("0" if digest[0] != "0" else "1") + digest[1:]


@pytest.mark.parametrize("algorithm", HASHES)
def test_every_algorithm_is_checked(algorithm: str) -> None:
    check(DATA, "it", length=None, hashes={algorithm: HASHES[algorithm]})
    with pytest.raises(HashError) as caught:
        check(DATA, "it", length=None, hashes={algorithm: wrong(HASHES[algorithm])})
    error = caught.value
    assert (error.what, error.algorithm) == ("it", algorithm)
    assert (error.expected, error.actual) == (wrong(HASHES[algorithm]), HASHES[algorithm])


@pytest.mark.parametrize("bad", HASHES)
def test_a21_every_known_hash_must_match_not_any(bad: str) -> None:
    check(DATA, "it", length=len(DATA), hashes=HASHES)
    with pytest.raises(HashError) as caught:
        check(DATA, "it", length=len(DATA), hashes=HASHES | {bad: wrong(HASHES[bad])})
    assert caught.value.algorithm == bad


@pytest.mark.parametrize("length", [0, len(DATA) - 1, len(DATA) + 1])
def test_a11_another_length_is_refused(length: int) -> None:
    with pytest.raises(LengthError) as caught:
        check(DATA, "it", length=length, hashes={})
    assert (caught.value.expected, caught.value.actual) == (length, len(DATA))


def test_a11_a_length_of_0_is_a_length_and_none_is_not() -> None:
    check(b"", "it", length=0, hashes={})
    check(DATA, "it", length=None, hashes={})
    with pytest.raises(LengthError):
        check(b"x", "it", length=0, hashes={})


def test_the_length_is_checked_before_the_hashes() -> None:
    with pytest.raises(LengthError):
        check(DATA, "it", length=1, hashes={"sha256": wrong(HASHES["sha256"])})


@given(st.lists(st.binary(max_size=5), max_size=6))
def test_a_stream_is_checked_as_a_whole(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    digester = Digester("it", length=len(data), hashes={"sha512": hashlib.sha512(data).hexdigest()})
    for chunk in chunks:
        digester.update(memoryview(chunk))
    digester.finish()
    assert digester.taken == len(data)
    with pytest.raises(LengthError):
        digester.update(b"x")


def test_a_stream_stops_at_the_first_byte_too_many() -> None:
    digester = Digester("it", length=5, hashes={})
    digester.update(b"12345")
    with pytest.raises(LengthError):
        digester.update(b"6")


def test_a_stream_that_ends_early_is_refused() -> None:
    digester = Digester("it", length=5, hashes={"sha256": HASHES["sha256"]})
    digester.update(b"1234")
    with pytest.raises(LengthError) as caught:
        digester.finish()
    assert caught.value.actual == 4


@given(ANY_VALUES | st.dictionaries(st.sampled_from([*HASHES, "md5"]), ANY_VALUES))
def test_b09_any_hashes_are_read_or_malformed(value: Any) -> None:
    with suppress(MalformedError):
        hashes = read_hashes(value, "it")
        assert hashes
        assert set(hashes) <= set(HASHES)


@pytest.mark.parametrize(
    "value",
    [
        {},
        None,
        [],
        {"md5": "00"},
        {"sha1": "0" * 40},
        {"sha256": HASHES["sha256"][:-1]},
        {"sha256": HASHES["sha256"] + "0"},
        {"sha256": HASHES["sha256"].upper()},
        {"sha256": "\u0660" * 64},
        {"sha256": "0" * 63 + "\n"},
        {"sha256": "g" * 64},
        {"sha256": ""},
        {"sha256": None},
        {"sha256": HASHES["sha256"], "sha512": "0"},
        {"sha256": HASHES["sha256"], "md5": 1},
        {"SHA256": HASHES["sha256"]},
    ],
)
def test_a20_hashes_that_check_nothing_are_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        read_hashes(value, "it")


def test_an_unknown_algorithm_beside_a_known_one_is_left_out() -> None:
    assert read_hashes({"md5": "00", "sha256": HASHES["sha256"]}, "it") == {"sha256": HASHES["sha256"]}


def test_a_digester_refuses_hashes_that_it_could_not_check() -> None:
    with pytest.raises(MalformedError):
        Digester("it", length=None, hashes={"md5": "00"})


@pytest.mark.parametrize(
    ("among", "chosen"),
    [
        (["blake2b-256", "sha512", "sha256", "sha384"], "sha256"),
        (["blake2b-256", "sha384", "sha512"], "sha512"),
        (["blake2b-256", "sha384"], "sha384"),
        (["blake2b", "blake2b-256"], "blake2b-256"),
        (["sha3-512", "sha3-256", "blake2b-512"], "blake2b-512"),
    ],
)
def test_d2_the_hash_in_a_file_name_does_not_depend_on_their_order(among: list[str], chosen: str) -> None:
    for order in (among, among[::-1]):
        assert preferred({algorithm: HASHES[algorithm] for algorithm in order}) == HASHES[chosen]
