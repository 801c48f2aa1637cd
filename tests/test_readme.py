"""The two lines of the README: what they set up, and what they say on a machine that lacks something."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from .source_tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BOOTSTRAP = ROOT / ".ci" / "bootstrap.py"
NAME = f".venv-{sys.version_info.major}.{sys.version_info.minor}{getattr(sys, 'abiflags', '')}"

# A pip that notes what it was asked for and installs nothing, so that these tests need no network.
PIP = """
import os, sys
with open(os.environ["PIP_LOG_HERE"], "a") as log:
    log.write(repr((sys.argv[1:], dict(os.environ))) + chr(10))
sys.exit(int(os.environ.get("PIP_ANSWER", "0")))
"""
# Stands in for the standard library's, and takes a moment less: an environment with the pip from above.
VENV = """
import os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
print("venv called with", folder)
(folder / "bin").mkdir(parents=True)
if os.environ.get("VENV_ANSWER"):
    sys.exit(int(os.environ["VENV_ANSWER"]))
"""


def line_under(heading: str) -> str:
    """Return the one line in the one fenced shell block that follows a heading."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(rf"^## {heading}\n\n```sh\n(.*?)```\n", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    (line,) = found.group(1).splitlines()
    return line


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a copy of what the set-up reads."""
    copy = tmp_path / "clone with spaces"
    shutil.copytree(ROOT / ".ci", copy / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "secure_fetch").mkdir()
    (copy / "secure_fetch" / "__init__.py").write_text('__version__ = "1"\n')
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def make_venv(folder: Path, log: Path) -> None:
    """Make the environment that the set-up would, with a pip and a command that only take notes."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "pip").mkdir()
    (site / "pip" / "__main__.py").write_text(PIP)
    (site / "pip" / "__init__.py").touch()
    command = folder / "bin" / "secure-fetch"
    command.write_text("#!/bin/sh\n" + 'printf "ran: %s\\n" "$*"\n')
    command.chmod(0o755)
    log.touch()


@pytest.fixture
def prepared(clone: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return a clone whose environment was made already, and the log of its pip."""
    log = tmp_path / "pip.log"
    make_venv(clone / NAME, log)
    script = (
        "import sys; sys.path.insert(0, '.ci'); import environment as e;"
        f"(e.ROOT / '{NAME}' / 'made-for').write_text(e.identity(), 'utf-8')"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=clone)
    return clone, log


def start(clone: Path, *arguments: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run the clone's set-up; a variable of None is taken away."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for name, value in variables.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return subprocess.run(
        [sys.executable, ".ci/bootstrap.py", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=clone,
        env=environment,
    )


def calls(log: Path) -> list[tuple[list[str], dict[str, str]]]:
    return [ast.literal_eval(line) for line in log.read_text().splitlines()]


def test_the_readme_has_one_line_to_run_and_one_to_test() -> None:
    assert line_under("Run it") == "python3 .ci/bootstrap.py demo"
    assert line_under("Test it") == "python3 .ci/bootstrap.py test"


def test_ci_calls_the_readme_line_as_it_stands() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert line_under("Test it") in lines
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_files_that_the_documents_point_to_are_there() -> None:
    missing = [
        f"{document.name}: {link}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for link in re.findall(r"\]\(([^)#]+)", document.read_text("utf-8"))
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 9, 18)])
def test_an_older_python_is_told_which_one_is_needed(version: tuple[int, int, int]) -> None:
    script = "import runpy, sys; sys.version_info = {0}; sys.exit(runpy.run_path({1!r})['main']())"
    done = subprocess.run(
        [sys.executable, "-c", script.format(version, str(BOOTSTRAP))],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": os.devnull},
    )
    assert done.returncode == 2
    assert f"needs Python 3.10 or newer; this is Python {version[0]}.{version[1]}" in done.stderr
    assert "Install a newer one" in done.stderr
    assert not done.stdout


def test_an_older_python_points_to_a_newer_one_on_the_machine(tmp_path: Path) -> None:
    (tmp_path / "python3.10").symlink_to(sys.executable)
    (tmp_path / "python3.12").write_text("#!/bin/sh\nexit 127\n")  # a version manager's shim without its Python
    (tmp_path / "python3.12").chmod(0o755)
    script = (
        "import runpy, sys; sys.version_info = (3, 8, 1); sys.argv = ['.ci/bootstrap.py', 'demo', '--json'];"
        f"sys.exit(runpy.run_path({str(BOOTSTRAP)!r})['main']())"
    )
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "python3.10 .ci/bootstrap.py demo --json\n" in done.stderr


def test_the_first_file_is_one_that_any_python_can_read() -> None:
    text = BOOTSTRAP.read_text("utf-8")
    tree = ast.parse(text)
    assert text.isascii()
    assert not any(isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr) for node in ast.walk(tree))
    assert not any(node.annotation for node in ast.walk(tree) if isinstance(node, ast.arg))
    assert not any(node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    assert "__future__" not in text


@pytest.mark.parametrize("missing", ["ensurepip", "venv"])
def test_a_debian_without_venv_is_told_the_package(clone: Path, tmp_path: Path, missing: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "found = u.find_spec\n"
        f"u.find_spec = lambda name, package=None: None if name == {missing!r} else found(name, package)\n"
    )
    done = start(clone, "demo", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert "python3-venv" in done.stderr
    assert f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv" in done.stderr
    assert not done.stdout
    assert not (clone / NAME).exists()


def test_a_half_made_environment_is_removed(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "venv.py").write_text(VENV)
    done = start(clone, "demo", PYTHONPATH=str(tmp_path), VENV_ANSWER="1")
    assert done.returncode == 2, done.stderr
    assert "-m venv" in done.stderr
    assert "venv called with" in done.stderr
    assert not (clone / NAME).exists()


def test_an_environment_left_half_made_is_made_anew(clone: Path, tmp_path: Path) -> None:
    (clone / NAME / "bin").mkdir(parents=True)
    (clone / NAME / "bin" / "rest").touch()
    (tmp_path / "venv.py").write_text(VENV)
    done = start(clone, "demo", PYTHONPATH=str(tmp_path))
    assert "Making a virtual environment" in done.stderr
    assert not (clone / NAME / "bin" / "rest").exists()


def test_typed_twice_it_installs_once(prepared: tuple[Path, Path]) -> None:
    clone, log = prepared
    for _ in range(2):
        done = start(clone, "demo", "--json", PIP_LOG_HERE=str(log))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "ran: demo --json\n"
    ((arguments, _),) = calls(log)
    assert arguments[-2:] == ["--editable", f"{clone}[signing]"]


def test_it_installs_again_when_the_project_file_changes(prepared: tuple[Path, Path]) -> None:
    clone, log = prepared
    start(clone, "demo", PIP_LOG_HERE=str(log))
    with (clone / "pyproject.toml").open("a") as file:
        file.write("\n# another line\n")
    start(clone, "demo", PIP_LOG_HERE=str(log))
    assert len(calls(log)) == 2


def test_it_makes_the_environment_anew_when_the_clone_was_moved(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    clone, _ = prepared
    moved = clone.rename(clone.with_name("moved"))
    (tmp_path / "venv.py").write_text(VENV)
    done = start(moved, "demo", PYTHONPATH=str(tmp_path), VENV_ANSWER="1")
    assert "Making a virtual environment" in done.stderr


def test_a_failed_installation_says_what_to_look_at_and_is_tried_again(prepared: tuple[Path, Path]) -> None:
    clone, log = prepared
    done = start(clone, "demo", PIP_LOG_HERE=str(log), PIP_ANSWER="1")
    assert done.returncode == 3
    assert "Check the network" in done.stderr
    assert start(clone, "demo", PIP_LOG_HERE=str(log)).returncode == 0
    assert len(calls(log)) == 2


@pytest.mark.parametrize("home", [None, "", "/nonexistent/home", "relative"])
def test_it_works_without_a_home(prepared: tuple[Path, Path], home: str | None) -> None:
    clone, log = prepared
    done = start(clone, "demo", HOME=home, PIP_LOG_HERE=str(log), PIP_NO_CACHE_DIR=None)
    assert done.returncode == 0, done.stderr
    ((_, variables),) = calls(log)
    assert variables.get("HOME") == (home or None)
    assert not home or variables["PIP_NO_CACHE_DIR"] == "1"
    assert sorted(path.name for path in clone.iterdir() if path.name not in {NAME, f"{NAME}.lock"}) == [
        ".ci",
        "pyproject.toml",
        "secure_fetch",
    ]


def test_what_would_lead_out_of_the_environment_is_taken_away(prepared: tuple[Path, Path]) -> None:
    clone, log = prepared
    settings = {"PIP_TARGET": "elsewhere", "PIP_USER": "1", "VIRTUAL_ENV": "elsewhere", "PIP_TIMEOUT": "7"}
    done = start(clone, "demo", PIP_LOG_HERE=str(log), PYTHONPATH=str(clone), **settings)
    assert done.returncode == 0, done.stderr
    ((_, variables),) = calls(log)
    assert not {"PIP_TARGET", "VIRTUAL_ENV", "PYTHONPATH"} & variables.keys()
    assert variables["PIP_USER"] == "0"
    assert variables["PIP_TIMEOUT"] == "7"
    assert variables["PATH"].startswith(str(clone / NAME))


@pytest.mark.parametrize("arguments", [(), ("dance",)])
def test_other_words_get_the_usage(clone: Path, arguments: tuple[str, ...]) -> None:
    done = start(clone, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python3 .ci/bootstrap.py demo|test")
    assert not (clone / NAME).exists()


def test_a_folder_that_cannot_be_written_is_named(clone: Path) -> None:
    (clone / f"{NAME}.lock").mkdir()
    done = start(clone, "demo")
    assert done.returncode == 3
    assert f"{NAME} could not be made" in done.stderr
