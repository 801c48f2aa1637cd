"""Whole files or none: writing beside and renaming, on every system, whatever fails on the way."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secure_fetch import disk
from secure_fetch.errors import MalformedError, StoreError

from .clients import files_in, names_in

if TYPE_CHECKING:
    from collections.abc import Callable


# Errors


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "Free some space on this disk"), (errno.EACCES, "Make it writable"), (None, "Make it writable")],
)
def test_a_hint_names_another_place(number: int | None, said: str) -> None:
    error = StoreError("/x", "it failed")
    error.__cause__ = None if number is None else OSError(number, "no")
    disk.point_elsewhere(error, "another folder with -d")
    assert error.hint == f"{said}{'' if number == errno.ENOSPC else ' for you'}, or name another folder with -d."


# Writing


def test_a_file_appears_whole_and_can_be_read_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with disk.atomic(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    file.seek(0)
    assert file.read() == b"half and half"
    file.close()
    assert files_in(tmp_path) == ["file"]


def test_a_file_replaces_what_had_its_name(tmp_path: Path) -> None:
    disk.write(tmp_path / "file", b"one")
    disk.write(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"two"


@pytest.mark.parametrize("error", [MalformedError("it", "wrong"), KeyboardInterrupt(), ValueError(), SystemExit()])
def test_an_interrupted_file_leaves_no_trace(error: BaseException, tmp_path: Path) -> None:
    disk.write(tmp_path / "file", b"before")
    opened = []

    def write_half() -> None:
        with disk.atomic(tmp_path / "file") as file:
            opened.append(file)
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert opened[0].closed
    assert files_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


def test_an_error_of_the_disk_in_the_middle_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="file: no space left on device") as caught, disk.atomic(tmp_path / "file"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "Free some space" in caught.value.hint
    assert caught.value.exit_code == 3
    assert files_in(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file" / "inside").mkdir(parents=True)
    with pytest.raises(StoreError):
        disk.write(tmp_path / "file", b"data")
    assert names_in(tmp_path) == ["file"]


def test_a_name_that_somebody_guessed_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").write_bytes(b"untouched")
    (tmp_path / ".guessed.tmp").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(secrets, "token_hex", lambda length: "guessed")
    with pytest.raises(StoreError, match="file exists"):
        disk.write(tmp_path / "file", b"data")
    assert (tmp_path / "elsewhere").read_bytes() == b"untouched"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        disk.write(tmp_path / "nowhere" / "file", b"data")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_a_file_is_private_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        disk.write(tmp_path / "private", b"")
        disk.write(tmp_path / "public", b"", mode=0o644)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("private", "public")] == [0o600, 0o644]


# What a file system need not be able to do


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_folder_that_cannot_be_synced_is_no_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems sync files and no folders."""
    break_folder_sync(monkeypatch, number)
    disk.write(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_folder_whose_sync_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_folder_sync(monkeypatch, errno.EIO)
    with pytest.raises(StoreError, match="input/output error"):
        disk.write(tmp_path / "file", b"data")
    assert files_in(tmp_path) == ["file"]  # whole, though perhaps not for ever


def break_folder_sync(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


# Windows, by injection


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the module take this system for Windows; return how long it slept."""

    class Windows:
        name = "nt"

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

    slept: list[float] = []
    monkeypatch.setattr(disk, "os", Windows())
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def held_for(monkeypatch: pytest.MonkeyPatch, tries: int) -> Callable[[], int]:
    """Let somebody hold a file for so many tries of renaming it; return how many there were."""
    real = Path.replace
    done = [0]

    def replace(self: Path, target: Path) -> Path:
        done[0] += 1
        if done[0] <= tries:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    return lambda: done[0]


@pytest.mark.parametrize("tries", [0, 1, 4, 5])
def test_a_rename_is_tried_again_on_windows(
    tries: int, windows: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_for(monkeypatch, tries)
    disk.write(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data"
    assert len(windows) == tries
    assert sum(windows) < 1


def test_a_rename_that_never_works_is_an_error_on_windows(
    windows: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_for(monkeypatch, 100)
    with pytest.raises(StoreError, match="permission denied"):
        disk.write(tmp_path / "file", b"data")
    assert files_in(tmp_path) == []


def test_a_rename_is_tried_once_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = held_for(monkeypatch, 1)
    with pytest.raises(StoreError):
        disk.write(tmp_path / "file", b"data")
    assert tries() == 1


def test_a_file_is_closed_before_its_rename_on_windows(
    windows: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        closed.append(opened[0].closed)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    opened = []
    with disk.atomic(tmp_path / "file") as file:
        opened.append(file)
        file.write(b"data")
    assert closed == [True]


def test_no_folder_is_synced_on_windows(windows: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_folder_sync(monkeypatch, errno.EACCES)
    opened: list[object] = []
    real = os.open

    def record(path: str, flags: int, mode: int = 0o777) -> int:
        opened.append(path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", record)
    disk.write(tmp_path / "file", b"data")
    assert len(opened) == 1  # the temporary file


# Folders


def test_folders_are_made_with_all_their_parents_and_stay_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    disk.make_folder(tmp_path / "a" / "b")
    disk.make_folder(tmp_path / "a" / "b")
    disk.make_folder(tmp_path)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("", "a", "a/b")] == [0o755, 0o700, 0o700]


@pytest.mark.parametrize("make", ["file", "dangling link"])
def test_what_is_in_the_way_of_a_folder_is_an_error(make: str, tmp_path: Path) -> None:
    if make == "file":
        (tmp_path / "a").write_bytes(b"")
    else:
        (tmp_path / "a").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(StoreError, match="not a directory") as caught:
        disk.make_folder(tmp_path / "a")
    assert "in the way" in caught.value.hint
    with pytest.raises(StoreError):
        disk.make_folder(tmp_path / "a" / "b")


def test_a_name_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="too long"):
        disk.make_folder(tmp_path / ("x" * 300))


# Reading, sweeping, explaining


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    with disk.open_file(tmp_path / "file") as file:
        assert file.read() == b"data"
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "nothing"):
        with pytest.raises(OSError, match=r"."):
            disk.open_file(tmp_path / name)


def test_a_sweep_of_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    disk.sweep_temporary(tmp_path / "gone")


def test_a_sweep_goes_by_the_time_it_is_given(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"")
    disk.sweep_temporary(tmp_path)
    disk.sweep_temporary(tmp_path, now=time.time() + 23 * 3600)
    assert files_in(tmp_path) == [".0123456789abcdef.tmp"]
    disk.sweep_temporary(tmp_path, now=time.time() + 25 * 3600)
    assert files_in(tmp_path) == []


def test_a_temporary_file_that_cannot_be_removed_is_left(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef.tmp" / "inside").mkdir(parents=True)
    disk.sweep_temporary(tmp_path, now=time.time() + 25 * 3600)
    assert names_in(tmp_path) == [".0123456789abcdef.tmp"]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "limit"),
        (errno.EACCES, "--cache-dir"),
        (errno.EROFS, "--state-dir"),
        (errno.ELOOP, "link"),
        (errno.EIO, "Check this disk"),
    ],
)
def test_an_error_of_the_disk_says_what_to_do(number: int, hint: str) -> None:
    error = disk.explain("folder/file", OSError(number, os.strerror(number)))
    assert hint in error.hint
    assert str(error).startswith("folder/file: ")


def test_an_error_without_a_number_is_explained_too() -> None:
    assert str(disk.explain("file", OSError("Odd"))) == "file: odd. Check this disk."
