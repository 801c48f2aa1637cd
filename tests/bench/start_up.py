"""Start-up time: what importing the package, and asking the command for its version, adds to a bare interpreter."""

from __future__ import annotations

import subprocess
import sys

from .measure import Result, side_by_side

IMPORT_BAR_S = 0.030
VERSION_BAR_S = 0.080


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def _against_bare(case: str, bar_s: float, *arguments: str) -> Result:
    ours, peer = side_by_side(lambda: _python(*arguments), lambda: _python("-c", "pass"))
    bar = f"+ <= {bar_s * 1000:.0f} ms"
    return Result(case=case, ours_s=ours, peer="bare interpreter", peer_s=peer, bar=bar, ok=ours - peer <= bar_s)


def cases() -> list[Result]:
    """Measure both."""
    command = "import sys; sys.argv = ['secure-fetch', '--version']; from secure_fetch.cli.main import main; main()"
    return [
        _against_bare("import", IMPORT_BAR_S, "-c", "import secure_fetch"),
        _against_bare("secure-fetch --version", VERSION_BAR_S, "-c", command),
    ]
