"""Ctrl-C ends the program soon, whatever its threads are waiting for.

Python joins all threads of a pool before it exits, and one of them may be waiting half a minute for a server. Files
appear under their names only when they are whole, so to leave it there and end is safe.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType, TracebackType

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
GRACE = 3.0  # seconds for cleaning up


class Interrupts:
    """While the block runs, Ctrl-C raises `KeyboardInterrupt`, and ends the process if that takes too long."""

    def __init__(self) -> None:
        self._told = False
        self._installed = False

    def __enter__(self) -> Interrupts:  # noqa: PYI034 - `Self` comes with Python 3.11
        """Begin, unless somebody else deals with Ctrl-C, or it was switched off."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, self._interrupt)
                self._installed = True
            except ValueError:  # not the main thread, which signals go to
                pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; a Ctrl-C that came before still ends the process in time."""
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> NoReturn:
        import threading

        signal.signal(signal.SIGINT, signal.default_int_handler)
        last = threading.Timer(GRACE, self._end)
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        self.tell()
        os._exit(INTERRUPTED)

    def tell(self) -> None:
        """Say what happened, once."""
        if not self._told:
            self._told = True
            print("\nInterrupted; nothing half-written was left behind.", file=sys.stderr, flush=True)  # noqa: T201
