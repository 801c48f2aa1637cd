"""The whole way as a team goes it: sign, serve, trust, install; over TLS and a password; with python-tuf's parts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.cli.demo_stage import installed, make_wheel
from tests.authority import Authority
from tests.cli.corp import environment as home_variables
from tests.servers import Server
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN = ("SECURE_FETCH_", "PIP_", "XDG_", "REQUESTS_CA", "CURL_CA", "SSL_CERT", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an empty home, who types commands."""

    home: Path

    def __call__(self, *arguments: object) -> Ended:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        ended = subprocess.run(
            [sys.executable, "-m", "secure_fetch", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**kept, **home_variables(self.home), "PYTHONPATH": str(ROOT), "PIP_CONFIG_FILE": os.devnull},
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)


def ok(ended: Ended) -> Any:
    """Return what a command printed with --json, or nothing."""
    assert ended.code == 0, ended.out + ended.err
    return json.loads(ended.out) if ended.out.startswith("{") else None


@pytest.fixture
def user(tmp_path: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    return User(home)


@pytest.fixture
def signed(user: User, tmp_path: Path) -> Path:
    """Sign a repository with the commands alone, and return its folder."""
    wheels = tmp_path / "wheels"
    leaf = make_wheel(wheels, "e2e-leaf", "1.0")
    tree = make_wheel(wheels, "e2e-tree", "2.0", requires=["e2e-leaf"])
    folder = tmp_path / "repository"
    ok(user("repo", "init", folder, "--unencrypted-keys"))
    ok(user("repo", "add", folder, leaf, tree))
    ok(user("repo", "publish", folder))
    return folder


def environment(folder: Path) -> Path:
    venv.EnvBuilder(with_pip=False).create(folder)
    return folder / "bin" / "python"


def test_a_team_signs_and_installs_over_tls_with_a_password(user: User, signed: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with Server(signed / "public", tls=authority.context(), users={"dev": "s3cret!"}) as server:
        url = f"{server.url}simple/"
        root = signed / "public" / "metadata" / "1.root.json"
        ok(user("trust", "add", "corp", "--index-url", url, "--root", root))
        python = environment(tmp_path / "target")

        refused = user("install", "e2e-tree", "--python", python, "--cert", authority.file)
        assert refused.code == 3
        assert "401" in refused.err or "credentials" in refused.err
        assert installed(python) == {}

        netrc = user.home / ".netrc"
        netrc.write_text("machine 127.0.0.1 login dev password s3cret!\nmachine localhost login dev password s3cret!\n")
        netrc.chmod(0o600)
        untrusted = user("install", "e2e-tree", "--python", python)
        assert untrusted.code == 3
        assert "certificate" in untrusted.err

        ended = user("install", "e2e-tree", "--python", python, "--cert", authority.file, "--json")
        told = ok(ended)
        assert installed(python) == {"e2e-leaf": "1.0", "e2e-tree": "2.0"}
        assert {one["name"] for one in told["installed"]} == {"e2e-leaf", "e2e-tree"}
        assert "s3cret!" not in ended.out + ended.err

        files = tmp_path / "files"
        ok(user("download", "e2e-tree", "--no-deps", "-d", files, "--cert", authority.file))
        assert [path.name for path in files.iterdir()] == ["e2e_tree-2.0-py3-none-any.whl"]
        explained = user("explain", "e2e-tree", "--cert", authority.file)
        assert explained.code == 0
        for role in ("root", "timestamp", "snapshot", "targets", "bins"):
            assert role in explained.out
    written = [path for path in user.home.rglob("*") if path.is_file() and path != netrc]
    assert written
    assert not [path for path in written if b"s3cret!" in path.read_bytes()]


def test_python_tufs_client_walks_what_is_signed_here(signed: Path, tmp_path: Path) -> None:
    from tuf.ngclient import Updater, UpdaterConfig

    public = signed / "public"
    files = sorted(path.relative_to(public).as_posix() for path in (public / "packages").rglob("*.whl"))
    with Server(public) as server:
        updater = Updater(
            str(tmp_path / "tuf"),
            f"{server.url}metadata/",
            str(tmp_path),
            server.url,
            config=UpdaterConfig(prefix_targets_with_hash=False),
            bootstrap=(public / "metadata" / "1.root.json").read_bytes(),
        )
        updater.refresh()
        for file in files:
            info = updater.get_targetinfo(file)
            assert info is not None
            got = updater.download_target(info, str(tmp_path / "got.whl"))
            assert (public / file).read_bytes() == (tmp_path / "got.whl").read_bytes(), got


def test_a_new_release_is_found_after_the_next_publication_and_a_removed_one_is_gone(
    user: User,
    signed: Path,
    tmp_path: Path,
) -> None:
    with Server(signed / "public") as server:
        root = signed / "public" / "metadata" / "1.root.json"
        ok(user("trust", "add", "corp", "--index-url", f"{server.url}simple/", "--root", root))
        python = environment(tmp_path / "target")
        ok(user("install", "e2e-leaf", "--python", python))
        assert installed(python) == {"e2e-leaf": "1.0"}
        ok(user("repo", "add", signed, make_wheel(tmp_path / "wheels", "e2e-leaf", "1.1")))
        ok(user("repo", "publish", signed))
        ok(user("install", "--upgrade", "e2e-leaf", "--python", python))
        assert installed(python) == {"e2e-leaf": "1.1"}
        missing = user("install", "e2e-leaf==7", "--python", python)
        assert missing.code == 2
        assert "1.1" in missing.err
        misspelt = user("install", "e2e-laef", "--python", python)
        assert misspelt.code == 2
        assert "e2e-laef" in misspelt.err


def test_an_index_that_is_down_could_not_be_checked(user: User, signed: Path, tmp_path: Path) -> None:
    with Server(signed / "public") as server:
        url = f"{server.url}simple/"
    root = signed / "public" / "metadata" / "1.root.json"
    ok(user("trust", "add", "corp", "--index-url", url, "--root", root))
    ended = user("install", "e2e-leaf", "--python", environment(tmp_path / "target"))
    assert ended.code == 3
    assert "refused" in ended.err.lower() or "could not be fetched" in ended.err


def test_the_demo_index_is_plain_files_that_move_anywhere(signed: Path, user: User, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(signed / "public", moved)
    root = moved / "metadata" / "1.root.json"
    ok(user("trust", "add", "corp", "--index-url", f"{moved.as_uri()}/simple/", "--root", root))
    assert ok(user("refresh", "--json"))
    ok(user("download", "e2e-tree", "-d", tmp_path / "files"))
    assert {path.name.split("-")[0] for path in (tmp_path / "files").iterdir()} == {"e2e_leaf", "e2e_tree"}
