"""Pages as they are handed out where files are no targets of their own: the page alone vouches for them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from secure_fetch.client import Client
from secure_fetch.config import Repository
from secure_fetch.index.pages import PageFile, ProjectPage
from secure_fetch.presentation import presented, sidecar

from .simulator import METADATA_URL, NOW, TARGETS_URL, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "app-1.0-py3-none-any.whl"
URL = f"https://files.example/packages/{FILE}"
DATA, METADATA = b"a wheel", b"Metadata-Version: 2.1\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def page(attributes: str = "") -> bytes:
    return f'<!DOCTYPE html><a href="{URL}#sha256={sha256(DATA)}" {attributes}>{FILE}</a>'.encode()


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


@pytest.fixture
def client(simulator: Simulator, tmp_path: Path) -> Iterator[Client]:
    repository = Repository(
        name="big",
        root=simulator.initial_root,
        metadata_url=METADATA_URL,
        targets_url=TARGETS_URL,
        index_url="https://index.example/simple/",
        layout="warehouse",
    )
    with Client(repository, cache_dir=tmp_path, transport=simulator, clock=lambda: NOW) as client:
        yield client


def publish(simulator: Simulator, data: bytes) -> None:
    simulator.add_target("app", data)
    simulator.served[f"{TARGETS_URL}app/{sha256(data)}.app.html"] = data
    simulator.served[URL] = DATA
    simulator.served[f"{URL}.metadata"] = METADATA
    simulator.publish()


def test_a_hash_on_the_page_vouches_for_metadata(simulator: Simulator, client: Client) -> None:
    publish(simulator, page(f'data-core-metadata="sha256={sha256(METADATA)}"'))
    read = client.project("app")
    shown = presented(client, read, origin="http://here/")
    assert shown.files[0].url == f"http://here/files/app/{FILE}"
    assert shown.files[0].core_metadata == {"sha256": sha256(METADATA)}
    target = sidecar(client, read, FILE)
    assert target is not None
    assert (target.vouched_by, target.page, target.length) == ("page", "app", None)
    with client.open(target) as opened:
        assert opened.file.read() == METADATA


def test_metadata_without_a_hash_is_not_announced(simulator: Simulator, client: Client) -> None:
    publish(simulator, page('data-core-metadata="true"'))
    read = client.project("app")
    assert presented(client, read, origin="http://here/").files[0].core_metadata is None
    assert sidecar(client, read, FILE) is None


def test_a_hash_that_vouches_for_nothing_is_none(simulator: Simulator, client: Client) -> None:
    publish(simulator, page(f'data-core-metadata="md5={"0" * 32}"'))
    read = client.project("app")
    assert presented(client, read, origin="http://here/").files[0].core_metadata is None
    assert sidecar(client, read, FILE) is None


@pytest.mark.parametrize("value", [False, None])
def test_a_file_without_metadata_has_none(simulator: Simulator, client: Client, value: bool | None) -> None:
    publish(simulator, page())
    read = client.project("app")
    read = replace(read, files=(replace(read.files[0], core_metadata=value),))
    assert presented(client, read, origin="http://here/").files[0].core_metadata is value
    assert sidecar(client, read, FILE) is None
    assert sidecar(client, read, "other") is None


def test_a_page_that_is_gone_vouches_for_nothing(simulator: Simulator, client: Client) -> None:
    publish(simulator, page(f'data-core-metadata="sha256={sha256(METADATA)}"'))
    read = client.project("app")
    assert sidecar(client, replace(read, name="elsewhere"), FILE) is None


def test_a_file_whose_url_leads_to_no_target_is_shown_as_the_page_has_it(tmp_path: Path) -> None:
    simulator = Simulator()
    repository = Repository(name="own", root=simulator.initial_root, index_url="https://index.example/simple/")
    with Client(repository, cache_dir=tmp_path, transport=simulator, clock=lambda: NOW) as client:
        file = PageFile(filename=FILE, url=f"https://elsewhere.example/{FILE}", hashes={"md5": "0" * 32})
        read = ProjectPage(name="app", url="https://index.example/simple/app/", files=(file,))
        found = presented(client, read, origin="http://here/")
    assert found.files[0].hashes == {"md5": "0" * 32}
