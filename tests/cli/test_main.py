"""The command as a whole: exit codes, options on both sides of a command, errors, interruptions, start-up."""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch import __version__
from secure_fetch.cli import main, refresh
from secure_fetch.errors import RollbackError
from tests.source_tree import ROOT, bare_environment

from .corp import environment

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from secure_fetch.cli.ui import Ui

    from .corp import Cli, Corp


def variables_of(home: Path) -> dict[str, str]:
    """Return the environment of a process whose user has this home."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("COVERAGE", "COV_"))}
    return {**kept, **environment(home), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}


def process(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "secure_fetch", *arguments],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**variables_of(home), **variables},
        cwd=home,
        stdin=subprocess.DEVNULL,
    )


def test_exit_codes_tell_verified_from_attacked_from_misused_from_unchecked(home: Path, corp: Corp) -> None:
    config = home / "c.toml"
    config.write_text(corp.config, encoding="utf-8")
    assert process(home, "refresh", "--config", str(config)).returncode == 0
    corp.sim.tamper("timestamp.json", lambda data: data.replace(b'"version":', b'"version":1'))
    timestamp = corp.folder / "metadata" / "timestamp.json"
    timestamp.write_bytes(timestamp.read_bytes().replace(b'"version":', b'"version":1'))
    attacked = process(home, "refresh", "--config", str(config))
    assert attacked.returncode == 1
    assert "timestamp" in attacked.stderr
    assert "This may be an attack." in attacked.stderr
    assert process(home, "refresh", "--config", str(config), "nobody").returncode == 2
    timestamp.unlink()
    (corp.folder / "metadata").rename(corp.folder / "gone")
    unchecked = process(home, "refresh", "--config", str(config))
    assert unchecked.returncode == 3
    assert "Traceback" not in unchecked.stderr + attacked.stderr


def test_the_version_is_printed_without_loading_anything_heavy(home: Path) -> None:
    heavy = {"rich", "requests", "platformdirs", "securesystemslib", "packaging", "cryptography", "tuf", "pip", "ssl"}
    code = (
        "import sys; from secure_fetch.cli.main import main\n"
        "try: main(['--version'])\n"
        f"finally: print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**bare_environment(), "PYTHONPATH": str(ROOT)},
        cwd=home,
    )
    assert done.stdout.splitlines() == [f"secure-fetch {__version__}", "[]"]


def test_the_package_is_a_program(home: Path) -> None:
    done = process(home, "--version")
    assert (done.returncode, done.stdout) == (0, f"secure-fetch {__version__}\n")


def test_loading_it_as_a_module_runs_nothing() -> None:
    assert importlib.import_module("secure_fetch.__main__").main is main.main


def test_general_options_count_before_and_after_a_command(cli: Cli, tmp_path: Path) -> None:
    before = cli("--json", "--cache-dir", tmp_path / "a", "cache", "dir")
    after = cli("cache", "dir", "--json", "--cache-dir", tmp_path / "a")
    between = cli("cache", "--json", "dir", "--cache-dir", tmp_path / "a")
    assert before.json == after.json == between.json == {"cache_dir": str(tmp_path / "a")}


def test_of_an_option_on_both_sides_the_later_counts(cli: Cli, tmp_path: Path) -> None:
    ended = cli("--cache-dir", tmp_path / "a", "cache", "dir", "--cache-dir", tmp_path / "b")
    assert ended.out == f"{tmp_path / 'b'}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["refesh"], "There is no 'refesh'; did you mean refresh?"),
        (["trust", "ad"], "There is no 'ad'; did you mean add?"),
        (["refesh", "config"], "did you mean refresh?"),
        (["--log", "refresh", "cach"], "did you mean cache?"),
        (["--json=1", "refresh"], "--json"),
        (["xyzzy"], "there are demo, trust, refresh"),
        ([], "A command is missing."),
        (["trust"], "required: COMMAND."),
        (["trust", "show"], "NAME"),
        (["refresh", "--nonsense"], "There is no option --nonsense."),
        (["--nonsense", "refresh"], "There is no option --nonsense."),
        (["cache", "dir", "--cache", "/x"], "no option --cache; did you mean --cache-dir?"),
        (["trust", "add", "x", "--root", "y", "--index=z"], "--index-url?\n  See `secure-fetch trust add --help`."),
        (["cache", "dir", "one", "two"], "There is no place for 'one two'."),
        (["completion", "tcsh"], "did you mean zsh?"),
    ],
)
def test_wrong_arguments_are_explained_with_exit_code_2(cli: Cli, arguments: list[str], said: str) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "secure-fetch" in ended.err  # the next step
    assert "--help" in ended.err


def test_wrong_arguments_are_an_object_with_json(cli: Cli) -> None:
    ended = cli("refesh", "--json")
    assert (ended.code, ended.err) == (2, "")
    assert ended.error["kind"] == "UsageError"
    assert ended.error["exit_code"] == 2
    assert "did you mean refresh?" in ended.error["message"]


def test_help_names_every_command_and_the_exit_codes(cli: Cli) -> None:
    with pytest.raises(SystemExit) as ended:
        cli("--help")
    text = cli.capsys.readouterr().out
    assert ended.value.code == 0
    assert all(name in text for name in ("trust", "refresh", "explain", "config", "cache", "repo", "completion"))
    assert "Exit codes: 0 verified" in " ".join(text.split())


def raising(error: BaseException) -> Any:
    def run(_args: argparse.Namespace, _ui: Ui) -> int:
        raise error

    return run


def test_a_bug_is_no_traceback_but_an_error_with_a_next_step(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(refresh, "run", raising(ZeroDivisionError("oh \x1b[2J")))
    ended = cli("refresh")
    assert ended.code == 3
    assert "This is a bug in secure-fetch: ZeroDivisionError: oh \\x1b[2J" in ended.err
    assert "--log FILE" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in cli("refresh", "-vv").err
    log = tmp_path / "x.log"
    assert "Traceback" not in cli("refresh", "--log", log).err
    assert "Traceback" in log.read_text("utf-8")
    assert cli("refresh", "--json").error["exit_code"] == 3


def test_an_error_is_told_with_what_why_and_what_now(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RollbackError("timestamp", held=5, offered=4)
    error.source = "https://index.example/"
    monkeypatch.setattr(refresh, "run", raising(error))
    ended = cli("refresh")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "error: timestamp went back in time: version 4 was offered, version 5 was accepted before.",
        "  It came from https://index.example/.",
        f"  {error.hint}",
        "  This may be an attack.",
    ]
    assert cli("refresh", "--json").error == {
        "kind": "RollbackError",
        "message": error.message,
        "hint": error.hint,
        "suspicion": "attack",
        "exit_code": 1,
        "source": "https://index.example/",
        "role": "timestamp",
        "held": 5,
        "offered": 4,
    }


def test_ctrl_c_ends_with_130_and_a_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "run", raising(KeyboardInterrupt()))
    ended = cli("refresh", "--json")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.strip() == "Interrupted; nothing half-written was left behind."


class Broken(io.TextIOWrapper):
    """A stream that breaks when it is written to."""

    def __init__(self, error: OSError) -> None:
        super().__init__(io.BytesIO())
        self._error = error

    def write(self, text: str) -> int:
        raise self._error


UNWRITABLE = "error: the output could not be written: No space left\n"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(BrokenPipeError(32, "Broken pipe"), (141, "")), (OSError(28, "No space left"), (3, UNWRITABLE))],
)
@pytest.mark.parametrize("arguments", ["config path", "config list", "config list --json", "refesh --json"])
def test_output_that_cannot_be_written(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: OSError, outcome: tuple[int, str], arguments: str
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(error))
    code = main.main(arguments.split())
    assert (code, cli.capsys.readouterr().err) == outcome


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110 - read once
@pytest.mark.parametrize("arguments", [["config", "path"], ["completion", "bash"]])
def test_a_full_disk_behind_stdout(home: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - as above
        done = subprocess.run(
            [sys.executable, "-m", "secure_fetch", *arguments],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=variables_of(home),
        )
    assert (done.returncode, done.stderr) == (3, "error: the output could not be written: No space left on device\n")


@pytest.mark.parametrize("arguments", [["config", "list"], ["completion", "bash"]])
def test_a_closed_pipe_is_quiet(home: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "secure_fetch", *arguments],
            check=False,
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            env=variables_of(home),
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_real_ctrl_c_ends_a_wait_and_leaves_no_temporary_file(home: Path, corp: Corp) -> None:
    config = home / "c.toml"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        port = silent.getsockname()[1]
        config.write_text(corp.config.replace(corp.index_url, f"http://127.0.0.1:{port}/simple/"), encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-m", "secure_fetch", "refresh", "--config", str(config)],
            stderr=subprocess.PIPE,
            text=True,
            env=variables_of(home),
        ) as running:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1000)
                running.send_signal(signal.SIGINT)
                began = time.monotonic()
                _, printed = running.communicate(timeout=60)
    assert running.returncode == 130
    assert printed.strip() == "Interrupted; nothing half-written was left behind."
    assert list(home.rglob("*.tmp")) == []
    assert time.monotonic() - began < 30


def test_hostile_names_do_not_reach_the_terminal(trusting: Cli, corp: Corp) -> None:
    hostile = "\x1b[2J\u202egnp.exe"
    for arguments in (["explain", f"fla{hostile}"], ["refresh", hostile], ["trust", "show", hostile]):
        ended = trusting(*arguments)
        assert ended.code == 2
        assert "\\x1b[2J\\u202e" in ended.err
        assert "\x1b" not in ended.out + ended.err
        assert "\u202e" not in ended.err
        as_json = trusting(*arguments, "--json")
        assert as_json.out.isascii()
        assert as_json.out.replace("\n", "").isprintable()


def test_a_stream_that_cannot_print_a_name_prints_it_escaped(home: Path) -> None:
    done = process(home, "explain", "--config", "/nowhere/é.toml", "x", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_stream_of_any_kind_will_do(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    assert main.main(["config", "path", "--json"]) == 0
    assert json.loads(stream.getvalue()) == {"path": str(cli.config)}
