"""Writing: whole files or none, nothing overwritten that a cache may hold, and the ways of other systems."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import StoreError
from secure_fetch.signing import writer as writing
from secure_fetch.signing.writer import Writer, disk_errors, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    made = Writer(tmp_path / "state" / "tmp")
    made.clean()
    return made


def test_put_writes_once(writer: Writer, tmp_path: Path) -> None:
    path = tmp_path / "public" / "a" / "file"
    assert writer.put(path, b"one")
    written = path.stat().st_mtime_ns
    assert not writer.put(path, b"one")
    writer.settle()
    assert path.read_bytes() == b"one"
    assert path.stat().st_mtime_ns == written


def test_put_mends_what_was_damaged(writer: Writer, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"cut")
    assert writer.put(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_a_version_is_never_written_twice(writer: Writer, tmp_path: Path) -> None:
    path = tmp_path / "2.bin-0.json"
    writer.put_new(path, b"one")
    with pytest.raises(StoreError, match="a file of that name already"):
        writer.put_new(path, b"one")
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize("there", [None, b"same", b"other", b"longer than that"])
def test_a_draft_takes_its_place(there: bytes | None, writer: Writer, tmp_path: Path) -> None:
    path = tmp_path / "place" / "file"
    if there is not None:
        path.parent.mkdir()
        path.write_bytes(there)
    draft = writer.draft()
    draft.write_bytes(b"same")
    writer.adopt(draft, path)
    writer.settle()
    assert path.read_bytes() == b"same"
    assert not draft.exists()


def test_replace_never_leaves_half_a_file(writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "timestamp.json"
    writer.replace(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space left"), disk_errors(path):
        writer.replace(path, b"new")
    assert path.read_bytes() == b"old"


def test_clean_removes_what_a_crash_left(writer: Writer, tmp_path: Path) -> None:
    writer.draft().write_bytes(b"x")
    writer.put(tmp_path / "file", b"x")
    (tmp_path / "file").unlink()
    writer.clean()
    assert list((tmp_path / "state" / "tmp").iterdir()) == []
    writer.settle()  # and does not look for what is gone


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_many_files_are_settled_by_one_sync_where_that_waits(
    platform: str, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        calls.append("fsync")
        real(descriptor)

    monkeypatch.setattr(os, "sync", lambda: calls.append("sync"), raising=False)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(writing, "_MANY", 3)
    for number in range(4):
        writer.put(tmp_path / f"file-{number}", b"x")
    writer.settle()
    assert calls == (["sync"] if platform == "linux" else ["fsync"] * (4 + 1))
    calls.clear()
    writer.settle()
    assert calls == []


@pytest.mark.parametrize("case", [("win32", 3, 4), ("win32", 9, 6), ("linux", 1, 1)])
def test_on_windows_a_rename_waits_for_readers(
    case: tuple[str, int, int], writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, refusals, tries = case
    real: Callable[[Path, Path], Path] = Path.replace
    tried = []

    def replace(self: Path, target: Path) -> Path:
        tried.append(target)
        if len(tried) <= refusals:
            raise PermissionError(errno.EACCES, "in use")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(sys, "platform", platform)
    path = tmp_path / "file"
    if refusals < tries:
        writer.put(path, b"x")
        assert path.read_bytes() == b"x"
    else:
        with pytest.raises(PermissionError):
            writer.put(path, b"x")
        assert not path.exists()
    assert len(tried) == tries


def test_an_error_of_the_disk_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent: no such file") as raised, disk_errors(tmp_path):
        (tmp_path / "absent").read_bytes()
    assert raised.value.path == str(tmp_path / "absent")
    with pytest.raises(StoreError, match="something else") as raised, disk_errors(tmp_path):
        raise OSError("something else")
    assert raised.value.path == tmp_path
    assert raised.value.exit_code == 3


def test_a_file_that_is_absent_reads_as_none(tmp_path: Path) -> None:
    assert read_bytes(tmp_path / "absent") is None
