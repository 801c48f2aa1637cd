"""Processes killed for real at every step of their work: what is served stays whole, and the next run repairs."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import UsageError
from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import SigningRepository
from tests.source_tree import ROOT

from .distributions import sdist, wheel
from .walker import assert_published, plain_pages, seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")


def killed(copies: Path, source: Path, action: str, arguments: Sequence[Path] = ()) -> list[Path]:
    """Return the copies of a repository that killed processes left, one for each step."""
    copies.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.signing.killing", str(copies), str(source), action, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    return [copies / str(step) for step in range(1, int(done.stdout) + 1)]


def packages(targets: dict[str, str]) -> set[str]:
    return {path for path in targets if path.startswith("packages/")}


def lasting(public: Path) -> dict[Path, bytes]:
    """Return the files that caches may hold for ever: those with a version or a hash in their name."""
    paths = [*(public / "metadata").glob("[0-9]*.json"), *(public / "simple").rglob("?" * 64 + ".index.*")]
    return {path: path.read_bytes() for path in paths}


def test_a_publication_killed_at_any_step_is_repaired_by_the_next(filled: SigningRepository, tmp_path: Path) -> None:
    before = seen(filled.public)
    filled.add([wheel(tmp_path / "in", "demo", "2.0"), wheel(tmp_path / "in", "third", "1.0")])
    filled.remove(["other_thing-2.1-py3-none-any.whl"])
    copies = killed(tmp_path / "copies", filled.folder, "publish")
    filled.publish()
    after = assert_published(filled)
    assert len(copies) > 20
    sights = []
    for copy in copies:
        repository = SigningRepository.open(copy)
        sight = seen(repository.public)
        sights.append(sight == after)
        assert sight in (before, after)
        named = set(plain_pages(repository.public))
        assert {"simple/index.html", "simple/demo/index.html"} <= named
        left = lasting(repository.public)
        repository.publish(datetime.now(timezone.utc) + timedelta(minutes=1))  # so that other bytes are signed
        assert assert_published(repository) == after
        assert {path: path.read_bytes() for path in left} == left
        assert list((copy / "state" / "tmp").iterdir()) == []
    # The timestamp makes it visible, once: before that all is old, after that all is new.
    assert sights == sorted(sights)
    assert not sights[0]
    assert sights[-1]


def test_a_refresh_killed_at_any_step_is_repaired_by_the_next(filled: SigningRepository, tmp_path: Path) -> None:
    before = seen(filled.public)
    copies = killed(tmp_path / "copies", filled.folder, "refresh")
    assert len(copies) > 10
    for copy in copies:
        assert seen(copy / "public") == before
        repository = SigningRepository.open(copy)
        repository.refresh()
        assert seen(copy / "public") == before
        repository.publish()
        assert assert_published(repository) == before


def test_an_addition_killed_at_any_step_added_all_or_nothing(filled: SigningRepository, tmp_path: Path) -> None:
    before = seen(filled.public)
    files = [wheel(tmp_path / "in", "demo", "2.0"), sdist(tmp_path / "in", "demo", "2.0")]
    copies = killed(tmp_path / "copies", filled.folder, "add", files)
    assert len(copies) > 10
    for copy in copies:
        assert seen(copy / "public") == before
        repository = SigningRepository.open(copy)
        assert repository.status().files in (3, 5)
        done = repository.add(files)
        assert len(done.added) in (0, 2)
        repository.publish()
        assert len(packages(assert_published(repository))) == len(packages(before)) + 3


def test_an_init_killed_at_any_step_leaves_a_repository_or_says_so(tmp_path: Path) -> None:
    copies = killed(tmp_path / "copies", tmp_path / "absent", "create")
    assert len(copies) > 20
    for copy in copies:
        if (copy / "repository.json").exists():
            SigningRepository.open(copy).publish()
            continue
        with pytest.raises(UsageError, match="is not a repository"):
            SigningRepository.open(copy)
        if copy.exists() and any(copy.iterdir()):
            with pytest.raises(UsageError, match="is not empty"):
                SigningRepository.create(copy, Plan(bins=2))
