"""Trusted metadata on disk: names, sweeping, the floor, and what is in a folder that nobody put there."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch import RoleName
from secure_fetch.errors import StoreError
from secure_fetch.store import Store
from secure_fetch.trust import Keep

from .clients import files_in, names_in
from .simulator import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT, TIMESTAMP, TARGETS, BIN = (RoleName(name) for name in ("root", "timestamp", "targets", "bin-0a"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "corp")


def keep(store: Store, role: RoleName, version: int, data: bytes, *, root: int = 1) -> str:
    """Keep something, and return the part of its name that says what it is."""
    store.keep(Keep(role=role, root_version=root, version=version, data=data))
    return hashlib.sha256(data).hexdigest()[:16]


def versions(store: Store, role: RoleName) -> list[tuple[int, int, bytes]]:
    return [(stored.root_version, stored.version, stored.data) for stored in store.load(role)]


# Names


def test_a_file_is_named_for_what_it_is(store: Store) -> None:
    root = keep(store, ROOT, 3, b"root", root=3)
    timestamp = keep(store, TIMESTAMP, 7, b"timestamp", root=3)
    targets = keep(store, TARGETS, 5, b"targets", root=3)
    binned = keep(store, BIN, 6, b"bin", root=3)
    odd = keep(store, RoleName("../A b"), 1, b"odd", root=3)
    assert files_in(store.folder) == sorted(
        [
            "floor/3",
            f"root/3-{root}.json",
            f"timestamp/3-7-{timestamp}.json",
            f"targets/targets/3-5-{targets}.json",
            f"targets/bin-0a/3-6-{binned}.json",
            f"targets/%2e%2e%2f%41%20b/3-1-{odd}.json",
        ]
    )
    assert versions(store, RoleName("../A b")) == [(3, 1, b"odd")]


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60)


@given(st.lists(NAMES, min_size=2, max_size=6, unique=True))
def test_two_roles_never_share_a_file(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    roles = [RoleName(name) for name in names]
    for role in roles:
        keep(store, role, 1, role.text.encode())
    assert all(versions(store, role) == [(1, 1, role.text.encode())] for role in roles)


def test_what_is_kept_is_private_to_the_user(store: Store) -> None:
    keep(store, BIN, 1, b"data")
    for path in [store.folder, *store.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_an_empty_store_has_nothing_and_makes_nothing(store: Store) -> None:
    assert (store.load(ROOT), store.load(TIMESTAMP), store.floor(), store.updated()) == ((), (), 0, None)
    assert not store.folder.exists()


def test_the_same_version_with_other_content_is_another_file(store: Store) -> None:
    keep(store, TIMESTAMP, 7, b"one")
    keep(store, TIMESTAMP, 7, b"two")
    keep(store, TIMESTAMP, 7, b"two")
    assert sorted(versions(store, TIMESTAMP)) == [(1, 7, b"one"), (1, 7, b"two")]


def test_files_come_highest_version_first_then_highest_root(store: Store) -> None:
    for root, version in ((1, 9), (2, 10), (3, 9), (1, 100)):
        keep(store, TIMESTAMP, version, b"%d" % root, root=root)
    assert [(root, version) for root, version, _ in versions(store, TIMESTAMP)] == [(1, 100), (2, 10), (3, 9)]
    assert [stored.version for stored in store.load(TIMESTAMP, 10)] == [10]
    assert store.load(TIMESTAMP, 11) == ()


def test_an_edited_file_is_written_again(store: Store) -> None:
    keep(store, TIMESTAMP, 7, b"data")
    (path,) = (store.folder / "timestamp").iterdir()
    path.write_bytes(b"edited")
    keep(store, TIMESTAMP, 7, b"data")
    assert versions(store, TIMESTAMP) == [(1, 7, b"data")]


JUNK = [
    "junk",
    "1-2.json",
    "1-2-0123456789abcdef.json.bak",
    "1-2-0123456789ABCDEF.json",
    "1-2-3-0123456789abcdef.json",
    "-1-2-0123456789abcdef.json",
    "1-\u0662-0123456789abcdef.json",
    "1-2-0123456789abcdef.json\n",
    ".1-2-0123456789abcdef.json",
    "1-99999999999999999999-0123456789abcdef.json",
    "2-0123456789abcdef.json",
]


def test_names_that_it_does_not_know_are_ignored_and_left_alone(store: Store) -> None:
    keep(store, TIMESTAMP, 1, b"data")
    for name in JUNK:
        (store.folder / "timestamp" / name).write_bytes(b"junk")
    (store.folder / "floor").mkdir()
    for name in ("x", "-9", "9.json", "\u0669"):
        (store.folder / "floor" / name).write_bytes(b"")
    keep(store, TIMESTAMP, 5, b"more")
    assert versions(store, TIMESTAMP) == [(1, 5, b"more")]
    assert store.floor() == 1
    assert {*JUNK} < {*names_in(store.folder / "timestamp")}


def test_a_root_has_no_root_version_in_its_name(store: Store) -> None:
    keep(store, ROOT, 2, b"data")
    (store.folder / "root" / "9-9-0123456789abcdef.json").write_bytes(b"junk")
    assert versions(store, ROOT) == [(2, 2, b"data")]
    assert store.floor() == 2


# Sweeping


def test_a_sweep_removes_only_lower_versions_of_the_same_epoch(store: Store) -> None:
    for root, version in ((1, 3), (1, 1000), (2, 4), (2, 5)):
        keep(store, TIMESTAMP, version, b"%d" % version, root=root)
    assert [(root, version) for root, version, _ in versions(store, TIMESTAMP)] == [(1, 1000), (2, 5)]
    keep(store, TIMESTAMP, 2, b"2", root=2)  # of a neighbour that is behind: nothing newer goes
    assert [(root, version) for root, version, _ in versions(store, TIMESTAMP)] == [(1, 1000), (2, 5), (2, 2)]


def test_roots_are_never_swept(store: Store) -> None:
    for version in (2, 3, 4):
        keep(store, ROOT, version, b"%d" % version, root=version)
    assert [version for _, version, _ in versions(store, ROOT)] == [4, 3, 2]


def test_temporary_files_go_after_a_day(store: Store) -> None:
    keep(store, TIMESTAMP, 1, b"data")
    folder = store.folder / "timestamp"
    for name, hours in (
        (".0123456789abcdef.tmp", 25),
        (".fedcba9876543210.tmp", 23),
        ("other.tmp", 25),
        (".other", 25),
    ):
        (folder / name).write_bytes(b"half")
        then = (folder / name).stat().st_mtime - hours * 3600
        os.utime(folder / name, (then, then))
    keep(store, TIMESTAMP, 2, b"more")
    assert {name for name in names_in(folder) if "json" not in name} == {
        ".fedcba9876543210.tmp",
        "other.tmp",
        ".other",
    }


def test_a_sweep_that_fails_is_not_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, TIMESTAMP, 1, b"data")

    def held(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", held)
    keep(store, TIMESTAMP, 2, b"more")
    assert len(versions(store, TIMESTAMP)) == 2


# The floor


def test_the_floor_is_the_highest_root_in_any_name(store: Store) -> None:
    keep(store, ROOT, 4, b"root", root=4)
    assert store.floor() == 4
    keep(store, TIMESTAMP, 1, b"data", root=6)
    assert store.floor() == 6
    for file in files_in(store.folder):
        if not file.startswith("floor/"):
            (store.folder / file).unlink()
    assert store.floor() == 4


def test_the_floor_rises_before_the_root_is_written(store: Store) -> None:
    (store.folder).mkdir(parents=True)
    (store.folder / "root").write_bytes(b"in the way")
    with pytest.raises(StoreError):
        keep(store, ROOT, 4, b"root", root=4)
    (store.folder / "root").unlink()
    (store.folder / "root" / "4-0123456789abcdef.json").mkdir(parents=True)
    with pytest.raises(StoreError):
        store.load(ROOT)


# Other processes on the same folder


def losing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the next listings come back empty, as they do on some file systems under a busy writer."""
    real = Path.iterdir
    left = [times]

    def iterdir(self: Path) -> Iterator[Path]:
        left[0] -= 1
        return iter(()) if left[0] >= 0 else real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)


@pytest.mark.parametrize("times", [1, 2])
def test_a_listing_that_comes_back_empty_is_read_again(
    times: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, ROOT, 2, b"root")
    keep(store, TIMESTAMP, 7, b"data", root=1)
    losing(monkeypatch, times)
    assert versions(store, TIMESTAMP) == [(1, 7, b"data")]
    losing(monkeypatch, times)
    assert store.floor() == 2


def test_a_file_that_is_swept_between_listing_and_reading_is_looked_for_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, TIMESTAMP, 7, b"old")
    real = Store._read
    sweeps = iter(range(8, 11))

    def read(folder: Path, *name: object) -> object:
        version = next(sweeps, None)
        if version is not None:
            keep(store, TIMESTAMP, version, b"%d" % version)
        return real(folder, *name)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "_read", staticmethod(read))
    assert versions(store, TIMESTAMP) == [(1, 10, b"10")]


def test_memory_that_cannot_be_read_is_an_error_and_not_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is taken for empty lets a rollback through."""
    keep(store, TIMESTAMP, 7, b"old")

    def read(*_: object) -> object:
        raise FileNotFoundError

    monkeypatch.setattr(Store, "_read", staticmethod(read))
    with pytest.raises(StoreError, match="faster than it can be read"):
        store.load(TIMESTAMP)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such links and pipes")
@pytest.mark.parametrize("make", ["link", "pipe", "folder", "link to a device"])
def test_what_is_no_regular_file_is_an_error_and_is_not_waited_for(make: str, store: Store, tmp_path: Path) -> None:
    keep(store, TIMESTAMP, 1, b"data")
    path = store.folder / "timestamp" / "1-2-0123456789abcdef.json"
    if make == "link":
        (tmp_path / "elsewhere").write_bytes(b"data")
        path.symlink_to(tmp_path / "elsewhere")
    elif make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(StoreError, match="1-2-") as caught:
        store.load(TIMESTAMP)
    assert caught.value.exit_code == 3


def test_something_in_the_way_of_a_folder_is_an_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "corp").write_bytes(b"a file")
    with pytest.raises(StoreError, match="corp") as caught:
        keep(store, TIMESTAMP, 1, b"data")
    assert "in the way" in caught.value.hint
    with pytest.raises(StoreError):
        store.load(TIMESTAMP)
    with pytest.raises(StoreError):
        store.touch(NOW)
    assert store.updated() is None


# When an update last succeeded


def test_the_time_of_the_last_update_is_kept_to_the_second(store: Store) -> None:
    store.touch(NOW + timedelta(seconds=7, microseconds=999_999))
    assert store.updated() == NOW + timedelta(seconds=7)
    store.touch(NOW)
    assert store.updated() == NOW


def test_a_marker_that_cannot_be_written_is_an_error(store: Store) -> None:
    store.folder.mkdir(parents=True)
    (store.folder / "updated").symlink_to(store.folder / "no" / "where")
    with pytest.raises(StoreError, match="updated"):
        store.touch(NOW)
