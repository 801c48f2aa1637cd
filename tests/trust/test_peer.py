"""The same repositories through python-tuf's own client: where the two differ, the difference is written here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from secure_fetch.errors import AbsentError
from tests.simulator import NOW, Simulator

from .session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

ROLES = ("a", "b", "c", "d", "e")
EDGES = st.tuples(st.sampled_from(("targets", *ROLES)), st.sampled_from(ROLES), st.sampled_from("xy*"), st.booleans())


class Fetcher(FetcherInterface):
    """Hands python-tuf the simulator's bytes."""

    def __init__(self, repository: Simulator) -> None:
        self.repository = repository

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return self.repository.stream(url, max_length=10**9, deadline=60.0)
        except AbsentError as error:
            raise DownloadHTTPError(str(error), 404) from error


def peer(repository: Simulator, folder: Path) -> Updater:
    """Return python-tuf's client at the simulator's time."""
    folder.mkdir()
    updater = Updater(
        str(folder),
        repository.metadata_url,
        fetcher=Fetcher(repository),
        bootstrap=repository.initial_root,
    )
    updater._trusted_set.reference_time = NOW
    updater.refresh()
    return updater


def both(repository: Simulator, folder: Path, path: str) -> tuple[tuple[bool, list[str]], tuple[bool, list[str]]]:
    """Look a path up with this client and with the peer: whether it was found, and what was asked for."""
    repository.publish()
    session, updater = Session(repository), peer(repository, folder)
    ours = session.find(path) is not None, repository.asked
    repository.requests.clear()
    theirs = updater.get_targetinfo(path) is not None, repository.asked
    return ours, theirs


@given(edges=st.lists(EDGES, max_size=12), holders=st.sets(st.sampled_from(ROLES)))
def test_c01_the_walk_is_the_one_of_python_tuf(
    tmp_path_factory: pytest.TempPathFactory, edges: list[tuple[str, str, str, bool]], holders: set[str]
) -> None:
    repository = Simulator()
    for by, name, pattern, terminating in [*edges, *(("e", name, "y", False) for name in ROLES)]:
        if by in repository.roles and name != by:
            repository.delegate(name, by=by, paths=[pattern], terminating=terminating)
    for name in holders & set(repository.roles):
        repository.add_target("x", b"", role=name)
    ours, theirs = both(repository, tmp_path_factory.mktemp("peer") / "metadata", "x")
    assert ours == theirs


def test_c06_python_tuf_lets_succinct_bins_terminate_and_this_client_does_not(tmp_path: Path) -> None:
    # TAP 15: a path that its bin does not name may still be named by a role further on.
    repository = Simulator()
    repository.delegate("binned")
    repository.delegate("after")
    repository.succinct_bins(1, by="binned")
    repository.add_target("x", b"", role="after")
    ours, theirs = both(repository, tmp_path / "metadata", "x")
    assert ours[0] is True
    assert theirs[0] is False


def test_the_whole_walk_asks_for_the_same_files(tmp_path: Path) -> None:
    repository = Simulator(meta_hashes=True)
    repository.hash_bins()
    repository.rotate("timestamp")
    repository.add_target("a/b", b"data")
    ours, theirs = both(repository, tmp_path / "metadata", "a/b")
    assert ours == theirs
    assert ours[0] is True
