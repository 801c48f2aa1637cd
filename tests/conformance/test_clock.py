"""The caller sets the clock: real runs under faketime, which shifts every clock that a process has."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from .bench import LATER

if TYPE_CHECKING:
    from .bench import Bench
    from .conftest import MakeBench

DATA = b"x" * 200_000


@pytest.fixture
def faketime() -> str:
    found = shutil.which("faketime")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("faketime is not installed")
        pytest.skip("faketime is not installed")
    return found


def test_expiry_is_judged_by_the_clock_that_the_caller_sets(bench: Bench, faketime: str) -> None:
    assert bench.refresh(before=[faketime, "-f", "+29d"], peer=False).code == 0
    expired = bench.refresh(before=[faketime, "-f", "+31d"], peer=False)
    assert (expired.code, expired.asked) == (1, ["2.root.json"])
    assert bench.refresh(peer=False).code == 0


@pytest.mark.parametrize("moment", ["-9000d", "+25d", "@2001-09-09 01:46:40", "2001-09-09 01:46:40"])
def test_a_jump_of_the_clock_breaks_no_download(bench: Bench, moment: str, faketime: str) -> None:
    bench.repository.add_target("x", DATA)
    bench.repository.publish()
    outcome = bench.download("x", before=[faketime, "-f", moment], peer=False)
    assert (outcome.code, outcome.artifacts) == (0, {"x": DATA})


def test_a_server_that_fails_is_not_waited_for_under_any_clock(bench: Bench, faketime: str) -> None:
    bench.server.statuses["timestamp.json"] = 503
    outcome = bench.refresh(before=[faketime, "-f", "+20d"], peer=False)
    assert (outcome.code, outcome.asked) == (1, ["2.root.json", "timestamp.json"])


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_what_has_expired_since_still_counts_as_memory(bench: Bench, role: str, faketime: str) -> None:
    repository = bench.repository
    repository.publish("targets")
    repository.publish("targets")
    repository.signed(role).expires = LATER - timedelta(days=23)
    repository.publish_snapshot()
    assert bench.refresh(peer=False).versions[role] == repository.signed(role).version == 4
    repository.signed(role).expires = LATER
    repository.signed(role).version = 1
    if role == "snapshot":
        repository.publish_snapshot()
    else:
        repository.write("timestamp")
    outcome = bench.refresh(before=[faketime, "-f", "+18d"], peer=False)
    assert (outcome.code, outcome.versions[role]) == (1, 4)


def test_a_repository_of_long_ago_is_good_at_its_own_time(make_bench: MakeBench, faketime: str) -> None:
    bench = make_bench()
    for role in ("root", "timestamp", "snapshot", "targets"):
        bench.repository.signed(role).expires = LATER.replace(year=2016, month=1, day=1)
    bench.repository.publish_root()
    bench.repository.publish("targets")
    assert bench.refresh(peer=False).code == 1
    assert bench.refresh(before=[faketime, "2015-12-24 12:00:00"], peer=False).code == 0


def test_the_servers_date_does_not_count(bench: Bench, faketime: str) -> None:
    """The server's answers carry a Date of now, when everything is current."""
    assert bench.refresh(before=[faketime, "-f", "+4000d"], peer=False).code == 1
