"""A bench of both clients; `make_bench` makes one with another kind of repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .bench import Bench, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeBench = Callable[..., Bench]


@pytest.fixture
def server() -> Iterator[Served]:
    with Served() as server:
        yield server


@pytest.fixture
def make_bench(server: Served, tmp_path: Path) -> MakeBench:
    def make(**options: Any) -> Bench:
        return Bench(server, tmp_path, **options)

    return make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
