"""Run the benchmarks: one JSON object a line on standard output, a table on standard error."""

from __future__ import annotations

import sys

from . import start_up
from .measure import report


def main() -> int:
    """Run every case; return 1 where a bar was missed."""
    results = start_up.cases()
    for result in results:
        print(result.line())
    return report(results)


if __name__ == "__main__":
    sys.exit(main())
