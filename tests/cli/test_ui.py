"""What is printed: escaped, without credentials, for people or for programs."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.cli.ui import Ui, error_object, escape, plain, without_credentials
from secure_fetch.errors import (
    ConfigurationError,
    ExpiredError,
    ManyErrors,
    StoreError,
    TransportError,
    VerificationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
LOG = logging.getLogger("secure_fetch.cli.test")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@given(st.text())
def test_nothing_that_moves_a_terminal_survives(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert escape(shown) == shown


@given(st.text(alphabet="aé ☃你").filter(str.isprintable))
def test_what_can_be_printed_stays_as_it_is(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[2J", "\\x1b[2J"), ("a\rb", "a\\rb"), ("\u202ex", "\\u202ex"), ("\x9b", "\\x9b"), ("\udc80", "\\udc80")],
)
def test_how_it_is_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secret@index.example/x",
        "see <http://secret@index.example>",
        "a ftp://u:secret@x/y and b://secret@",
        "https://${U}:${P}@secret@index.example/",
        "https://${U}:secret@index.example/",
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    assert "secret" not in without_credentials(text)
    assert "://" in without_credentials(text)


def test_names_of_variables_stay_in_an_example() -> None:
    text = "such as https://${INDEX_USER}:${INDEX_PASSWORD}@index.example/simple/ or https://${U}:${P}@…"
    assert without_credentials(text) == text


def test_a_path_with_an_at_sign_stays() -> None:
    assert without_credentials("https://index.example/a@b") == "https://index.example/a@b"


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ({}, {"out", "answer", "note", "warn", "table", "tree"}),
        ({"quiet": True}, {"answer", "warn", "table", "tree"}),
        ({"json": True}, {"note", "warn", "result"}),
    ],
)
def test_who_hears_what(options: dict[str, Any], heard: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    ui = Ui(**options)
    said: dict[str, Callable[[], None]] = {
        "out": lambda: ui.out("words"),
        "answer": lambda: ui.answer("words"),
        "note": lambda: ui.note("words"),
        "warn": lambda: ui.warn("words"),
        "table": lambda: ui.table("", ("words",), [["x"]]),
        "tree": lambda: ui.tree("words"),
        "result": lambda: ui.result({"words": 1}),
    }
    found = set()
    for name, say in said.items():
        say()
        printed = capsys.readouterr()
        if "words" in printed.out + printed.err:
            found.add(name)
            assert ("words" in printed.err) == (name in ("note", "warn"))
    assert found == heard


def test_lines_of_a_message_stay_off_the_margin(capsys: pytest.CaptureFixture[str]) -> None:
    Ui().error(VerificationError("bad\nerror: all is well", hint="one\ntwo"))
    assert capsys.readouterr().err.splitlines() == [
        "error: bad",
        "    error: all is well",
        "  one",
        "    two",
        "  This may be an attack.",
    ]


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (VerificationError("x", hint=""), "This may be an attack."),
        (TransportError("https://index.example/", "down"), "trouble with the network"),
        (StoreError("/x", "full"), "trouble with the disk"),
        (ConfigurationError("x", hint="do y"), "do y"),
    ],
)
def test_the_last_line_says_what_it_looks_like(
    error: VerificationError, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Ui().error(error)
    assert last in capsys.readouterr().err.splitlines()[-1]


def test_an_error_is_an_object_with_its_attributes() -> None:
    error = ExpiredError("timestamp", version=3, expires=MOMENT, now=MOMENT)
    found = error_object(ManyErrors("two mirrors", {"https://u:secret@one.example/": error}))
    assert found["kind"] == "ManyErrors"
    assert found["exit_code"] == 1
    (inner,) = found["errors"].values()
    assert inner["kind"] == "ExpiredError"
    assert inner["expires"] == "2030-01-02T02:04:05Z"
    assert inner["version"] == 3
    json.dumps(found)


def test_values_become_plain() -> None:
    value = {"a": (1, 2.5, True, None), 3: {Path("/x")}, "t": MOMENT, "u": "https://a:b@c.example/"}
    assert plain(value) == {
        "a": [1, 2.5, True, None],
        "3": ["/x"],
        "t": "2030-01-02T02:04:05Z",
        "u": "https://c.example/",
    }


def test_a_result_is_ascii_on_any_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Ui(json=True).result({"name": "\x1b\x7f\x9b\u202e\udc80é"})
    text = capsys.readouterr().out
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == {"name": "\x1b\x7f\x9b\u202e\udc80é"}


def test_tables_and_trees_take_no_markup_and_fold_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    ui = Ui()
    long = "x" * 3000
    ui.table("[bold]title", ("a", "b"), [["[red]1[/red]", long], [":smile:", "\x1b[1m"]])
    ui.tree("[bold]root", [("child\n", [("https://u:secret@x.example/", ())])])
    text = capsys.readouterr().out
    for kept in ("[bold]title", "[red]1[/red]", long, ":smile:", "\\x1b[1m", "[bold]root", "child\\n", "x.example"):
        assert kept in text
    assert "secret" not in text


def test_a_terminal_has_a_width_and_an_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    class Narrow(Terminal):
        encoding = "ascii"

    stream = Narrow()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "40")
    Ui().tree("root", [("x" * 100, ())])
    lines = stream.getvalue().splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 40
    assert stream.getvalue().isascii()


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for ui in (Ui(), Ui(quiet=True), Ui(json=True)):
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        with ui.progress("[red]working\x1b", 3) as advance:
            advance(1)
            advance(2)
        shown = stream.getvalue()
        assert ("[red]working\\x1b" in shown) == (not ui.quiet and not ui.json)
    stream = Terminal()
    stream.isatty = lambda: False  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    with Ui().progress("working") as advance:
        advance(1)
    assert stream.getvalue() == ""


@pytest.fixture
def silence() -> Iterator[None]:
    """Give the package's logger back as it was."""
    logger = logging.getLogger("secure_fetch")
    before = (logger.level, logger.propagate, list(logger.handlers))
    yield
    assert (logger.level, logger.propagate, logger.handlers) == before


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize(
    ("verbose", "levels"), [(0, ["warning"]), (1, ["warning", "info"]), (2, ["warning", "info", "debug"])]
)
def test_how_much_is_logged(verbose: int, levels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with Ui(verbose=verbose):
        LOG.warning("one")
        LOG.info("two")
        LOG.debug("three")
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == levels


@pytest.mark.usefixtures("silence")
def test_the_log_file_has_every_detail_and_no_credentials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    path.write_text("before\n", encoding="utf-8")
    with Ui(log=str(path)):
        try:
            int("https://user:secret@index.example/")
        except ValueError:
            LOG.debug("from %s\r\x1b", "https://u:secret@index.example/", exc_info=True)
    text = path.read_text("utf-8")
    assert text.startswith("before\n")
    assert "DEBUG secure_fetch.cli.test: from https://index.example/\\r\\x1b" in text
    assert "Traceback" in text
    assert "secret" not in text
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("silence")
def test_a_log_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="log") as caught, Ui(log=str(tmp_path / "no" / "log")):
        pass
    assert "--log" in caught.value.hint


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110 - read once
@pytest.mark.usefixtures("silence")
def test_a_log_file_on_a_full_disk_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Ui(log="/dev/full", verbose=1) as ui:
        LOG.info("one")
        LOG.info("two")
        ui.answer("done")
    heard = capsys.readouterr()
    assert heard.out == "done\n"
    assert sorted(heard.err.splitlines()) == [
        "info: one",
        "info: two",
        "warning: the log file ends early: No space left on device.",
    ]


@pytest.mark.usefixtures("silence")
def test_a_bug_in_what_is_logged_stays_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda self, record: heard.append(record))
    with Ui(log=str(tmp_path / "log")):
        LOG.info("%d", "text")
    assert len(heard) == 1


def test_a_new_log_file_is_private(tmp_path: Path) -> None:
    with Ui(log=str(tmp_path / "log")):
        pass
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_foreign_values_in_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    value: dict[str, Any] = {"x": Odd()}
    Ui(json=True).result(value)
    assert json.loads(capsys.readouterr().out) == {"x": "odd"}
