"""`secure-fetch repo`, as an operator types it: from an empty folder to a published index, and what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.cli import repo
from secure_fetch.cli.main import main
from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import SigningRepository
from tests.signing.distributions import sdist, wheel
from tests.signing.walker import assert_published, seen
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

INIT = ("--bins", "2", "--unencrypted-keys")


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(repo.PASSPHRASE, raising=False)


class Console:
    """Runs commands in this process; stdin is no terminal, as under pytest."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object, code: int = 0) -> str:
        assert main(["repo", *map(str, arguments)]) == code
        told = self._capsys.readouterr()
        return told.err if code else told.out

    def json(self, *arguments: object, code: int = 0) -> Any:
        assert main(["repo", *map(str, arguments), "--json"]) == code
        told = self._capsys.readouterr()
        return json.loads(told.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(capsys)


def test_from_nothing_to_a_published_index(run: Console, tmp_path: Path) -> None:
    folder = tmp_path / "my index"
    told = run("init", folder, *INIT, "--index-url", "https://index.example/simple/")
    repository = SigningRepository.open(folder)
    assert f"  secure-fetch repo add {shlex.quote(str(folder))} FILE…" in told
    assert "at least every 6 hours" in told
    assert "NOT encrypted" in told
    assert (
        f"--index-url https://index.example/simple/ --root 1.root.json \\\n      --fingerprint {repository.fingerprint}"
        in told
    )
    files = [wheel(tmp_path / "in"), sdist(tmp_path / "in")]
    assert f"added {files[0].name}\nadded {files[1].name}\n" in run("add", folder, *files)
    assert "Waiting to be published: demo." in run("status", folder)
    told = run("publish", folder)
    assert "snapshot 2, timestamp 2" in told
    assert "Pages changed: demo." in told
    assert_published(repository)
    assert run("publish", folder).startswith("There was nothing to sign.\nGood until ")
    assert "Signed 2 bins, snapshot 3, timestamp 3." in run("refresh", folder, "--force")
    assert f"here already: {files[0].name}\n" == run("add", folder, files[0])
    assert f"removed {files[1].name}\n" in run("remove", folder, files[1].name)
    run("publish", folder)
    assert not any(path.endswith(".gz") for path in seen(repository.public))
    told = run("status", folder)
    assert "1 file(s) of 1 project(s) in 2 bins." in told
    assert repository.fingerprint in told


def test_every_command_prints_one_object_with_json(run: Console, tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    made = run.json("init", folder, *INIT)
    assert made == {
        "repository": str(folder),
        "public": str(folder / "public"),
        "keys": str(folder / "keys"),
        "encrypted": False,
        "root": str(folder / "public" / "metadata" / "1.root.json"),
        "fingerprint": SigningRepository.open(folder).fingerprint,
    }
    path = wheel(tmp_path / "in")
    assert run.json("add", folder, path, path) == {"added": [path.name], "present": []}
    waiting = run.json("status", folder)
    assert (waiting["files"], waiting["projects"], waiting["bins"], waiting["waiting"]) == (1, 1, 2, ["demo"])
    assert set(waiting["roles"]) == {"root", "timestamp", "snapshot", "targets", "bins", "bin-n"}
    done = run.json("publish", folder)
    assert done["projects"] == ["demo"]
    assert done["signed"]["timestamp"] == 2
    assert done["overdue"] == {}
    assert run.json("refresh", folder)["signed"] == {}
    assert run.json("remove", folder, path.name) == {"removed": [path.name]}
    error = run.json("add", folder, tmp_path / "absent.whl", code=2)["error"]
    assert error["kind"] == "UsageError"
    assert "there is no such file" in error["message"]


def test_the_choices_of_init_are_kept(run: Console, tmp_path: Path) -> None:
    run(
        *("init", tmp_path / "repo", "--bins", "8", "--succinct", "--unencrypted-keys", "--root-keys", "3"),
        *("--root-threshold", "2", "--expires-online", "90m", "--expires-offline", "52w"),
    )
    plan = SigningRepository.open(tmp_path / "repo").plan
    assert (plan.bins, plan.succinct, plan.root_keys, plan.root_threshold) == (8, True, 3, 2)
    assert plan.lifetimes.online.total_seconds() == 90 * 60
    assert {life.days for life in (plan.lifetimes.root, plan.lifetimes.targets, plan.lifetimes.bins)} == {364}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--bins", "3"), "3 is not a number of bins"),
        (("--bins", "many"), "invalid int value"),
        (("--root-threshold", "2"), "2 of 1 root keys is not possible"),
        (("--expires-online", "1s"), "is not a time such as"),
        (("--expires-online", "0d"), "is not a time such as"),
        (("--expires-offline", "99999w"), "lifetime of root metadata is out of range"),
        (("--index-url", "https://index.example/"), "does not end in /simple/"),
    ],
)
def test_wrong_choices_make_nothing(arguments: tuple[str, ...], why: str, run: Console, tmp_path: Path) -> None:
    assert why in run("init", tmp_path / "repo", *arguments, "--unencrypted-keys", code=2)
    assert not (tmp_path / "repo").exists()


def test_without_a_terminal_a_missing_passphrase_makes_nothing(run: Console, tmp_path: Path) -> None:
    told = run("init", tmp_path / "repo", "--bins", "2", code=2)
    assert "The keys need a passphrase, and there is no terminal to ask for it on." in told
    assert "Set SECURE_FETCH_PASSPHRASE." in told
    assert list(tmp_path.iterdir()) == []


def test_the_passphrase_comes_from_the_environment(
    run: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repo"
    monkeypatch.setenv(repo.PASSPHRASE, "from the environment")
    assert "(encrypted)" in run("init", folder, "--bins", "2")
    run("refresh", folder, "--force")
    monkeypatch.setenv(repo.PASSPHRASE, "wrong")
    assert "online.pem cannot be used: The passphrase is wrong" in run("refresh", folder, "--force", code=2)
    monkeypatch.delenv(repo.PASSPHRASE)
    assert "there is no terminal" in run("refresh", folder, "--force", code=2)
    assert "There was nothing to sign." in run("publish", folder)  # and so nobody is asked
    monkeypatch.setenv(repo.PASSPHRASE, "")
    assert "The passphrase must have 1 to 1023 bytes." in run("init", tmp_path / "other", code=2)
    assert not (tmp_path / "other").exists()


# A process that leads a session of its own gets the terminal that it opens first: so Ctrl-C reaches it.
ON_A_TERMINAL = """
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))
from secure_fetch.cli.main import main
sys.exit(main(["repo", *sys.argv[1:]]))
"""


def on_a_terminal(arguments: list[str], *typed: str) -> tuple[int, str]:
    """Run a command whose terminal is a pseudo-terminal, and type one of `typed` at each prompt."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    environment = {name: value for name, value in os.environ.items() if name != repo.PASSPHRASE}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *arguments],
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    ) as child:
        os.close(theirs)
        told, answers = b"", list(typed)
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            while data := os.read(ours, 4096):
                told += data
                if answers and told.endswith((b"keys: ", b"again: ")):
                    os.write(ours, answers.pop(0).encode())
        os.close(ours)
    return child.returncode, told.decode()


def test_the_passphrase_is_asked_for_on_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    code, told = on_a_terminal(["init", str(folder), "--bins", "2"], "a secret\n", "a secret\n")
    assert code == 0, told
    assert "a secret" not in told
    code, told = on_a_terminal(["refresh", str(folder), "--force"], "a secret\n")
    assert code == 0, told
    assert told.count("Passphrase of the keys:") == 1
    code, told = on_a_terminal(["refresh", str(folder), "--force"], "\x04")
    assert code == 2
    assert "No passphrase was given." in told


def test_two_passphrases_that_differ_make_nothing(tmp_path: Path) -> None:
    code, told = on_a_terminal(["init", str(tmp_path / "repo")], "one\n", "other\n")
    assert code == 2
    assert "The two passphrases differ." in told
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_at_the_prompt_makes_nothing(tmp_path: Path) -> None:
    code, _ = on_a_terminal(["init", str(tmp_path / "repo")], "\x03")
    assert code == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["add", "remove", "publish", "refresh", "status"])
def test_a_folder_that_is_no_repository(command: str, run: Console, tmp_path: Path) -> None:
    files = ["x.whl"] if command in ("add", "remove") else []
    assert "is not a repository" in run(command, tmp_path, *files, code=2)


def test_a_repository_that_is_there_is_left_alone(run: Console, tmp_path: Path) -> None:
    run("init", tmp_path, *INIT)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "is a repository already" in run("init", tmp_path, *INIT, code=2)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_command_is_needed(run: Console) -> None:
    assert "COMMAND" in run(code=2)


def test_a_second_publisher_is_told(run: Console, tmp_path: Path) -> None:
    run("init", tmp_path, *INIT)
    with SigningRepository.open(tmp_path)._writing():
        assert "another process is adding to this repository or publishing it" in run("publish", tmp_path, code=3)


def test_overdue_roles_are_warned_of(run: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    past = datetime.now(timezone.utc) - timedelta(days=200)
    SigningRepository.create(tmp_path, Plan(bins=2), now=past)
    for name in ("root-1", "targets", "bins"):
        (tmp_path / "keys" / f"{name}.pem").unlink()
    assert main(["repo", "publish", str(tmp_path)]) == 0
    assert "warning: The role root is past half its life and was not signed again." in capsys.readouterr().err
    assert "keys not here" in run("status", tmp_path)


def test_an_interrupted_publication_is_named(run: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("init", tmp_path, *INIT)
    (tmp_path / "state" / "published.json").unlink()
    assert main(["repo", "status", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "The last publication was interrupted: run `publish` to finish it." in told.err


WITHOUT_TUF = """
import sys
sys.modules["tuf"] = None
from secure_fetch.cli.main import main
sys.exit(main(["repo", "init", sys.argv[1], "--unencrypted-keys"]))
"""


def test_without_the_extra_the_next_step_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TUF, str(tmp_path / "repo")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'secure-fetch[signing]'" in done.stderr
    assert not (tmp_path / "repo").exists()
