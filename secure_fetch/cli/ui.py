"""What the commands print: lines, tables, trees and bars for people, one JSON object for programs.

Names and reasons come from repositories, so nothing is printed before it is escaped, and nothing before credentials
are taken out of it. `rich` is loaded only when something is drawn.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .. import disk
from ..errors import SecureFetchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import TextIO

    from rich.console import Console
    from rich.table import Table
    from rich.tree import Tree

    Branch = tuple[str, Sequence["Branch"]]
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # takes no parameter before Python 3.11

_PACKAGE = __name__.rpartition(".cli.")[0]
_NAMES = r"\$\{\w+\}:\$\{\w+\}@(?![^/?#\s\"'<>]*@)"  # those of variables: they give nothing away
_USERINFO = re.compile(rf"(?<=://)(?!{_NAMES})[^/?#\s\"'<>]*@")
_NEVER = logging.CRITICAL + 1
_WIDE = 10_000  # columns; what is not a terminal has no width, and nothing in it is folded
_SUSPICIONS = {
    "attack": "This may be an attack.",
    "mistake": "This looks like a mistake rather than an attack.",
    "network": "This looks like trouble with the network or the server; nothing was checked, nothing was handed over.",
    "disk": "This looks like trouble with the disk; nothing was handed over.",
}


def escape(text: str) -> str:
    r"""Return `text` for a terminal: control characters, bidirectional marks and their like are shown as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def without_credentials(text: str) -> str:
    """Return `text` without the user and password of any URL in it."""
    return _USERINFO.sub("", text)


def _line(text: str, indent: str = "") -> str:
    """Return several lines for a terminal; only what we break ourselves becomes a line."""
    return f"\n{indent}".join(escape(line) for line in without_credentials(text).split("\n"))


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return a value as JSON can hold it: times in UTC with a Z, errors as objects, no credentials in texts."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, SecureFetchError):
        return error_object(value)
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return without_credentials(str(value))


def error_object(error: SecureFetchError) -> dict[str, Any]:
    """Return an error as `--json` reports it: kind, message, hint, suspicion, exit code, and its own attributes."""
    head = {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "suspicion": error.suspicion,
        "exit_code": error.exit_code,
    }
    own = {name: value for name, value in vars(error).items() if name not in head and value is not None}
    return {name: plain(value) for name, value in (head | own).items()}


class UnwritableError(OSError):
    """The output itself cannot be written: a full disk behind a redirection, perhaps."""


class Ui:
    """The one way out for everything a command says. Results go to stdout, all else to stderr.

    `json`: stdout carries exactly one JSON object. `quiet`: no informational lines. `verbose`: 1 shows what is done,
    2 every detail. `log` names a file that gets all of it, with times. Use it as a context manager.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: int = 0, log: str | None = None) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self._log = log
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> Ui:  # noqa: PYI034 - `Self` comes with Python 3.11
        """Start logging (`StoreError` if the log file cannot be written)."""
        logger = logging.getLogger(_PACKAGE)
        shown = _Shown(self)
        shown.setLevel({0: logging.WARNING, 1: logging.INFO}.get(self.verbose, logging.DEBUG))
        shown.setFormatter(_Clean("%(message)s"))
        self._handlers = [shown]
        if self._log is not None:
            kept = _Kept(_open_log(self._log), self)
            kept.setFormatter(_Clean("%(asctime)s %(levelname)s %(name)s: %(message)s"))
            self._handlers.append(kept)
        for handler in self._handlers:
            logger.addHandler(handler)
        # Records that nobody will see are not even made.
        logger.setLevel(logging.DEBUG if self._log is not None else shown.level)
        logger.propagate = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End logging."""
        logger = logging.getLogger(_PACKAGE)
        for handler in self._handlers:
            logger.removeHandler(handler)
            handler.close()
        self._handlers = []
        logger.setLevel(logging.NOTSET)
        logger.propagate = True

    def out(self, text: str) -> None:
        """Print a line for people; nothing with `json` or `quiet`."""
        if not self.json and not self.quiet:
            _print(_line(text))

    def answer(self, text: str) -> None:
        """Print what was asked for, also when `quiet`; nothing with `json`."""
        if not self.json:
            _print(_line(text))

    def note(self, text: str) -> None:
        """Print something worth knowing to stderr; nothing when `quiet`."""
        if not self.quiet:
            print(_line(text), file=sys.stderr)  # noqa: T201 - this is where printing is done

    def warn(self, text: str) -> None:
        """Print a warning to stderr, always."""
        print(_line(f"warning: {text}", "  "), file=sys.stderr)  # noqa: T201 - as above

    def error(self, error: SecureFetchError) -> None:
        """Print what was refused, why and what to do now; with `json` an object that says the same, on stdout."""
        if self.json:
            self.result({"error": error})
            return
        lines = [f"error: {error.message}"]
        if error.source:
            lines.append(f"It came from {error.source}.")
        if error.hint:
            lines.append(error.hint)
        if not isinstance(error, UsageError) and error.suspicion in _SUSPICIONS:
            lines.append(_SUSPICIONS[error.suspicion])
        for line in lines:
            # What a repository made us quote can not begin a line of its own at the margin.
            print(_line(line if line is lines[0] else f"  {line}", "    "), file=sys.stderr)  # noqa: T201 - as above

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the result, the one object on stdout with `json`; nothing without."""
        if self.json:
            # ASCII only, so that no name in it can do anything to a terminal; DEL is the one that JSON leaves alone.
            _print(json.dumps(plain(dict(value)), indent=2).replace("\x7f", "\\u007f"))

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; nothing with `json`."""
        if self.json:
            return
        from rich import box
        from rich.table import Table

        drawn = Table(title=_cell(title) or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for column in columns:
            drawn.add_column(_cell(column), overflow="fold")
        for row in rows:
            drawn.add_row(*(_cell(value) for value in row))
        _draw(drawn)

    def tree(self, label: str, children: Iterable[Branch] = ()) -> None:
        """Print a tree of labels, each with its own children; nothing with `json`."""
        if self.json:
            return
        from rich.tree import Tree

        drawn = Tree(_cell(label), highlight=False)
        _grow(drawn, children)
        _draw(drawn)

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a bar while the block runs, where stderr is a terminal; yields a function that moves it by n."""
        if self.quiet or self.json or not sys.stderr.isatty():
            yield _ignore
            return
        from rich.progress import Progress, TextColumn

        columns = (TextColumn("{task.description}", markup=False), *Progress.get_default_columns()[1:])
        with Progress(*columns, console=_console(sys.stderr), transient=True) as bar:
            task = bar.add_task(escape(label), total=total)
            yield lambda amount: bar.advance(task, amount)


def _ignore(_: int) -> None:
    return None


def _print(text: str) -> None:
    """Print a result (`UnwritableError`, `BrokenPipeError`)."""
    try:
        print(text, file=sys.stdout, flush=True)  # noqa: T201 - as above; `serve` goes on for hours behind a pipe
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwritableError(error.errno, error.strerror) from error


class _Paper(io.StringIO):
    """Where rich draws for a stream: whether that is a terminal, and in which encoding, is as there."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # which is read-only here, too
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()


def _draw(drawn: Table | Tree) -> None:
    """Print what rich draws; not by rich itself, which ends the process in its own way where a pipe is closed."""
    paper = _Paper(sys.stdout)
    _console(paper).print(drawn)
    _print("\n".join(line.rstrip() for line in paper.getvalue().strip("\n").splitlines()))


def _console(file: TextIO) -> Console:
    from rich.console import Console

    width = None if file.isatty() else _WIDE
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def _cell(value: object) -> Any:  # noqa: ANN401 - a Text, of a module that is loaded late
    from rich.text import Text

    return Text(escape(without_credentials(str(value))))


def _grow(tree: Tree, children: Iterable[Branch]) -> None:
    for label, below in children:
        _grow(tree.add(_cell(label)), below)


def _open_log(path: str) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, disk.PRIVATE_FILE)
    except OSError as error:
        failure = disk.explain(path, error)
        failure.hint = "Name another file with --log."
        raise failure from error
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


class _Clean(logging.Formatter):
    """Takes credentials and control characters out of what is logged, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines, safe to print."""
        return _line(super().format(record), "    ")


class _Kept(_StreamHandler):
    """Writes records to the log file; where that fails it says so once, and the command goes on without a log."""

    def __init__(self, stream: TextIO, ui: Ui) -> None:
        super().__init__(stream)
        self._ui = ui

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Stop logging."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif self.level < _NEVER:
            self.setLevel(_NEVER)
            self._ui.warn(f"the log file ends early: {error.strerror or error}.")

    def close(self) -> None:
        """Close the file; on a full disk what is still to be written fails once more."""
        with suppress(OSError):
            self.stream.close()
        super().close()


class _Shown(logging.Handler):
    """Prints records to stderr as it is now, through a progress bar too."""

    def __init__(self, ui: Ui) -> None:
        super().__init__()
        self._ui = ui

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        print(f"{record.levelname.lower()}: {self.format(record)}", file=sys.stderr)  # noqa: T201 - as above
