"""Measuring two things side by side: medians of several rounds, the order alternated."""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 11


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def side_by_side(
    ours: Callable[[], object], peer: Callable[[], object], *, rounds: int = ROUNDS
) -> tuple[float, float]:
    """Return the median seconds of both, each warmed up once and first in every second round."""
    ours(), peer()
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            times[which].append(seconds(peer if which else ours))
    return statistics.median(times[0]), statistics.median(times[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One case: what was measured against what, in seconds, and whether it keeps its bar."""

    case: str
    ours_s: float
    peer: str
    peer_s: float
    bar: str
    ok: bool

    @property
    def ratio(self) -> float:
        """How many times as long as the peer ours takes."""
        return self.ours_s / self.peer_s

    def line(self) -> str:
        """Return the case as one JSON object on one line."""
        return json.dumps(
            {
                "case": self.case,
                "ours_s": round(self.ours_s, 4),
                "peer": self.peer,
                "peer_s": round(self.peer_s, 4),
                "ratio": round(self.ratio, 2),
                "bar": self.bar,
                "ok": self.ok,
            }
        )


def report(results: list[Result]) -> int:
    """Print a table to standard error; return 1 where a bar was missed."""
    for result in results:
        mark = "ok" if result.ok else "MISSED"
        row = (
            f"{result.case:<24}{result.ours_s:>9.3f} s{result.peer_s:>9.3f} s  {result.bar:<12} {mark}  ({result.peer})"
        )
        print(row, file=sys.stderr)
    return 0 if all(result.ok for result in results) else 1
