"""pip's command line as pip reads it, and what of it must not get through."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secure_fetch.cli import pip_options
from secure_fetch.cli.parser import Parser
from secure_fetch.cli.pip_options import Option
from secure_fetch.errors import UsageError


def names(*arguments: str) -> list[tuple[str, str | None] | str]:
    found = pip_options.read(arguments)
    return [(item.name, item.value) if isinstance(item, Option) else item for item in found]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("flask", "--upgrade", "-q"), ["flask", ("upgrade", None), ("quiet", None)]),
        (("-r", "a.txt", "-rb.txt", "--requirement=c.txt"), [("requirement", f"{name}.txt") for name in "abc"]),
        (("-Ur", "a.txt"), [("upgrade", None), ("requirement", "a.txt")]),
        (("--only-binary", ":all:", "x"), [("only-binary", ":all:"), "x"]),
        (("--only-b=:all:",), [("only-binary", ":all:")]),
        (("--no-dependencies",), [("no-deps", None)]),
        (("--pre", "--prefer-binary"), [("pre", None), ("prefer-binary", None)]),
        (("--", "-x", "--index-url"), ["-x", "--index-url"]),
        (("-",), ["-"]),
        (("--destination-dir", "d", "-d", "e"), [("dest", "d"), ("dest", "e")]),
        (("-r",), [("requirement", "")]),
        (("--requirement",), [("requirement", None)]),
    ],
)
def test_options_are_read_as_optparse_does(arguments: tuple[str, ...], expected: list[object]) -> None:
    assert names(*arguments) == expected


@pytest.mark.parametrize(
    "argument",
    [
        *(f"--{name}" for name in sorted(pip_options.SOURCES)),
        *("-i", "-f", "-ihttps://x", "-Ui", "-qqf.", "--in", "--index", "--extra", "--find", "--proxy=", "--prox"),
        *("--trusted", "--cer", "--client", "--iso", "--no-i", "--py=x", "--cache", "--no-p", "--pyp", "--key"),
    ],
)
def test_options_that_name_sources_are_refused_however_they_are_written(argument: str) -> None:
    with pytest.raises(UsageError, match="where files come from") as caught:
        names(argument, "value")
    assert "trust add" in caught.value.hint


def test_every_option_of_this_pip_is_known() -> None:
    """An option that takes a value and is not in the table would have its value read as a requirement."""
    shown = set()
    for command in ("install", "download"):
        done = subprocess.run(
            [sys.executable, "-m", "pip", command, "--help"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200", "PIP_CONFIG_FILE": os.devnull},
        )
        for line in done.stdout.splitlines():
            head = line.strip().partition("  ")[0]
            long = [part for part in head.replace(",", " ").split() if part.startswith("--")]
            if line.startswith("  -") and long:
                shown.add((long[0][2:], "<" in head))
    assert len(shown) > 60
    assert {name for name, takes in shown if takes} <= pip_options._WITH_VALUE
    assert {name for name, takes in shown if not takes} <= pip_options._SWITCHES


OURS = ["--json", "-v", "-q", "--log", "--config", "--cert", "--proxy"]


@pytest.mark.parametrize(
    ("arguments", "own", "rest"),
    [
        (["flask", "-q", "--upgrade"], ["-q"], ["flask", "--upgrade"]),
        (["--config", "c.toml", "flask"], ["--config", "c.toml"], ["flask"]),
        (["--config=c.toml", "-U"], ["--config=c.toml"], ["-U"]),
        (["-r", "--json"], [], ["-r", "--json"]),
        (["--only-binary", "-v", "-vv"], ["-vv"], ["--only-binary", "-v"]),
        (["-qU"], [], ["-qU"]),
        (["-vq", "x"], ["-vq"], ["x"]),
        (["--", "--json"], [], ["--", "--json"]),
        (["-rx", "--requirement=x", "-Ur", "-q"], [], ["-rx", "--requirement=x", "-Ur", "-q"]),
        (["-"], [], ["-"]),
        (["--config"], ["--config"], []),
        (["--only-bin", "-v"], [], ["--only-bin", "-v"]),
        (["--platform"], [], ["--platform"]),
    ],
)
def test_our_options_are_told_from_pips(arguments: list[str], own: list[str], rest: list[str]) -> None:
    assert pip_options.split(Parser(), arguments) == (own, rest)


@given(st.lists(st.sampled_from(["-", "--", "-i", "--x", "a", "=", "-r", "--index-url", "-qU", "", "-e"]), max_size=6))
@settings(max_examples=200)
def test_nothing_is_lost_and_nothing_else_is_raised(arguments: list[str]) -> None:
    try:
        found = list(pip_options.read(arguments))
    except UsageError:
        return
    typed = [text for item in found for text in ([item] if isinstance(item, str) else item.typed)]
    letters = "".join(typed).replace("-", "")
    assert letters == "".join(arguments).replace("-", "")
