"""`secure-fetch cache`: downloads go, the memory against rollbacks stays."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from .corp import Cli, Corp


def fill(cli: Cli, *options: object) -> None:
    """Refresh, and download a page."""
    assert cli("explain", "flask", *options).code == 0


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_dir(cli: Cli) -> None:
    assert cli("cache", "dir", "-q").out == f"{cli.cache}\n"
    assert cli("cache", "dir", "--json").json == {"cache_dir": str(cli.cache)}


def test_info(trusting: Cli) -> None:
    assert trusting("cache", "info", "--json").json["repositories"] == []
    assert "0 bytes in" in trusting("cache", "info").out
    fill(trusting)
    ended = trusting("cache", "info")
    assert "corp" in ended.out
    assert str(trusting.state) in ended.out
    found = trusting("cache", "info", "--json").json
    assert found["repositories"] == [{"name": "corp", "files": 1, "bytes": found["bytes"]}]
    assert found["bytes"] > 100


def test_purge_deletes_downloads_and_nothing_else(trusting: Cli) -> None:
    fill(trusting)
    (trusting.cache / "mine.txt").write_text("x", encoding="utf-8")
    (trusting.cache / "corp" / "files" / "mine").mkdir()
    before = contents(trusting.state)
    ended = trusting("cache", "purge", "--json")
    assert ended.code == 0
    assert ended.json["files"] == 1
    assert contents(trusting.state) == before != {}
    assert contents(trusting.cache) == {"mine.txt": b"x"}
    assert (trusting.cache / "corp" / "files" / "mine").is_dir()
    assert "Deleted 0 file(s)" in trusting("cache", "purge").out


def rolled_back(cli: Cli, corp: Corp, *options: object) -> Any:
    """Show a newer timestamp, purge, and show the old one again."""
    timestamp = corp.folder / "metadata" / "timestamp.json"
    old = timestamp.read_bytes()
    corp.publish()
    fill(cli, *options)
    assert cli("cache", "purge", *options).code == 0
    timestamp.write_bytes(old)
    return cli("refresh", "--json", *options)


@pytest.mark.parametrize(
    "state", ["", "state", "corp/files", "corp/files/" + "a" * 64, "corp/files/" + "a" * 64 + "/x", "corp"]
)
def test_purge_keeps_rollback_memory_wherever_it_lies(trusting: Cli, corp: Corp, tmp_path: Path, state: str) -> None:
    cache = tmp_path / "c"
    ended = rolled_back(trusting, corp, "--cache-dir", cache, "--state-dir", cache / state)
    assert ended.code == 1
    assert ended.error["kind"] == "RollbackError"
    assert list(cache.rglob("timestamp/*.json"))


def test_memory_of_a_repository_called_files_is_no_download(trusting: Cli, corp: Corp) -> None:
    trusting.config.write_text(corp.config.replace("corp", "files"), encoding="utf-8")
    ended = rolled_back(trusting, corp, "--state-dir", trusting.cache / "state")
    assert ended.error["kind"] == "RollbackError"


def test_a_cache_folder_that_was_named_by_mistake_is_not_emptied(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos" / "files").mkdir(parents=True)
    (tmp_path / "photos" / "files" / "me.jpg").write_bytes(b"x")
    before = contents(tmp_path)
    assert cli("cache", "purge", "--cache-dir", tmp_path).code == 0
    assert contents(tmp_path) == before


def test_links_are_not_followed(trusting: Cli, tmp_path: Path) -> None:
    fill(trusting)
    precious = tmp_path / "precious" / ("b" * 64)
    precious.mkdir(parents=True)
    (precious / "x").write_bytes(b"x")
    (trusting.cache / "corp" / "files" / ("b" * 64)).symlink_to(precious)
    (trusting.cache / "linked").mkdir()
    (trusting.cache / "linked" / "files").symlink_to(tmp_path / "precious")
    assert trusting("cache", "purge").code == 0
    assert (precious / "x").exists()


def test_a_cache_that_is_no_folder_is_empty(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c").write_text("", encoding="utf-8")
    assert cli("cache", "info", "--json", "--cache-dir", tmp_path / "c").json["bytes"] == 0


def refusing(name: str, error: OSError, real: Any) -> Any:
    def refuse(path: Any, *args: Any, **options: Any) -> Any:
        if name in str(path):
            raise error
        return real(path, *args, **options)

    return refuse


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionError(13, "Permission denied"), 3), (FileNotFoundError(2, "gone"), 0)]
)
def test_what_cannot_be_deleted(trusting: Cli, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int) -> None:
    fill(trusting)
    monkeypatch.setattr(shutil, "rmtree", refusing("files", error, shutil.rmtree))
    ended = trusting("cache", "purge")
    assert ended.code == code
    assert ("permission denied" in ended.err) == (code == 3)


def test_what_cannot_be_listed(trusting: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(trusting)
    kind = type(trusting.cache)
    monkeypatch.setattr(kind, "iterdir", refusing("files", PermissionError(13, "Permission denied"), kind.iterdir))
    assert trusting("cache", "info").code == 3


def test_files_that_vanish_meanwhile_are_not_counted(trusting: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(trusting)
    monkeypatch.setattr(os, "lstat", refusing("index", FileNotFoundError(2, "gone"), os.lstat))
    assert trusting("cache", "info", "--json").json["repositories"] == [{"name": "corp", "files": 0, "bytes": 0}]
