"""Requirements files that mean one thing to this reader and another to pip: whatever pip would read is read here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pip._internal.commands import create_command
from pip._internal.req.req_file import build_parser

from secure_fetch.cli import pip_options, requirements
from secure_fetch.errors import UsageError
from secure_fetch.handoff import pip_runner


def read(*arguments: str, **environment: str) -> requirements.Request:
    return requirements.read(arguments, environment=environment)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.txt").write_text("--find-links ./wheels\nevil\n")


@pytest.mark.parametrize("line", ["--requirem=evil.txt", "--requiremen=evil.txt", "x --h=sha256:aa", "--unheard=of"])
def test_an_abbreviation_that_pip_alone_understands_is_refused(line: str) -> None:
    Path("r.txt").write_text(f"{line}\n")
    with pytest.raises(UsageError):
        read("-r", "r.txt")
    with pytest.raises(UsageError):
        read(*line.split())


@pytest.mark.parametrize("command", ["install", "download", None])
def test_every_abbreviation_is_read_as_pip_reads_it_or_refused(command: str | None) -> None:
    """In files pip knows fewer options, so that shorter abbreviations are clear to it."""
    parser = build_parser() if command is None else create_command(command).parser
    known = set(parser._long_opt)
    for prefix in {name[:end] for name in known for end in range(3, len(name) + 1)}:
        matches = [name for name in known if name.startswith(prefix)]
        if prefix not in known and len(matches) != 1:
            continue  # pip refuses it
        meant = parser._long_opt[prefix if prefix in known else matches[0]]
        try:
            (option,) = pip_options.read([f"{prefix}=value"])
        except UsageError:
            continue
        assert isinstance(option, pip_options.Option)
        assert f"--{option.name}" in meant._long_opts or option.name in pip_options._SAME.values(), prefix
        assert meant.takes_value() == (option.name in pip_options._WITH_VALUE), prefix


def test_an_encoding_that_pip_alone_sees_is_refused() -> None:
    """A file separator is a space in text and none in bytes; in UTF-7 the comment below it is two lines."""
    text = "# coding:\x1cascii ; python_version<'1' #coding:utf-7\n# +AAo---requirement evil.txt+AAo-\nx\n"
    Path("r.txt").write_text(text)
    with pytest.raises(UsageError, match="encoded in utf-7"):
        read("-r", "r.txt")


@pytest.mark.parametrize("name", ["PIP_RETRIES", "PIP_NO_INPUT", "HTTP_PROXY", "NO_PROXY", "GIT_ALLOW_PROTOCOL"])
def test_a_variable_that_is_another_for_pip_is_refused(name: str) -> None:
    """The file of that very name is harmless, and pip would open one of another name."""
    Path(f"${{{name}}}.txt").write_text("x\n")
    Path("r.txt").write_text(f"-r ${{{name}}}.txt\n")
    with pytest.raises(UsageError, match=name):
        read("-r", "r.txt")


def test_the_variables_that_are_another_for_pip_are_known() -> None:
    outer = dict.fromkeys(["PIP_X", "HTTP_PROXY", "NO_PROXY", "GIT_CONFIG_GLOBAL", "SECURE_FETCH_X", "OWN"], "outer")
    made = pip_runner.environment(outer, index_url="i", proxy="p", settings={"PIP_PRE": "1"})
    changed = {name for name in {*outer, *made} if outer.get(name) != made.get(name) and name.isupper()}
    assert all(pip_runner.is_replaced(name) for name in changed)
    assert not pip_runner.is_replaced("OWN")


@pytest.mark.parametrize(
    "text",
    [
        "evil-1.0.tar.lzma",
        "evil===1.0.zip",
        "evil===1.0.zip ; python_version > '3'",
        "evil[x]===1.0.zip",
        "evil===1.0.zip[x]",
        f"evil==={os.sep}folder",
        "evil.ZIP [x]",
    ],
)
def test_what_pip_takes_for_a_path_is_one(text: str) -> None:
    for arguments in (("-r", "r.txt"), ("-c", "r.txt")):
        Path("r.txt").write_text(f"{text}\n")
        with pytest.raises(UsageError, match="local path"):
            read(*arguments)
    assert len(read(text).local) == 1


@pytest.mark.parametrize("text", ["x @ svn+https://evil.example/x", " git+https://evil.example/x#egg=x"])
def test_an_editable_url_is_refused_however_it_is_written(text: str) -> None:
    with pytest.raises(UsageError, match="is a URL"):
        read("-e", text)


DIRECT = [
    "evil @ file:///evil-1.0-py3-none-any.whl",
    "evil @ svn+https://evil.example/x",
    "evil @ https://evil.example",
]


@pytest.mark.parametrize("requirement", DIRECT)
def test_a_script_that_names_addresses_is_refused(requirement: str) -> None:
    Path("s.py").write_text(f"# /// script\r\n# dependencies = ['lib', '{requirement}']\r\n# ///\r\n", newline="")
    with pytest.raises(UsageError, match=r"s\.py"):
        read("--requirements-from-script", "s.py")


@pytest.mark.parametrize("requirement", DIRECT)
@pytest.mark.parametrize("group", ["dev", "pyproject.toml:Dev", "Outer_Group"])
def test_a_group_that_names_addresses_is_refused(requirement: str, group: str) -> None:
    Path("pyproject.toml").write_text(
        f'[dependency-groups]\ndev = ["lib", "{requirement}"]\nouter-group = [{{include-group = "DEV"}}]\nfine = []\n'
    )
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        read("--group", group)
    assert read("--group", "fine").wanted == []


@pytest.mark.parametrize("group", ["pylock.toml:dev", "pylock.x.toml[extra]:dev"])
def test_a_group_of_a_lock_file_is_refused(group: str) -> None:
    with pytest.raises(UsageError, match="lock file"):
        read("--group", group)


def test_scripts_and_groups_by_name_are_asked_for() -> None:
    Path("s.py").write_text("# /// script\n# dependencies = ['lib<2']\n# ///\n")
    Path("pyproject.toml").write_text(
        '[dependency-groups]\na = ["x", {include-group = "b"}]\nb = ["y", {include-group = "a"}]\n'
    )
    request = read("--requirements-from-script", "s.py", "--group", "a")
    assert [str(wanted.requirement) for wanted in request.wanted] == ["lib<2", "x", "y"]
