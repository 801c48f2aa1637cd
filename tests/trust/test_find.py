"""Looking a target up through delegations (TRAPS C1 to C6, and A and B again for delegated roles)."""

from __future__ import annotations

import pytest

from secure_fetch.errors import (
    LimitError,
    MalformedError,
    SignatureError,
)
from secure_fetch.trust import Limits
from tests.simulator import Simulator, signer

from .session import Session


def test_a_target_of_the_top_level_role_needs_no_request(repository: Simulator) -> None:
    repository.add_target("a/b", b"data")
    repository.publish()
    session = Session(repository)
    found = session.find("a/b")
    assert found is not None
    assert (found.path.text, found.file.length, found.chain) == ("a/b", 4, (session.state.targets,))
    assert session.find("a/c") is None
    assert repository.asked == []


def test_a21_a_file_whose_hashes_cannot_be_checked_is_refused_and_its_neighbour_is_not(repository: Simulator) -> None:
    repository.add_target("known", b"data")
    repository.add_target("unknown", b"data")
    repository.targets.targets["unknown"].hashes = {"sha1337": "00"}
    repository.publish()
    session = Session(repository)
    assert session.find("known") is not None
    with pytest.raises(MalformedError, match="sha1337"):
        session.find("unknown")


def test_a_delegated_role_is_fetched_once_and_kept(repository: Simulator) -> None:
    repository.delegate("one", paths=["a/*"])
    repository.add_target("a/b", b"data")
    repository.publish()
    session = Session(repository)
    found = session.find("a/b")
    assert found is not None
    assert [link.role.text for link in found.chain] == ["targets", "one"]
    (keyid,) = [one.public_key.keyid for one in repository.signers["one"]]
    link = found.chain[1]
    assert (link.version, link.signed_by, link.threshold, link.keys) == (1, (keyid,), 1, 1)
    assert (link.delegator.text, link.expires) == ("targets", repository.roles["one"].expires)
    assert repository.asked == ["1.one.json"]
    assert session.store.names[-1] == "one 1"
    assert session.store.kept[-1].data == repository.served[repository.url("1.one.json")]
    assert session.chain("a/c") == []
    assert repository.asked == []
    again = Session(repository, session.store)
    assert again.chain("a/b") == ["targets", "one"]
    assert repository.asked == []


def test_c01_depth_first_in_order(repository: Simulator) -> None:
    # targets → a → (c, d), b
    for name, by in (("a", "targets"), ("b", "targets"), ("c", "a"), ("d", "a")):
        repository.delegate(name, by=by)
    repository.publish()
    session = Session(repository)
    assert session.find("x") is None
    assert repository.asked == ["1.a.json", "1.c.json", "1.d.json", "1.b.json"]
    for name in ("b", "d", "c", "a"):
        repository.add_target("x", name.encode(), role=name)
        repository.publish()
        chain = Session(repository).chain("x")
        assert chain[-1] == name
        assert chain[:-1] == {"a": ["targets"], "b": ["targets"]}.get(name, ["targets", "a"])


def test_c01_terminating_stops_siblings_and_backtracking_but_not_the_descendants(repository: Simulator) -> None:
    # targets → first → (inner, terminating, never), second;   terminating → below
    repository.delegate("first")
    repository.delegate("second")
    repository.delegate("inner", by="first")
    repository.delegate("terminating", by="first", terminating=True)
    repository.delegate("never", by="first")
    repository.delegate("below", by="terminating")
    for name in ("second", "never"):
        repository.add_target("x", b"", role=name)
    repository.publish()
    session = Session(repository)
    assert session.find("x") is None
    assert repository.asked == ["1.first.json", "1.inner.json", "1.terminating.json", "1.below.json"]
    repository.add_target("x", b"", role="below")
    repository.publish()
    assert Session(repository).chain("x") == ["targets", "first", "terminating", "below"]


def test_c01_a_terminating_role_that_does_not_match_stops_nothing(repository: Simulator) -> None:
    repository.delegate("first", paths=["y"], terminating=True)
    repository.delegate("second", paths=["x"])
    repository.add_target("x", b"")
    repository.publish()
    assert Session(repository).chain("x") == ["targets", "second"]
    assert repository.asked == ["1.second.json"]


def test_c02_the_path_must_match_at_every_step(repository: Simulator) -> None:
    repository.delegate("narrow", paths=["a/*"])
    repository.delegate("wide", by="narrow", paths=["*", "*/*", "*/*/*"])
    for path in ("a/x", "b/x", "x", "a/b/x", "A/x"):
        repository.add_target(path, b"", role="wide")
        repository.add_target(path, b"", role="narrow") if path != "a/x" else None
    repository.publish()
    session = Session(repository)
    assert session.chain("a/x") == ["targets", "narrow", "wide"]
    for path in ("b/x", "x", "a/b/x", "A/x"):
        assert session.find(path) is None


def test_c03_circles_end(repository: Simulator) -> None:
    repository.delegate("a")
    repository.delegate("b", by="a")
    repository.delegate("a", by="b")
    repository.delegate("b", by="b")
    repository.publish()
    assert Session(repository).find("x") is None
    assert repository.asked == ["1.a.json", "1.b.json"]


def test_c03_the_limit_on_visited_roles_is_its_own_error(repository: Simulator) -> None:
    for number in range(5):
        repository.delegate(f"r{number}", by=f"r{number - 1}" if number else "targets")
    repository.publish()
    session = Session(repository)
    assert session.find("x", limits=Limits(delegated_roles=5)) is None
    with pytest.raises(LimitError) as caught:
        session.find("x", limits=Limits(delegated_roles=4))
    assert (caught.value.limit, caught.value.unit) == (4, "delegated roles")
    fresh = Session(repository)
    with pytest.raises(LimitError):
        fresh.find("x", limits=Limits(delegated_roles=4))
    assert repository.asked == [f"1.r{number}.json" for number in range(4)]


def test_c04_a_role_that_the_snapshot_does_not_list_is_an_error(repository: Simulator) -> None:
    repository.delegate("one")
    repository.publish("targets")
    with pytest.raises(MalformedError, match="does not name the role 'one'"):
        Session(repository).find("x")
    assert repository.asked == []


def test_c05_hash_bins(repository: Simulator) -> None:
    repository.delegate("bins", paths=["*/*"])
    names = repository.hash_bins(1, by="bins")
    paths = [f"a/{number}" for number in range(40)]
    bins = {path: repository.add_target(path, path.encode()) for path in paths}
    assert len(set(bins.values()) & set(names)) > 10
    repository.publish()
    session = Session(repository)
    for path in paths:
        assert session.chain(path) == ["targets", "bins", bins[path]]
    assert session.find("a/none") is None
    assert session.find("a") is None


@pytest.mark.parametrize("bits", [1, 4, 5])
def test_c06_succinct_bins(repository: Simulator, bits: int) -> None:
    repository.succinct_bins(bits)
    paths = [f"a/{number}" for number in range(20)]
    bins = {path: repository.add_target(path, path.encode()) for path in paths}
    repository.publish()
    session = Session(repository)
    for path in paths:
        assert session.chain(path) == ["targets", bins[path]]
    assert session.find("a/none") is None


def test_c06_succinct_bins_do_not_terminate(repository: Simulator) -> None:
    repository.delegate("binned")
    repository.delegate("after")
    repository.succinct_bins(1, by="binned")
    repository.add_target("x", b"", role="after")
    repository.publish()
    assert Session(repository).chain("x") == ["targets", "after"]


def shared(repository: Simulator) -> None:
    """Delegate to one role from two others, of which the second trusts another key."""
    repository.delegate("one", paths=["1/*"])
    repository.delegate("two", paths=["2/*"])
    repository.delegate("shared", by="one", paths=["*/*"])
    repository.delegate("shared", by="two", paths=["*/*"], signers=[signer(80)])
    for path in ("1/x", "2/x"):
        repository.add_target(path, b"", role="shared")
    repository.publish()


def test_python_tuf_2977_b06_a_role_is_trusted_per_delegator_also_from_the_cache(repository: Simulator) -> None:
    shared(repository)
    session = Session(repository)
    assert session.chain("1/x") == ["targets", "one", "shared"]
    for one in (session, Session(repository, session.store)):
        with pytest.raises(SignatureError) as caught:
            one.find("2/x")
        assert caught.value.signed_for == "two version 1"
        assert one.chain("1/x") == ["targets", "one", "shared"]
    repository.signers["shared"].append(signer(80))
    repository.publish("shared")
    both = Session(repository)
    assert both.chain("1/x") == ["targets", "one", "shared"]
    assert both.chain("2/x") == ["targets", "two", "shared"]
    assert len(both.known) == 4


def test_a16_plain_names_without_consistent_snapshots() -> None:
    repository = Simulator(consistent_snapshot=False)
    repository.delegate("one")
    repository.add_target("x", b"")
    repository.publish()
    assert Session(repository).chain("x") == ["targets", "one"]
    assert repository.asked == ["one.json"]


@pytest.mark.parametrize("name", ["../x", "a/b", "x?y#z", "%2e%2e", "\\", "C:", "a b", "é", "..", "Targets", "x" * 512])
def test_cve_2026_6968_d1_hostile_role_names_are_quoted_whole(repository: Simulator, name: str) -> None:
    repository.delegate(name)
    repository.add_target("x", b"")
    repository.publish()
    session = Session(repository)
    assert session.chain("x") == ["targets", name]
    (url,) = [request.url for request in repository.requests]
    rest = url.removeprefix(repository.metadata_url)
    assert not {"/", "?", "#", "\\", " "} & set(rest)
