"""`secure-fetch completion`: what the shells offer, asked of a real bash."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from secure_fetch.cli.parser import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from .corp import Cli

ASK = """
source "$SCRIPT"
words=("$@")
COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) COMPREPLY=()
_secure_fetch
printf '%s\\n' "${COMPREPLY[@]}"
"""


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") and name == "bash":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def script(cli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "completion.bash"
    path.write_text(cli("completion", "bash", "-q").out, encoding="utf-8")
    return path


def offered(script: Path, *typed: str) -> set[str]:
    done = subprocess.run(
        [shell("bash"), "--norc", "-c", ASK, "bash", "secure-fetch", *typed],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={"SCRIPT": str(script), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        cwd=script.parent,
    )
    assert done.stderr == ""
    return set(done.stdout.split("\n")) - {""}


def test_bash_offers_commands_options_and_files(script: Path) -> None:
    (script.parent / "folder").mkdir()
    assert offered(script, "") == set(COMMANDS)
    assert offered(script, "tr") == {"trust"}
    assert offered(script, "trust", "") == {"add", "list", "show", "remove"}
    assert offered(script, "--json", "trust", "re") == {"remove"}
    assert offered(script, "trust", "remove", "--fo") == {"--forget"}
    assert {"--json", "--index-url"} <= offered(script, "trust", "add", "--")
    assert "--version" in offered(script, "--")
    assert offered(script, "completion", "") == {"bash", "zsh", "fish"}
    assert offered(script, "explain", "fo") == {"folder"}
    assert offered(script, "--cache-dir", "fo") == {"folder"}
    assert offered(script, "--log", "trust", "cache", "p") == {"purge"}
    assert offered(script, "trust", "add", "--root", "c") == {"completion.bash"}


def test_a_value_that_is_called_like_a_command_is_none(script: Path) -> None:
    assert offered(script, "trust", "show", "cache", "--fo") == set()


def test_bash_finds_no_fault_with_it(script: Path) -> None:
    subprocess.run([shell("bash"), "-n", str(script)], check=True)


def test_json_carries_the_script(cli: Cli) -> None:
    found = cli("completion", "fish", "--json").json
    assert found["shell"] == "fish"
    assert found["script"].startswith("# completion of secure-fetch for fish")


def test_fish_knows_every_command_and_option(cli: Cli) -> None:
    text = cli("completion", "fish").out
    for name in COMMANDS:
        assert f"-a '{name}'" in text
    assert "-n '__fish_seen_subcommand_from trust; and __fish_seen_subcommand_from remove' -l forget" in text
    assert "-l cache-dir -r" in text
    for line in text.splitlines()[1:]:
        assert line.startswith("complete -c secure-fetch ")
        assert line.count("'") % 2 == 0


def test_zsh_is_told_by_the_same_tables(cli: Cli) -> None:
    text = cli("completion", "zsh").out
    assert "# completion of secure-fetch for zsh" in text
    assert "bashcompinit" in text
    assert "mapfile" not in text
    assert not re.search(r"< <\(", text)


@pytest.mark.parametrize(("name", "options"), [("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_other_shells_find_no_fault_with_theirs(cli: Cli, tmp_path: Path, name: str, options: list[str]) -> None:
    path = tmp_path / "script"
    path.write_text(cli("completion", name).out, encoding="utf-8")
    subprocess.run([shell(name), *options, str(path)], check=True)
