"""Making, opening, filling a repository: what is refused, and that a refusal changes nothing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import ConfigurationError, NotFoundError, StoreError, UsageError
from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import Addition, SigningRepository

from .distributions import archive, metadata, sdist, wheel
from .walker import assert_published, newest_root, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2030, 1, 1, 12, 30, 15, 999, tzinfo=timezone.utc)


def state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_init_publishes_an_empty_repository(tmp_path: Path) -> None:
    repository = SigningRepository.create(tmp_path / "a" / "repo", Plan(bins=8, root_keys=3, root_threshold=2), now=NOW)
    assert set(assert_published(repository)) == {"simple/index.html", "simple/index.json"}
    assert {path.name for path in repository.folder.iterdir()} == {"keys", "public", "state", "repository.json"}
    assert {path.name for path in repository.public.iterdir()} == {"metadata", "simple", "packages"}
    versions = {path.name.split(".")[0] for path in (repository.public / "metadata").iterdir()}
    assert versions == {"1", "timestamp"}
    root = newest_root(repository.public / "metadata").signed
    assert (len(root.roles["root"].keyids), root.roles["root"].threshold) == (3, 2)
    assert root.expires == datetime(2031, 1, 1, 12, 30, 15, tzinfo=timezone.utc)
    assert repository.root_file.name == "1.root.json"
    assert repository.fingerprint.startswith("sha256:")


def test_root_signs_with_every_key_that_is_here(tmp_path: Path) -> None:
    repository = SigningRepository.create(tmp_path / "repo", Plan(bins=2, root_keys=5, root_threshold=3))
    assert len(newest_root(repository.public / "metadata").signatures) == 5


def test_an_empty_folder_can_become_a_repository(tmp_path: Path) -> None:
    before = tmp_path.stat().st_ino
    SigningRepository.create(tmp_path, Plan(bins=2))
    assert tmp_path.stat().st_ino == before  # a shell in this folder stays in it


def test_init_leaves_what_is_there_alone(repository: SigningRepository, tmp_path: Path) -> None:
    before = state(repository.folder)
    with pytest.raises(UsageError, match="is a repository already"):
        SigningRepository.create(repository.folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("x")
    with pytest.raises(UsageError, match=r"is not empty\."):
        SigningRepository.create(other)
    with pytest.raises(UsageError, match="is not a folder"):
        SigningRepository.create(other / "mine")
    assert state(repository.folder) == before
    assert [path.name for path in other.iterdir()] == ["mine"]


def test_an_interrupted_init_is_named(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".init").mkdir(parents=True)
    with pytest.raises(UsageError, match="an earlier `init` was interrupted"):
        SigningRepository.create(tmp_path / "repo")


def test_of_two_inits_at_once_one_loses_and_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repository"
    SigningRepository.create(folder, Plan(bins=2))
    before = state(folder)
    monkeypatch.setattr("secure_fetch.signing.repository._empty", lambda _: False)  # it looked before the other began
    with pytest.raises(UsageError, match="not empty"):
        SigningRepository.create(folder, Plan(bins=2))
    assert state(folder) == before
    (folder / ".init").mkdir()  # the other one is at it
    with pytest.raises(StoreError):
        SigningRepository.create(folder, Plan(bins=2))
    (folder / ".init").rmdir()
    assert state(folder) == before


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_an_init_that_fails_leaves_nothing(
    there: bool, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repo"
    if there:
        folder.mkdir()
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "public":
            raise failure
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    expected = StoreError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        SigningRepository.create(folder, Plan(bins=2))
    assert folder.exists() is there
    assert [*tmp_path.rglob("*")] == ([folder] if there else [])


def test_init_under_a_file_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="not a directory"):
        SigningRepository.create(tmp_path / "file" / "repo")


def test_what_is_no_repository_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a repository: it has no repository\.json"):
        SigningRepository.open(tmp_path / "absent")


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"plan": {}}', b'{"format": 1, "plan": 1}'])
def test_a_damaged_plan_is_refused(data: bytes, repository: SigningRepository) -> None:
    (repository.folder / "repository.json").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"repository\.json"):
        SigningRepository.open(repository.folder)


def test_a_later_format_is_not_guessed_at(repository: SigningRepository) -> None:
    path = repository.folder / "repository.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "format": 2}))
    with pytest.raises(ConfigurationError, match="has the format '2', and this version reads 1"):
        SigningRepository.open(repository.folder)


def test_a_repository_can_be_moved(filled: SigningRepository, tmp_path: Path) -> None:
    targets = seen(filled.public)
    moved = SigningRepository.open(filled.folder.rename(tmp_path / "moved"))
    moved.refresh(force=True)
    assert assert_published(moved) == targets


def test_add_tells_what_is_new(repository: SigningRepository, tmp_path: Path) -> None:
    files = [wheel(tmp_path / "in"), sdist(tmp_path / "in")]
    assert repository.add(files) == Addition(added=tuple(path.name for path in files), present=())
    assert repository.status().waiting == ("demo",)
    again = [*files, wheel(tmp_path / "in", "demo", "2.0"), files[0]]
    assert repository.add(again) == Addition(added=(again[2].name,), present=tuple(path.name for path in files))


def test_what_was_added_is_not_signed_before_it_is_published(repository: SigningRepository, tmp_path: Path) -> None:
    repository.add([wheel(tmp_path)])
    assert set(seen(repository.public)) == {"simple/index.html", "simple/index.json"}


def test_the_file_may_be_gone_once_it_was_added(repository: SigningRepository, tmp_path: Path) -> None:
    path = wheel(tmp_path / "in")
    data = path.read_bytes()
    repository.add([str(path)])
    path.write_bytes(b"another")
    repository.publish()
    [found] = [name for name in assert_published(repository) if name.endswith(".whl")]
    assert (repository.public / found).read_bytes() == data


def test_the_time_of_an_addition_is_on_the_page(repository: SigningRepository, tmp_path: Path) -> None:
    repository.add([wheel(tmp_path)], now=NOW.astimezone(timezone(timedelta(hours=2))))
    repository.publish()
    page = json.loads((repository.public / "simple/demo/index.json").read_bytes())
    assert page["files"][0]["upload-time"] == "2030-01-01T12:30:15Z"


def test_one_wrong_file_keeps_all_others_out(filled: SigningRepository, tmp_path: Path) -> None:
    before = state(filled.folder)
    good = wheel(tmp_path / "in", "good", "1.0")
    broken = wheel(tmp_path / "in", "broken", "1.0")
    broken.write_bytes(broken.read_bytes()[:100])
    lying = wheel(tmp_path / "in", "lying", "1.0", text=metadata("other", "1.0"))
    control = archive(tmp_path / "in" / "x\n-1.0-py3-none-any.whl", {})
    spaced = sdist(tmp_path / "in", "x", filename="x- 1.0.tar.gz")
    same = wheel(tmp_path / "other", "demo", "1.0", body="something_else = 1\n")
    for bad, why in (
        (broken, "it is broken"),
        (lying, "is that of the project 'other'"),
        (control, "not the name of a wheel"),
        (spaced, "not the name of a wheel"),
        (same, "is here already, with other content"),
        (tmp_path / "absent.whl", "there is no such file"),
        (tmp_path, "it is a folder"),
    ):
        with pytest.raises(UsageError, match=why) as raised:
            filled.add([good, bad])
        assert raised.value.exit_code == 2
        assert state(filled.folder) == before
    filled.publish()
    assert state(filled.folder) == before


def test_remove_takes_files_and_projects_out(filled: SigningRepository) -> None:
    with pytest.raises(NotFoundError):
        filled.remove(["demo-1.0.tar.gz", "absent-1.0.tar.gz"])
    filled.remove(["demo-1.0.tar.gz", "other_thing-2.1-py3-none-any.whl"])
    assert filled.status().waiting == ("demo", "other-thing")
    assert (filled.public / "simple/other-thing/index.html").exists()
    done = filled.publish()
    assert done.projects == ("demo", "other-thing")
    targets = assert_published(filled)
    assert [path.rpartition("/")[2] for path in targets if path.endswith((".whl", ".gz"))] == [
        "demo-1.0-py3-none-any.whl"
    ]
    assert not (filled.public / "simple/other-thing/index.html").exists()
    assert b"other" not in (filled.public / "simple/index.html").read_bytes()


def test_a_removed_file_may_come_back(filled: SigningRepository, tmp_path: Path) -> None:
    before = seen(filled.public)
    name = "other_thing-2.1-py3-none-any.whl"
    filled.remove([name])
    filled.publish()
    filled.add([tmp_path / "incoming" / name])
    filled.publish()
    assert assert_published(filled).keys() == before.keys()


def test_a_file_that_vanished_is_named_before_anything_is_signed(repository: SigningRepository, tmp_path: Path) -> None:
    repository.add([wheel(tmp_path)])
    [path] = repository.public.rglob("*.whl")
    path.unlink()
    before = seen(repository.public)
    with pytest.raises(StoreError, match=r"demo-1\.0-py3-none-any\.whl: it was added, and is now missing"):
        repository.publish()
    assert seen(repository.public) == before
    repository.add([tmp_path / path.name])
    repository.publish()
    assert_published(repository)


def test_a_time_needs_a_time_zone(repository: SigningRepository) -> None:
    with pytest.raises(UsageError, match="time zone"):
        repository.publish(datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_lost_catalog_is_not_taken_for_an_empty_one(filled: SigningRepository) -> None:
    before = seen(filled.public)
    (filled.folder / "state" / "catalog.json").unlink()
    with pytest.raises(StoreError, match=r"catalog\.json: it is missing"):
        filled.publish()
    assert seen(filled.public) == before


def test_a_served_folder_that_is_gone_is_an_error_of_the_disk(filled: SigningRepository) -> None:
    shutil.rmtree(filled.public)
    for action in (filled.publish, filled.status, lambda: filled.root_file, lambda: filled.fingerprint):
        with pytest.raises(StoreError, match="metadata"):
            action()
    (filled.public / "metadata").mkdir(parents=True)
    with pytest.raises(StoreError, match="it holds no root"):
        _ = filled.root_file


def test_progress_is_told(repository: SigningRepository, tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}

    @contextlib.contextmanager
    def progress(label: str, total: int, /) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        told[label] = (sum(done), total)

    repository.add([wheel(tmp_path), sdist(tmp_path)], progress=progress)
    repository.publish(progress=progress)
    bins = told.pop("Signing bins")
    assert told == {"Adding files": (2, 2), "Rendering pages": (1, 1)}
    assert bins[0] == bins[1] > 0
