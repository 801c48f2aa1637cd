"""The command `secure-fetch`: arguments in, an exit code out, and never a traceback in between."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import SecureFetchError, StoreError, UncheckedError, UsageError
from .interrupt import INTERRUPTED, Interrupts
from .parser import COMMANDS, PROGRAM, build

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .ui import Ui

BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 verified, 1 failed, 2 wrong usage, 3 could not be checked.

    130 after Ctrl-C, 141 where whoever read the output has gone. `--help` and `--version` raise `SystemExit` as in
    every command of argparse.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a stream that somebody put there may be of any kind
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    interrupts = Interrupts()
    try:
        with interrupts:
            code = _guarded(arguments)
            sys.stdout.flush()
    except KeyboardInterrupt:
        interrupts.tell()
        return INTERRUPTED
    except BrokenPipeError:
        _silence()
        return BROKEN_PIPE
    except OSError as error:
        _silence()
        with suppress(OSError):
            print(f"error: the output could not be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - no Ui any more
        return StoreError.exit_code
    return code


def _guarded(arguments: list[str]) -> int:
    """Run a command; print what goes wrong, in the form that was asked for."""
    try:
        options = build(arguments).parse_args(arguments)
        if options.command is None:
            raise UsageError("A command is missing.", hint=f"There are {', '.join(COMMANDS)}; see `{PROGRAM} --help`.")
        from .ui import Ui

        ui = Ui(
            json=getattr(options, "json", False),
            quiet=getattr(options, "quiet", False),
            verbose=getattr(options, "verbose", 0),
            log=getattr(options, "log", None),
        )
        with ui:
            return _run(options, ui)
    except SecureFetchError as error:  # in the arguments, or in the log file's name
        from .ui import Ui

        Ui(json="--json" in arguments).error(error)
        return error.exit_code


def _run(options: argparse.Namespace, ui: Ui) -> int:
    import logging

    from .ui import UnwritableError

    log = logging.getLogger(__name__)
    try:
        code: int = options.run(options, ui)
    except SecureFetchError as error:
        log.debug("%s", error, exc_info=True)
        ui.error(error)
        return error.exit_code
    except (BrokenPipeError, UnwritableError):
        raise
    except Exception as error:
        log.debug("unexpected", exc_info=True)
        bug = UncheckedError(
            f"This is a bug in secure-fetch: {type(error).__name__}: {error}",
            hint="Nothing unverified was handed over. Run it again with --log FILE, and report the bug with that file.",
        )
        ui.error(bug)
        return bug.exit_code
    return code


def _silence() -> None:
    """Let the interpreter's last flush at exit go nowhere, since whoever read the output has gone."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)
