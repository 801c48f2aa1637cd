"""The demo, run as a user runs it: real pip, real environments, real attacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from secure_fetch.cli import demo_attacks
from secure_fetch.cli.demo_attacks import Attack, Result
from secure_fetch.cli.demo_stage import Outcome, get_distributions, make_wheel
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from .corp import Cli

SIX = {
    "wheel swapped": ("HashError", 1),
    "project page edited": ("HashError", 1),
    "timestamp rolled back": ("RollbackError", 1),
    "metadata frozen": ("ExpiredError", 1),
    "endless wheel": ("LengthError", 1),
    "dependency confusion": ("NotFoundError", 2),
}


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "SECURE_FETCH_"))}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "PIP_CONFIG_FILE": os.devnull, **more}


def demo(tmp_path: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    home = tmp_path / "home"
    home.mkdir()
    return subprocess.run(
        [sys.executable, "-m", "secure_fetch", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env=environment(home, TMPDIR=str(tmp_path), **more),
    )


def test_real_packages_are_signed_installed_and_every_attack_is_refused(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    make_wheel(wheels, "Demo.Leaf", "2.0")
    make_wheel(wheels, "demo-tree", "1.5", requires=["demo_leaf>=2"])
    ended = demo(tmp_path, "--json", "--packages", "demo-tree>1", PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels.as_uri())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["ok"] is True
    assert told["made_up"] is None
    assert {(one["name"], one["version"]) for one in told["installed"]} == {("Demo.Leaf", "2.0"), ("demo-tree", "1.5")}
    assert {attack["name"]: (attack["kind"], attack["exit_code"]) for attack in told["attacks"]} == SIX
    assert all(attack["refused"] and attack["error"] for attack in told["attacks"])
    left = {path.name for path in tmp_path.iterdir()} - {"home", "wheels"}
    assert not left, "the demo cleans up behind itself"


def test_without_a_network_two_tiny_packages_are_made_and_it_says_so(tmp_path: Path) -> None:
    ended = demo(tmp_path, "--keep", "kept", PIP_INDEX_URL="http://127.0.0.1:9/simple/", PIP_RETRIES="0")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "two tiny packages are made here instead" in ended.stdout
    assert "Installed secure-fetch-demo-leaf 1.0, secure-fetch-demo-tree 1.0" in ended.stdout
    assert ended.stdout.count("refused, nothing installed") == len(SIX)
    assert "Everything went as it should" in ended.stdout
    assert (tmp_path / "kept" / "repository" / "public" / "metadata" / "1.root.json").is_file()


def test_packages_that_pip_does_not_find_end_it_with_pips_own_reason(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    ended = cli("demo", "--json", "--packages", "no-such-package-anywhere")
    assert ended.code == 3
    assert "No matching distribution found for no-such-package-anywhere" in ended.error["hint"]


def test_a_folder_to_keep_must_be_new(cli: Cli, tmp_path: Path) -> None:
    ended = cli("demo", "--keep", tmp_path)
    assert ended.code == 2
    assert "exists already" in ended.err


def test_a_pip_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secure_fetch.cli.demo_stage._DOWNLOAD_TIMEOUT", 0.01)
    assert "took longer" in str(get_distributions(["x"], tmp_path / "incoming"))


@pytest.mark.parametrize(
    ("status", "kind", "installed"),
    [
        (0, None, {"x": "1"}),  # it went through
        (1, "HashError", {"x": "1"}),  # it was refused, and yet something is there
        (1, "TransportError", {}),  # it failed, for a reason that proves nothing
        (4, "HashError", {}),  # an exit code that is none of ours
    ],
)
def test_only_a_refusal_for_the_right_reason_counts(status: int, kind: str | None, installed: dict[str, str]) -> None:
    attack: Attack = demo_attacks.ATTACKS[0]
    report = {"error": {"kind": kind}} if kind else {}
    outcome = Outcome(status=status, report=report, installed=installed, text="what it printed")
    result = Result(attack=attack, outcome=outcome)
    assert not result.refused
    assert result.message == "what it printed"


def test_what_is_not_refused_is_said_and_fails_the_demo(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    harmless = Attack(name="nothing", story="nothing is done", kinds=("HashError",), run=lambda scene: scene.install())
    monkeypatch.setattr(demo_attacks, "ATTACKS", (harmless,))
    wheels = tmp_path / "wheels"
    make_wheel(wheels, "demo-leaf", "2.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheels.as_uri())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ended = cli("demo", "--packages", "demo-leaf")
    assert ended.code == 1
    assert "NOT REFUSED" in ended.out
    assert "run again with --keep" in ended.out
