"""The argument parser of all commands: options that count before and after a command, errors with a next step."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from .. import __version__
from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "secure-fetch"

# Each is a module, in the order of the help. Only the one that is asked for is loaded.
COMMANDS = (
    *("demo", "trust", "refresh", "install", "download", "serve", "explain", "config", "cache", "repo"),
    "completion",
)


class Parser(argparse.ArgumentParser):
    """A parser that every command's parser is one of, too: all of them know the general options."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        options.setdefault("allow_abbrev", False)  # an option that is added later must not change what is typed today
        super().__init__(*args, **options)
        general = self.add_argument_group("general options")
        # No defaults: a command's parser would overwrite what stood before the command.
        _add = _Quietly(general)
        _add("--json", action="store_true", help="print one JSON object")
        _add("-v", "--verbose", action="count", help="say what is done (-vv: in every detail)")
        _add("-q", "--quiet", action="store_true", help="say nothing but what was asked for, and warnings")
        _add("--log", metavar="FILE", help="write every detail to this file, with times")
        _add("--config", metavar="FILE", help="the configuration to use, instead of the user's and the system's")
        _add("--cache-dir", metavar="DIR", help="where to keep downloads")
        _add("--state-dir", metavar="DIR", help="where to keep trusted metadata")
        _add("--cert", metavar="FILE", help="certificate authorities, instead of the system's")
        _add("--client-cert", metavar="FILE", help="a client certificate and its key, in PEM")
        _add("--proxy", metavar="URL", help="the proxy to go through")
        _add("--no-keyring", dest="keyring", action="store_false", help="do not ask keyring for credentials")

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`, which is printed as every other error is."""
        message = message.removeprefix("argument COMMAND: ")
        stop = "" if message.endswith("?") else "."
        raise UsageError(f"{message[:1].upper()}{message[1:]}{stop}", hint=f"See `{self.prog} --help`.")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse's own
        """Refuse what this parser does not know itself, so that the command that it stands after is named."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return found, unknown

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        import difflib

        option = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        if option is None:
            self.error(f"there is no place for {' '.join(unknown)!r}")
        close = difflib.get_close_matches(option, self._option_string_actions, n=1, cutoff=0.6)
        self.error(f"there is no option {option}" + (f"; did you mean {close[0]}?" if close else ""))

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - argparse's own
        """Suggest the command or value that was meant."""
        if action.choices is None or value in action.choices:
            return
        import difflib

        choices = [str(choice) for choice in action.choices]
        close = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(choices)}"
        raise argparse.ArgumentError(action, f"there is no {value!r}; {meant}")


class _Quietly:
    """Adds options that leave no trace in the namespace where they are not given."""

    def __init__(self, group: argparse._ArgumentGroup) -> None:
        self._group = group

    def __call__(self, *names: str, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        self._group.add_argument(*names, default=argparse.SUPPRESS, **options)


def build(arguments: Sequence[str] | None = None) -> Parser:
    """Return the parser of all commands, or of as many as it takes to parse `arguments`.

    A parsed command's `run` takes the parsed arguments and the `Ui`.
    """
    parser = Parser(
        prog=PROGRAM,
        description="Verified downloads for pip and its friends: no file reaches an installer unless a chain of "
        "signatures from a root you trust vouches for it.",
        epilog="Exit codes: 0 verified; 1 verification failed; 2 wrong usage or configuration; 3 could not be checked.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", dest="command")
    package = __name__.rpartition(".")[0]
    for name in COMMANDS if arguments is None else _needed(parser, arguments):
        import_module(f"{package}.{name}").add_parser(commands)
    return parser


def _needed(parser: Parser, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the command that the arguments name; all of them for a help text or a suggestion."""
    words = iter(arguments)
    for word in words:
        if word in COMMANDS:
            return (word,)
        if word == "--version":
            return ()
        option = parser._option_string_actions.get(word)  # noqa: SLF001 - argparse has no other way to ask
        if option is not None and option.nargs is None:
            next(words, None)  # its value
        elif not word.startswith("-") or word in ("-h", "--help"):
            break
    return COMMANDS
