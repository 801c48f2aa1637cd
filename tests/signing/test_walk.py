"""What is published can be walked by python-tuf's own client, and installed from by pip, over a real server."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from secure_fetch.client import Client
from secure_fetch.config import Repository
from secure_fetch.index.layout import layout
from secure_fetch.index.pages import parse
from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import SigningRepository
from tests.servers import Server, send

from .distributions import sdist, wheel
from .walker import assert_published, download, newest_root, plain_pages, seen, updater

if TYPE_CHECKING:
    from pathlib import Path

KINDS = [(2, False), (32, False), (16, True)]


@pytest.mark.parametrize(("bins", "succinct"), KINDS)
def test_python_tuf_walks_what_is_published(bins: int, succinct: bool, tmp_path: Path) -> None:
    repository = SigningRepository.create(tmp_path / "repo", Plan(bins=bins, succinct=succinct))
    repository.add([wheel(tmp_path / "in", f"project-{number}", "1.0") for number in range(2)])
    repository.add([sdist(tmp_path / "in", "project-1", "2.0")])
    repository.publish()
    targets = assert_published(repository)
    assert len(targets) == 2 * 2 + 1 + 2 * 2 + 2  # wheels with sidecars, an sdist, pages, the project list
    root = repository.root_file.read_bytes()
    with Server(repository.public) as server:
        pages = [path for path in targets if path.startswith("simple/")]
        found = download(updater(server.url, root, tmp_path / "hashed", hashed=True), pages)
        files = set(targets) - set(pages)
        found |= download(updater(server.url, root, tmp_path / "plain", hashed=False), files)
    assert found == targets


@pytest.mark.parametrize(("bins", "succinct"), KINDS)
def test_our_own_client_verifies_what_is_published(bins: int, succinct: bool, tmp_path: Path) -> None:
    repository = SigningRepository.create(tmp_path / "repo", Plan(bins=bins, succinct=succinct))
    path = wheel(tmp_path / "in")
    repository.add([path])
    repository.publish()
    with Server(repository.public) as server:
        trusted = Repository(
            name="signed-here", root=repository.root_file.read_bytes(), index_url=f"{server.url}simple/"
        )
        with Client(trusted, cache_dir=tmp_path / "cache", state_dir=tmp_path / "state") as client:
            target = client.locate(client.project("demo"), path.name)
            client.download(target, tmp_path / "out")
            sidecar = client.find(f"{target.path}.metadata")
    assert sidecar is not None
    assert [str(link.role) for link in target.chain][-3:-1] == ["targets", "bins"]
    assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_python_tuf_finds_nothing_that_was_not_added(filled: SigningRepository, tmp_path: Path) -> None:
    with Server(filled.public) as server:
        client = updater(server.url, filled.root_file.read_bytes(), tmp_path / "client", hashed=True)
        assert client.get_targetinfo("simple/absent/index.html") is None
        assert client.get_targetinfo("a/path/of/more/segments/than/there/are/patterns/for") is None


def test_python_tuf_follows_from_one_publication_to_the_next(filled: SigningRepository, tmp_path: Path) -> None:
    root = filled.root_file.read_bytes()
    with Server(filled.public) as server:
        updater(server.url, root, tmp_path / "client", hashed=True).refresh()
        before = seen(filled.public)["simple/demo/index.json"]
        filled.add([wheel(tmp_path / "in", "demo", "1.1")])
        filled.publish()
        client = updater(server.url, root, tmp_path / "client", hashed=True)
        after = download(client, ["simple/demo/index.json"])["simple/demo/index.json"]
    assert after != before


def test_both_forms_of_a_page_say_the_same(filled: SigningRepository) -> None:
    base = "https://index.example/"
    pages = [
        parse((filled.public / path.text).read_bytes(), project="demo", url=f"{base}simple/demo/", content_type=kind)
        for path, kind in layout("pep458").page_targets("demo")
    ]
    for page in pages:
        assert [file.filename for file in page.files] == ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"]
        for file in page.files:
            target = layout("pep458").file_target(file.url, index_root=base)
            assert target is not None
            assert file.hashes == {"sha256": seen(filled.public)[target.text]}
        assert pages[0].files[0].core_metadata == {"sha256": seen(filled.public)[f"{_path(filled, 'demo')}.metadata"]}
    assert pages[0].versions == ("1.0",)
    assert pages[0].files[1].size == (filled.public / _path(filled, "demo", ".tar.gz")).stat().st_size


def _path(repository: SigningRepository, project: str, end: str = ".whl") -> str:
    [path] = [
        path
        for path in seen(repository.public)
        if path.startswith("packages/") and path.endswith(end) and f"/{project}-" in path
    ]
    return path


def test_plain_pages_are_the_signed_ones(filled: SigningRepository) -> None:
    signed = {path: digest for path, digest in seen(filled.public).items() if path.startswith("simple/")}
    assert plain_pages(filled.public) == signed
    assert set(signed) >= {"simple/index.html", "simple/index.json", "simple/other-thing/index.html"}


def test_the_target_paths_of_a_wheel_hold_its_blake2_hash(filled: SigningRepository) -> None:
    path = _path(filled, "demo")
    _, first, second, rest, _ = path.split("/")
    root = newest_root(filled.public / "metadata").signed
    assert root.consistent_snapshot
    assert (len(first), len(second), len(rest)) == (2, 2, 60)
    assert hashlib.blake2b((filled.public / path).read_bytes(), digest_size=32).hexdigest() == first + second + rest


def test_pip_installs_from_the_served_folder(filled: SigningRepository, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("PIP_")}
    with Server(filled.public) as server:
        page = (filled.public / "simple/demo/index.html").read_bytes()
        server.always("/simple/demo/", send(page, name="index.html"))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--isolated", "download", "--disable-pip-version-check"),
                *("--no-deps", "--no-cache-dir", "--index-url", f"{server.url}simple/"),
                *("--dest", str(tmp_path / "out"), "demo==1.0"),
            ],
            env=environment | {"PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "*"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        asked = server.paths
    assert done.returncode == 0, done.stdout
    wheel_file = tmp_path / "out" / "demo-1.0-py3-none-any.whl"
    assert wheel_file.read_bytes() == (filled.public / _path(filled, "demo")).read_bytes()
    assert any(path.endswith(".whl.metadata") for path in asked)
