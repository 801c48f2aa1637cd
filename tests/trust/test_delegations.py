"""Which roles may speak for a path, held against python-tuf and a plain regular expression (TRAPS C2, C5, C6)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole, SuccinctRoles

from secure_fetch.errors import MalformedError
from secure_fetch.trust import RoleName, TargetPath
from secure_fetch.trust.delegations import Delegations, SuccinctBins, matches

SEGMENT = st.text("aAb.*?[]é", min_size=1, max_size=6).filter(lambda text: text not in (".", ".."))
PATHS = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)
PATTERNS = st.text("aAb.*?[]é/", max_size=12)


def reference(path: str, pattern: str) -> bool:
    expression = "".join({"*": "[^/]*", "?": "[^/]"}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(expression, path) is not None


@given(PATHS, PATTERNS)
def test_c02_patterns_match_as_the_specification_says(path: str, pattern: str) -> None:
    assert matches(TargetPath(path), pattern) == reference(path, pattern)


@given(st.data(), PATHS)
def test_c02_patterns_made_from_a_path_match_as_the_specification_says(data: st.DataObject, path: str) -> None:
    characters = [data.draw(st.sampled_from([one, one, one, "*", "?", f"{one}*", "*?", ""])) for one in path]
    pattern = "".join(characters)
    assert matches(TargetPath(path), pattern) == reference(path, pattern)


@given(PATHS, PATTERNS.filter(lambda pattern: "[" not in pattern))
def test_c02_patterns_without_brackets_match_as_in_python_tuf(path: str, pattern: str) -> None:
    assert matches(TargetPath(path), pattern) == DelegatedRole("x", [], 1, False, [pattern]).is_delegated_path(path)


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("a/b", "*", False),
        ("a/b", "a*", False),
        ("a/b", "a?b", False),
        ("a/b", "*/*", True),
        ("a/b/c", "a/*", False),
        ("a/b", "a/b", True),
        ("a/b", "a/b/", False),
        ("a/b", "/a/b", False),
        ("a", "**", True),
        ("a/b", "**", False),
        ("foo.tgz", "foo.?gz", True),
        ("foo.gz", "foo.?gz", False),
        ("a", "[ab]", False),  # `[` stands for itself
        ("[ab]", "[ab]", True),
        ("a.b", "a?b", True),
        ("axb", "a.b", False),
        ("a", "", False),
        ("a", "a*?", False),
        ("ab", "*b*", True),
        ("abc", "*b", False),
        ("é", "?", True),
    ],
)
def test_c02_what_a_pattern_matches(path: str, pattern: str, expected: bool) -> None:
    assert matches(TargetPath(path), pattern) is expected


def test_ghsa_qp9x_c02_case_matters() -> None:
    for path, pattern in (("A/b", "a/b"), ("a/b", "A/*"), ("a/b.whl", "a/*.WHL"), ("\u0130", "i"), ("\u212a", "k")):
        assert not matches(TargetPath(path), pattern)
        assert matches(TargetPath(path), path)


def test_c02_a_pattern_of_many_stars_does_not_explode() -> None:
    # With backtracking this takes longer than the universe has lasted.
    path = TargetPath("a" * 2_048)
    assert not matches(path, "*a" * 1_000 + "b")
    assert matches(path, "*a" * 1_000 + "*")
    assert not matches(path, "*" * 1_000 + "b")
    assert not matches(path, "a*" * 2_049)
    assert matches(path, "a*" * 2_048)


def listed(*roles: dict[str, Any]) -> Delegations:
    defaults = {"keyids": ["k"], "threshold": 1, "terminating": False}
    return Delegations.read({"keys": {}, "roles": [defaults | role for role in roles]}, "it")


def names(delegations: Delegations, path: str) -> list[str]:
    return [role.name.text for role in delegations.roles_for(TargetPath(path))]


def digest(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def test_c01_roles_are_yielded_in_their_order_whatever_they_match_by() -> None:
    delegations = listed(
        {"name": "z", "paths": ["x", "a"]},
        {"name": "y", "path_hash_prefixes": [digest("a")[:5], digest("a")[:3]]},
        {"name": "none", "paths": []},
        {"name": "n0ne", "path_hash_prefixes": []},
        {"name": "x", "path_hash_prefixes": [digest("a")], "terminating": True},
        {"name": "w", "paths": ["*", "a"], "threshold": 2, "keyids": ["k", "l"]},
    )
    assert names(delegations, "a") == ["z", "y", "x", "w"]
    assert names(delegations, "b") == ["w"]
    found = list(delegations.roles_for(TargetPath("a")))
    assert [role.terminating for role in found] == [False, False, True, False]
    assert (found[3].threshold, found[3].keyids) == (2, ("k", "l"))
    assert [role.name.text for role in delegations.all_roles()] == ["z", "y", "none", "n0ne", "x", "w"]
    assert delegations.role(RoleName("x")) == found[2]
    assert delegations.role(RoleName("v")) is None


PREFIXES = st.lists(st.text("0123456789abcdef", min_size=1, max_size=3), min_size=1, max_size=6)


@given(st.lists(PREFIXES, min_size=1, max_size=8), st.lists(PATHS, min_size=1, max_size=5))
def test_c05_hash_prefixes_match_as_in_python_tuf(prefixes: list[list[str]], paths: list[str]) -> None:
    delegations = listed(*({"name": str(n), "path_hash_prefixes": one} for n, one in enumerate(prefixes)))
    for path in paths:
        expected = [
            str(number)
            for number, one in enumerate(prefixes)
            if DelegatedRole("x", [], 1, False, None, one).is_delegated_path(path)
        ]
        assert names(delegations, path) == expected


@pytest.mark.parametrize("length", [1, 2, 3, 5, 63, 64])
def test_c05_prefixes_of_odd_lengths_are_prefixes(length: int) -> None:
    prefix = digest("a/b")[:length]
    other = prefix[:-1] + ("0" if prefix[-1] != "0" else "1")
    assert names(listed({"name": "x", "path_hash_prefixes": [prefix]}), "a/b") == ["x"]
    assert names(listed({"name": "x", "path_hash_prefixes": [other]}), "a/b") == []


def test_c05_the_path_is_hashed_as_utf_8() -> None:
    prefix = hashlib.sha256("é".encode()).hexdigest()[:8]
    assert names(listed({"name": "x", "path_hash_prefixes": [prefix]}), "é") == ["x"]


def test_an_index_of_prefixes_is_built_once() -> None:
    delegations = listed({"name": "x", "path_hash_prefixes": ["0"]})
    assert delegations._index is delegations._index


def succinct(bits: int, prefix: str = "bin") -> dict[str, Any]:
    return {"keyids": ["k"], "threshold": 2, "bit_length": bits, "name_prefix": prefix}


@given(st.integers(1, 32), PATHS)
def test_c06_the_bin_of_a_path_is_the_one_of_python_tuf(bits: int, path: str) -> None:
    delegations = Delegations.read({"keys": {}, "succinct_roles": succinct(bits)}, "it")
    (role,) = delegations.roles_for(TargetPath(path))
    assert role.name.text == SuccinctRoles(["k"], 2, bits, "bin").get_role_for_target(path)
    assert (role.keyids, role.threshold, role.terminating) == (("k",), 2, False)


@pytest.mark.parametrize(
    ("bits", "first", "last"),
    [
        (1, "b-0", "b-1"),
        (3, "b-0", "b-7"),
        (4, "b-0", "b-f"),
        (5, "b-00", "b-1f"),
        (8, "b-00", "b-ff"),
        (9, "b-000", "b-1ff"),
        (32, "b-00000000", "b-ffffffff"),
    ],
)
def test_c06_names_are_padded_to_the_width_of_the_last_bin(bits: int, first: str, last: str) -> None:
    bins = SuccinctBins.read(succinct(bits, "b"), "it")
    assert bins.role(0).name.text == first
    assert bins.role(2**bits - 1).name.text == last


def test_c06_all_bins_can_be_listed_and_found() -> None:
    delegations = Delegations.read({"keys": {}, "succinct_roles": succinct(5)}, "it")
    assert [role.name.text for role in delegations.all_roles()] == list(SuccinctRoles(["k"], 2, 5, "bin").get_roles())
    for name in ("bin-00", "bin-1f"):
        role = delegations.role(RoleName(name))
        assert role is not None
        assert role.name.text == name


@pytest.mark.parametrize(
    "name",
    [
        "bin-0",
        "bin-20",
        "bin-000",
        "bin-1F",
        "bin-0x",
        "bin-",
        "bin-+1",
        "b-00",
        "binx00",
        "bin-1_",
        "bin-\u0660\u0660",
    ],
)
def test_c06_what_is_not_a_bin_is_not_found(name: str) -> None:
    delegations = Delegations.read({"keys": {}, "succinct_roles": succinct(5)}, "it")
    assert delegations.role(RoleName(name)) is None


def test_c06_a_bin_is_found_by_its_name_without_walking_all_of_them() -> None:
    delegations = Delegations.read({"keys": {}, "succinct_roles": succinct(32)}, "it")
    role = delegations.role(RoleName("bin-ffffffff"))
    assert role is not None
    assert role.name.text == "bin-ffffffff"
    assert delegations.role(RoleName("other")) is None


@pytest.mark.parametrize("prefix", ["a\x00", "x" * 5_000])
def test_d1_a_prefix_that_makes_no_role_name_is_refused_when_it_is_used(prefix: str) -> None:
    delegations = Delegations.read({"keys": {}, "succinct_roles": succinct(4, prefix)}, "it")
    with pytest.raises(MalformedError):
        list(delegations.roles_for(TargetPath("a")))


def test_null_is_as_good_as_missing() -> None:
    role = {"name": "x", "keyids": [], "threshold": 1, "terminating": False, "paths": ["*"], "path_hash_prefixes": None}
    assert names(Delegations.read({"keys": {}, "roles": [role], "succinct_roles": None}, "it"), "a") == ["x"]
