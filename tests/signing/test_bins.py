"""Bins: both ways to describe them lead every path to the same one, by python-tuf's reading and by our own."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import Key

from secure_fetch.signing.bins import Bins
from secure_fetch.trust.delegations import Delegations
from secure_fetch.trust.names import TargetPath

KEY = {"a" * 64: Key.from_dict("a" * 64, {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "b" * 64}})}
paths = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._/", min_size=1).filter(
    lambda text: all(part not in ("", ".", "..") for part in text.split("/"))
)


@given(path=paths, bits=st.integers(1, 10), succinct=st.booleans())
def test_python_tuf_and_our_client_find_the_same_bin(path: str, bits: int, succinct: bool) -> None:
    bins = Bins(count=2**bits, succinct=succinct)
    delegations = bins.delegations(dict(KEY), 1)
    assert [name for name, _ in delegations.get_roles_for_target(path)] == [bins.bin_of(path)]
    ours = Delegations.read(delegations.to_dict(), "bins")
    assert [role.name.text for role in ours.roles_for(TargetPath(path))] == [bins.bin_of(path)]


@pytest.mark.parametrize("bits", range(1, 15))
def test_the_prefixes_cover_everything_once(bits: int) -> None:
    bins = Bins(count=2**bits, succinct=False)
    prefixes = [prefix for number in range(bins.count) for prefix in bins.prefixes(number)]
    digits = len(prefixes[0])
    assert prefixes == [f"{number:0{digits}x}" for number in range(16**digits)]
    assert 16 ** (digits - 1) < bins.count


def test_16384_bins_have_65536_prefixes_as_in_pep_458() -> None:
    bins = Bins(count=16384, succinct=False)
    assert sum(len(bins.prefixes(number)) for number in range(bins.count)) == 65536
    assert bins.name(16383) == "bin-3fff"
    digest = hashlib.sha256(b"x").hexdigest()
    assert digest[:4] in bins.prefixes(int(bins.bin_of("x").removeprefix("bin-"), 16))


def test_both_kinds_have_the_same_names() -> None:
    succinct = Bins(count=32, succinct=True).delegations(dict(KEY), 1).succinct_roles
    assert succinct is not None
    assert list(succinct.get_roles()) == Bins(count=32, succinct=False).names()
