"""What a package's own metadata names, what a bug in the index does, and who else can write to the cache."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from secure_fetch.cli import install, requirements
from secure_fetch.cli.installing import Outcome
from tests.handoff.distributions import wheel
from tests.handoff.project import Project, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """Yield a project whose index has `lib` in two versions."""
    with project(tmp_path, monkeypatch, capfd) as found:
        found.index.add(wheel("lib", "1.0"))
        found.index.add(wheel("lib", "2.0"))
        found.index.publish()
        yield found


def test_a_file_that_only_metadata_names_is_never_a_success(scene: Project) -> None:
    name, data = wheel("evil")
    (scene.folder / name).write_bytes(data)
    scene.index.add(wheel("sly", requires=[f"evil @ {(scene.folder / name).as_uri()}"]))
    scene.index.publish()
    for arguments in (("sly", "--dry-run"), ("sly",)):
        done = scene.install(*arguments, "--json")
        assert done.status == 1
        assert done.error()["kind"] == "VerificationError"
        assert name in done.error()["message"]
    done = scene.run("download", "--python", str(scene.python), "-d", "out", "sly", "--json")
    assert done.status == 1
    assert not (scene.folder / "out").exists()


@pytest.mark.parametrize("scheme", ["git+https", "svn+https", "hg+ssh", "bzr+https"])
def test_version_control_that_metadata_names_is_not_run(scene: Project, scheme: str) -> None:
    """Subversion obeys no proxy variable, ssh none at all."""
    tools = scene.folder / "tools"
    tools.mkdir()
    program = tools / scheme.partition("+")[0]
    program.write_text(f"#!/bin/sh\ntouch {scene.folder}/ran\n")
    program.chmod(0o755)
    scene.patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    scene.index.add(wheel("sly", requires=[f"evil @ {scheme}://evil.example/evil"]))
    scene.index.publish()
    done = scene.install("sly", "--json")
    assert not (scene.folder / "ran").exists()
    assert done.status == 1
    assert "version control" in done.error()["message"]
    assert scene.installed() == {}


@pytest.mark.parametrize("spelling", ["./{name}", "{name}", "file://{folder}/{name}", "evil @ file://{folder}/{name}"])
def test_a_file_that_was_typed_is_a_success_however_it_is_written(scene: Project, spelling: str) -> None:
    name, data = wheel("evil")
    (scene.folder / name).write_bytes(data)
    done = scene.install(spelling.format(name=name, folder=scene.folder))
    assert done.status == 0, done.err


def test_a_bug_in_the_index_is_no_empty_page(scene: Project) -> None:
    """To pip a 500 is an empty page: it keeps what is installed, and calls that a success."""
    assert scene.install("lib==1.0").status == 0

    def broken(*_: object, **__: object) -> None:
        raise RecursionError("a bug")

    scene.patch.setattr("secure_fetch.handoff.local_index.presented", broken)
    done = scene.install("-U", "lib", "--json")
    assert done.status == 3
    assert scene.installed() == {"lib": "1.0"}


def test_a_report_on_a_terminal_says_nothing_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    request = requirements.read(["--report", "-", "x"], environment={})
    report = '{"install": [{"metadata": {"summary": "\x9b2J\x7f\u202e"}}]}'
    install._write_report(request, Outcome(report=report))
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert out.isascii()
    assert json.loads(out) == json.loads(report)


@pytest.mark.parametrize(
    "text",
    [
        "lib\n--requirem=more.txt\n",
        "lib\n-r ${PIP_RETRIES}.txt\n",
        "# coding:\x1cascii ; python_version<'1' #coding:utf-7\n# +AAo---requirement more.txt+AAo-\nlib\n",
    ],
)
def test_a_checkout_with_a_wheel_in_it_installs_nothing_of_it(scene: Project, text: str) -> None:
    """Each of these was read as harmless here, and as `./evil-1.0-py3-none-any.whl` by pip."""
    name, data = wheel("evil")
    (scene.folder / name).write_bytes(data)
    for other in ("more.txt", "0.txt"):
        (scene.folder / other).write_text(f"./{name}\n")
    (scene.folder / "${PIP_RETRIES}.txt").write_text("lib\n")
    (scene.folder / "r.txt").write_text(text)
    done = scene.install("-r", "r.txt")
    assert done.status == 2, done.out
    assert scene.installed() == {}
