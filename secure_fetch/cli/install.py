"""`secure-fetch install`: `pip install`, from the verified index only."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from .installing import Outcome
    from .requirements import Request
    from .ui import Ui


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    from .pip_options import pass_through

    parser = subparsers.add_parser(
        "install",
        help="pip install, from the verified index only",
        usage="%(prog)s [options] [pip's options] REQUIREMENT…",
        description="Install into a virtual environment. pip resolves and installs; every file that it gets was "
        "verified first. All options of `pip install` work, but for those that name other sources.",
        **options,
    )
    parser.add_argument("--python", metavar="PATH", help="the environment or interpreter (default: the active one)")
    pass_through(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, ui: Ui) -> int:
    """Run pip over the verifying index, and say what was installed and what vouched for it."""
    from .context import Context
    from .installing import Pip, target

    python = target(args.python, os.environ)
    with Context(args) as context:
        pip = Pip(context, ui, python)
        request, settings = pip.prepare(args.pip, "install")
        outcome = pip.run(
            request.passed("report"), settings.variables, local=request.local, command="pip install", quiet=False
        )
    _write_report(request, outcome)
    _tell(request, outcome, ui)
    return 0 if outcome.error is None else outcome.error.exit_code


def _write_report(request: Request, outcome: Outcome) -> None:
    """Put pip's report where the user wants it; pip itself wrote it for us."""
    from .. import disk

    wanted = request.option("report")
    if not wanted or not outcome.report:
        return
    if wanted == "-":
        # In ASCII: pip leaves U+009B and its like, which a package's metadata may hold and a terminal may obey.
        sys.stdout.write(json.dumps(json.loads(outcome.report), indent=2).replace("\x7f", "\\u007f") + "\n")
    else:
        disk.write(Path(wanted), outcome.report.encode(), mode=0o644)


def _tell(request: Request, outcome: Outcome, ui: Ui) -> None:
    from .installing import chain

    dry = request.option("dry-run") is not None
    others = [taken for taken in outcome.taken if taken.target is None]
    files = [handed for handed in outcome.handed if not handed.filename.endswith(".metadata")]
    if outcome.error is None and files:
        ui.out(f"{len(files)} {'file' if len(files) == 1 else 'files'} verified and handed to pip.")
    elif outcome.error is None and not others:
        ui.out("Nothing had to be downloaded. What was installed before was not checked.")
    for taken in others:
        ui.warn(f"{taken.name} {taken.version} came from {taken.url}, and nothing vouches for it.")
    if outcome.error is not None and not ui.json:
        ui.error(outcome.error)
    ui.result(
        {
            "would_install" if dry else "installed": [
                {
                    "name": taken.name,
                    "version": taken.version,
                    "file": taken.target.path.name,
                    "hashes": dict(taken.target.hashes),
                    "length": taken.target.length,
                    "vouched_by": taken.target.vouched_by,
                    "chain": chain(taken.target),
                }
                for taken in outcome.taken
                if taken.target is not None
            ],
            "unverified": [{"name": taken.name, "version": taken.version, "url": taken.url} for taken in others],
            "handed_over": [{"file": handed.filename, "sha256": handed.sha256} for handed in files],
            "refused": [{"what": refusal.what, "error": refusal.error} for refusal in outcome.refusals],
            **({"error": outcome.error} if outcome.error is not None else {}),
            "ok": outcome.error is None,
        }
    )
