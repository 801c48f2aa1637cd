"""A signed index, its server and a client, for the tests of the hand-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secure_fetch.client import Client
from secure_fetch.handoff.local_index import LocalIndex
from tests.quick import http
from tests.servers import Server

from .signed_index import SignedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def index(tmp_path: Path) -> SignedIndex:
    return SignedIndex(tmp_path / "public")


@pytest.fixture
def upstream(index: SignedIndex) -> Iterator[Server]:
    with Server(index.folder) as server:
        yield server


@pytest.fixture
def client(index: SignedIndex, upstream: Server, tmp_path: Path) -> Iterator[Client]:
    """Return a client of the index, which has to be published before it is used."""
    with (
        http(retries=0) as transport,
        Client(index.repository(upstream.url), cache_dir=tmp_path / "cache", transport=transport) as client,
    ):
        yield client


@pytest.fixture
def local(client: Client) -> LocalIndex:
    return LocalIndex(lambda _: client)
