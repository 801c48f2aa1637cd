"""What `install` and `download` share: the environment, and pip's report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secure_fetch.cli import installing, suggestions
from secure_fetch.cli.pip_failures import explain
from secure_fetch.client import Client
from secure_fetch.errors import HashError, InstallerError, NotFoundError, StoreError, UsageError
from secure_fetch.handoff.pip_runner import Ended
from tests import servers
from tests.handoff.distributions import wheel
from tests.handoff.project import Project, command_line, project
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(sys.executable)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    with project(tmp_path, monkeypatch, capfd) as found:
        found.index.list_projects = True
        found.index.add(wheel("lib"))
        found.index.publish()
        yield found


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return the folder of what looks like an environment."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(HERE)
    return tmp_path


def test_an_environment_is_named_by_its_folder_its_interpreter_or_a_word(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installing.target(str(environment), {}) == environment / "bin" / "python"
    assert installing.target(str(environment / "bin" / "python"), {}) == environment / "bin" / "python"
    monkeypatch.setenv("PATH", str(environment / "bin"))
    assert installing.target("python", {}) == environment / "bin" / "python"
    monkeypatch.chdir(environment)
    assert installing.target("bin/python", {}) == environment / "bin" / "python"


@pytest.mark.parametrize("option", ["nowhere", "./nowhere", "bin", "bin/data"])
def test_what_is_no_environment_is_refused(environment: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(environment)
    (environment / "bin" / "data").write_text("not a program")
    with pytest.raises(UsageError, match="neither a Python interpreter nor a virtual environment"):
        installing.target(option, {})


def test_the_active_environment_counts(environment: Path) -> None:
    python = environment / "bin" / "python"
    active = {"VIRTUAL_ENV": str(environment)}
    assert installing.target(None, active) == python
    assert installing.target(None, {"CONDA_PREFIX": str(environment), "CONDA_DEFAULT_ENV": "work"}) == python
    assert installing.target(None, {**active, "CONDA_PREFIX": "/conda"}) == python
    with pytest.raises(UsageError, match="VIRTUAL_ENV names"):
        installing.target(None, {"VIRTUAL_ENV": str(environment / "gone"), "CONDA_PREFIX": str(environment)})
    for nothing in ({}, {"VIRTUAL_ENV": ""}, {"CONDA_PREFIX": str(environment), "CONDA_DEFAULT_ENV": "base"}):
        with pytest.raises(UsageError, match="No virtual environment is active"):
            installing.target(None, nothing)


@pytest.mark.parametrize("report", ["", "[]", "{}", '{"install": [{}]}', '{"install": 1}'])
def test_a_report_that_cannot_be_read_is_an_error(report: str) -> None:
    with pytest.raises(InstallerError, match="pip install"):
        installing._entries(report)


def test_without_a_place_for_temporary_files_nothing_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StoreError), installing._temporary_folder():
        pass


def test_names_are_suggested_from_the_list_that_was_signed(scene: Project, tmp_path: Path) -> None:
    with Client(scene.index.repository(scene.upstream.url), cache_dir=tmp_path / "cache") as client:
        with pytest.raises(NotFoundError) as caught:
            suggestions.page_of(lambda _: client, "Libb")
        assert caught.value.hint == "Did you mean lib?"
        with pytest.raises(NotFoundError) as caught:
            suggestions.page_of(lambda _: client, "something-else")
        assert "Did you mean" not in caught.value.hint


def test_a_list_that_cannot_be_trusted_suggests_nothing(scene: Project, tmp_path: Path) -> None:
    (listed,) = scene.index.folder.glob("simple/*.index.json")
    listed.write_bytes(b"{}")
    with Client(scene.index.repository(scene.upstream.url), cache_dir=tmp_path / "cache") as client:
        assert suggestions.project_names(client) == []


def test_an_attack_on_the_way_to_an_explanation_is_the_explanation(scene: Project, tmp_path: Path) -> None:
    page = scene.index.page_path("lib")
    (scene.index.folder / page).write_bytes(b"x" * (scene.index.folder / page).stat().st_size)
    ended = Ended(status=1, errors=("ERROR: No matching distribution found for lib==2",))
    with Client(scene.index.repository(scene.upstream.url), cache_dir=tmp_path / "cache") as client:
        assert isinstance(explain(ended, [], lambda _: client, command="pip install"), HashError)


def test_a_version_that_exists_but_was_not_allowed_is_explained(scene: Project, tmp_path: Path) -> None:
    ended = Ended(status=1, errors=("ERROR: No matching distribution found for lib<2",))
    with Client(scene.index.repository(scene.upstream.url), cache_dir=tmp_path / "cache") as client:
        error = explain(ended, [], lambda _: client, command="pip install")
    assert isinstance(error, NotFoundError)
    assert error.hint == "Its versions: 1.0. The files of the newest: lib-1.0-py3-none-any.whl."


@pytest.mark.skipif(os.name == "nt", reason="there are no such limits on Windows")
def test_a_full_disk_is_an_error_of_its_own(scene: Project) -> None:
    import resource

    scene.index.add(wheel("big", modules={"big.txt": "x" * 400_000}))
    scene.index.publish()
    done = subprocess.run(
        command_line(*scene.arguments("install", "--python", str(scene.python), "big")),
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )
    assert done.returncode == 3, done.stderr
    assert "file size limit was reached" in done.stderr
    assert scene.installed() == {}
    assert list((scene.folder / "cache").rglob("*.tmp")) == []


def test_a_page_that_was_refused_counts_even_if_pip_went_on(scene: Project) -> None:
    """Where a page is refused, pip settles for an older version; nothing more is handed over then."""
    scene.index.add(wheel("extra"))
    scene.index.add(wheel("lib", "2.0", requires=["extra"]))
    scene.index.publish()
    scene.upstream.always(f"/{scene.index.page_path('extra')}", servers.send(b"x"))
    done = scene.install("lib", "--json")
    assert done.status == 1
    assert done.error()["kind"] in ("LengthError", "HashError")
    assert scene.installed() == {}
