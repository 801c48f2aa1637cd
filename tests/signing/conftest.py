"""Repositories that every test here can have: with two bins, and keys that need no passphrase."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import SigningRepository

from .distributions import sdist, wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: what a killed process wrote is in the kernel's hands, and no test cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def repository(tmp_path: Path) -> SigningRepository:
    """Return a repository as `init` makes it."""
    return SigningRepository.create(tmp_path / "repo", Plan(bins=4))


@pytest.fixture
def filled(repository: SigningRepository, tmp_path: Path) -> SigningRepository:
    """Return a repository with three published files of two projects."""
    incoming = tmp_path / "incoming"
    repository.add([wheel(incoming), sdist(incoming), wheel(incoming, "other-thing", "2.1")])
    repository.publish()
    return repository
