"""How pip is run: in which environment, with which settings, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secure_fetch.errors import InstallerError
from secure_fetch.handoff import pip_runner

HERE = Path(sys.executable)
OUTER = {
    "PATH": "/bin",
    "HOME": "/home/user",
    "PIP_INDEX_URL": "https://evil.example/simple/",
    "PIP_EXTRA_INDEX_URL": "https://evil.example/simple/",
    "Pip_Find_Links": "/somewhere",
    "https_proxy": "http://evil.example:3128",
    "ALL_PROXY": "http://evil.example:3128",
    "NO_PROXY": "*",
    "no_proxy": "evil.example",
    "GIT_ALLOW_PROTOCOL": "https",
}


def test_the_environment_leaves_one_source() -> None:
    made = pip_runner.environment(
        OUTER,
        index_url="http://127.0.0.1:1/t/simple/",
        proxy="http://127.0.0.1:1",
        settings={"PIP_REQUIRE_HASHES": "1"},
    )
    assert "evil" not in str(made)
    assert "/somewhere" not in str(made)
    assert made["PIP_INDEX_URL"] == "http://127.0.0.1:1/t/simple/"
    assert made["PIP_REQUIRE_HASHES"] == "1"
    assert made["PIP_CONFIG_FILE"] == os.devnull
    assert made["PATH"] == "/bin"
    assert made["GIT_ALLOW_PROTOCOL"] == "none"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        assert made[name] == "http://127.0.0.1:1"
    assert made["no_proxy"] == made["NO_PROXY"] == ""


def test_our_own_settings_win_over_those_that_stay() -> None:
    made = pip_runner.environment({}, index_url="u", proxy="p", settings={"PIP_INDEX_URL": "x", "PIP_TIMEOUT": "1"})
    assert (made["PIP_INDEX_URL"], made["PIP_TIMEOUT"]) == ("u", "86400")


def test_the_settings_are_those_of_pip(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nonly-binary = :all:\n[install]\nprefer-binary = yes\n")
    environment = {**os.environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_REQUIRE_HASHES": "1"}
    listing = pip_runner.settings(HERE, environment)
    assert "global.only-binary=':all:'" in listing.splitlines()
    assert "install.prefer-binary='yes'" in listing.splitlines()
    assert ":env:.require-hashes='1'" in listing.splitlines()


def test_settings_that_pip_cannot_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("not a setting\n")
    with pytest.raises(InstallerError) as caught:
        pip_runner.settings(HERE, {**os.environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
    assert "pip.conf" in caught.value.hint


def test_a_python_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    with pytest.raises(InstallerError, match="126"):
        pip_runner.settings(broken, os.environ)
    with pytest.raises(InstallerError, match="126"):
        pip_runner.run(broken, ["--version"], environment=os.environ, heard=print)


def test_an_installation_without_pip_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip_runner, "find_spec", lambda _: None)
    with pytest.raises(InstallerError) as caught:
        pip_runner.runner()
    assert "pip install 'pip" in caught.value.hint


def test_it_is_the_pip_that_belongs_to_us(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    ended = pip_runner.run(HERE, ["--version"], environment=os.environ, heard=lines.append)
    assert ended.status == 0
    assert str(pip_runner.runner().parent) in capfd.readouterr().out


def test_what_pip_says_is_heard(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    ended = pip_runner.run(HERE, ["install", "--no-such-option"], environment=os.environ, heard=lines.append)
    assert ended.status == 2
    assert tuple(lines) == ended.errors
    assert any("no such option" in line for line in lines)
    assert capfd.readouterr().err == ""


# A stand-in for a pip in the middle of something: it starts a child, says so, and then takes its time.
STUBBORN = """
import signal, subprocess, sys, time
for name in sys.argv[1].split(","):
    if name:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=sys.stderr, flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    print("undone", file=sys.stderr, flush=True)
    sys.exit(1)
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: object) -> None:
    assert callable(condition)
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it took too long")


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups on Windows")
@pytest.mark.parametrize("ignored", ["", "SIGINT", "SIGINT,SIGTERM"])
def test_an_interrupted_pip_ends_with_all_that_it_started(
    ignored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    monkeypatch.setattr(pip_runner, "runner", lambda: script)
    monkeypatch.setattr(pip_runner, "_POLITE", 0.3)
    monkeypatch.setattr(pip_runner, "_FIRM", 0.3)
    lines: list[str] = []

    def heard(line: str) -> None:
        lines.append(line)
        if len(lines) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    def hasty(number: int, _: object) -> None:
        pytest.fail("somebody else dealt with Ctrl-C")

    before = signal.signal(signal.SIGINT, hasty)
    try:
        with pytest.raises(KeyboardInterrupt):
            pip_runner.run(HERE, [ignored], environment=os.environ, heard=heard)
        assert signal.getsignal(signal.SIGINT) is hasty
    finally:
        signal.signal(signal.SIGINT, before)
    assert any("undone" in line for line in lines) is ("SIGINT" not in ignored)
    wait_for(lambda: not alive(int(lines[0])))


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups on Windows")
def test_a_terminated_command_takes_pip_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    monkeypatch.setattr(pip_runner, "runner", lambda: script)
    lines: list[str] = []

    def heard(line: str) -> None:
        lines.append(line)
        if len(lines) == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as caught:
        pip_runner.run(HERE, [""], environment=os.environ, heard=heard)
    assert caught.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    wait_for(lambda: not alive(int(lines[0])))


def test_it_runs_in_any_thread(capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[pip_runner.Ended] = []
    thread = threading.Thread(
        target=lambda: ended.append(
            pip_runner.run(HERE, ["--version"], environment=os.environ, stdout=subprocess.DEVNULL, heard=print)
        )
    )
    thread.start()
    thread.join()
    assert ended[0].status == 0


def test_where_there_are_no_groups_the_process_alone_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], text=True)
    monkeypatch.setattr("secure_fetch.handoff.pip_runner.os.name", "nt")
    pip_runner.end(process)
    monkeypatch.undo()
    assert process.returncode != 0
