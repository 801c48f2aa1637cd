"""Ctrl-C: soon, once, and only where nobody else deals with it."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from secure_fetch.cli import interrupt
from secure_fetch.cli.interrupt import INTERRUPTED, Interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD = "Interrupted; nothing half-written was left behind."


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, list[int]]:
    """Take the end of the process for noted, after a moment."""
    event, codes = threading.Event(), list[int]()

    def end(code: int) -> None:
        codes.append(code)
        event.set()

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(interrupt, "GRACE", 0.05)
    return event, codes


def test_it_ends_the_process_where_cleaning_up_takes_too_long(
    ended: tuple[threading.Event, list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    event, codes = ended
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts:
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert event.wait(10)
    assert codes == [INTERRUPTED]
    interrupts.tell()
    assert capsys.readouterr().err.split("\n") == ["", TOLD, ""]  # once


def test_without_an_interruption_nothing_stays(ended: tuple[threading.Event, list[int]]) -> None:
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not ended[0].wait(0.2)


def test_a_handler_of_somebody_else_stays() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_thread_that_gets_no_signals_goes_without() -> None:
    seen = []

    def look() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
