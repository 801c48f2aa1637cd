"""What the workflow's tests share: a repository with its four roles, and an empty store."""

from __future__ import annotations

import pytest

from tests.simulator import MemoryStore, Simulator


@pytest.fixture
def repository() -> Simulator:
    return Simulator()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()
