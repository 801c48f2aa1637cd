"""Many processes on one store while the repository moves on (python-tuf #2836, sigstore-python #1403)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import RollbackError

from .clients import client, files_in, index, save
from .processes import PATH, backwards

if TYPE_CHECKING:
    from .simulator import Simulator

SOAK = bool(os.environ.get("SECURE_FETCH_SOAK"))
PROCESSES, ROUNDS = 32, 50 if SOAK else 3
CODE = Path(__file__).resolve().parent.parent


def publish(simulator: Simulator, number: int) -> None:
    simulator.add_target(PATH, b"%d" % number * 1000)
    if number % 10 == 9 and number < 500:  # every update walks the whole chain of roots
        simulator.publish_root()
    simulator.publish("targets", simulator.role_for(PATH))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked, to be many and quick")
def test_many_processes_share_one_store_while_a_publisher_is_at_work(tmp_path: Path) -> None:
    simulator = index()
    simulator.hash_bins()
    publish(simulator, 0)
    save(simulator, tmp_path / "mirror")
    command = [sys.executable, "-m", "tests.processes", "race", str(tmp_path), str(PROCESSES), str(ROUNDS)]
    with subprocess.Popen(
        command, cwd=CODE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as running:
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.extend(running.communicate()))
        reader.start()
        number = 0
        while reader.is_alive():
            number += 1
            publish(simulator, number)
            save(simulator, tmp_path / "mirror")
            reader.join(0.02)
    wrong, errors = output
    assert json.loads(wrong or "null") == [], errors
    logs = [json.loads(path.read_text("utf-8")) for path in tmp_path.glob("log-*.json")]
    assert [len(log) for log in logs] == [ROUNDS] * PROCESSES
    assert len({entry[3] for log in logs for entry in log}) > 3, "the publisher was not at work"

    with client(simulator, tmp_path, hash_prefix_targets=True) as one:  # what they left is whole, and remembers
        assert one.find(PATH) is not None
        seen = max(entry[3] for log in logs for entry in log)
        assert one.store.floor() >= max(entry[2] for log in logs for entry in log)
    simulator.timestamp.version = seen - 1
    simulator.write("timestamp")
    with client(simulator, tmp_path) as one, pytest.raises(RollbackError):
        one.refresh()
    assert [name for name in files_in(tmp_path / "state") if name.endswith(".tmp")] == []


def test_the_measure_of_that_test_sees_what_goes_back() -> None:
    early, late, older = [0.0, 1.0, 1, 5, 5, 5], [2.0, 3.0, 1, 6, 6, 6], [3.5, 4.0, 1, 6, 5, 6]
    assert backwards([early, late]) == backwards([late, early]) == []
    assert len(backwards([early, late, older])) == 1
    assert backwards([[0.0, 3.0, 1, 6, 6, 6], [2.0, 4.0, 1, 5, 5, 5]]) == []  # these two were side by side


def test_a_client_that_lives_long_does_not_stay_behind_its_neighbours(tmp_path: Path) -> None:
    """Every refresh reads the store again."""
    simulator = index()
    with client(simulator, tmp_path) as one, client(simulator, tmp_path) as other:
        one.refresh()
        old = dict(simulator.served)
        simulator.publish_root()
        simulator.publish("targets")
        other.refresh()
        simulator.requests.clear()
        one.refresh()
        assert simulator.asked == ["3.root.json", "timestamp.json"]
        simulator.served[simulator.url("timestamp.json")] = old[simulator.url("timestamp.json")]
        with pytest.raises(RollbackError):
            one.refresh()
