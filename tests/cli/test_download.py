"""`secure-fetch download`: verified files into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import servers
from tests.handoff.distributions import sdist, wheel
from tests.handoff.project import Project, project
from tests.handoff.signed_index import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP, LIB, OLD = "app-1.0-py3-none-any.whl", "lib-2.0-py3-none-any.whl", "lib-1.0-py3-none-any.whl"


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """Yield a project whose index has `app`, which needs `lib`, which has two versions."""
    with project(tmp_path, monkeypatch, capfd) as found:
        found.index.add(wheel("app", requires=["lib>=1"]))
        found.index.add(wheel("lib", "1.0"))
        found.index.add(wheel("lib", "2.0"))
        found.index.publish()
        yield found


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secure_fetch.handoff.pip_runner.runner", None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_files_come_with_their_dependencies(scene: Project) -> None:
    done = scene.run("download", "app", "-d", "out", "--json")
    assert done.status == 0, done.err
    assert names(scene.folder / "out") == [APP, LIB]
    files = {entry["name"]: entry for entry in done.json()["files"]}
    assert files["app"]["hashes"]["sha256"] == sha256((scene.folder / "out" / APP).read_bytes())
    assert files["lib"]["chain"][0]["role"] == "root"
    assert done.json()["ok"] is True
    assert sum(path.endswith(".whl") for path in scene.upstream.paths) == 2


def test_pips_own_options_count(scene: Project) -> None:
    scene.index.add(sdist("lib", "3.0", needs="app"))
    scene.index.add(wheel("old", requires=["lib<2"]))
    scene.index.publish()
    scene.patch.setenv("VIRTUAL_ENV", str(scene.python.parent.parent))
    options = ("--only-binary", ":all:", "--platform", "any", "--python-version", "3.12", "--dest=out")
    assert scene.run("download", "old", *options).status == 0
    assert names(scene.folder / "out") == [OLD, "old-1.0-py3-none-any.whl"]


@pytest.mark.usefixtures("no_pip")
def test_without_dependencies_no_installer_is_needed(scene: Project) -> None:
    (scene.folder / "r.txt").write_text("lib==1.0\nother; python_version < '3'\n")
    done = scene.run("download", "--no-deps", "app", "-r", "r.txt", "-d", "out")
    assert done.status == 0, done.err
    assert names(scene.folder / "out") == [APP, OLD]
    assert f"out/{APP}  " in done.out
    assert "other" in done.err


@pytest.mark.usefixtures("no_pip")
def test_hashes_are_honoured_without_an_installer(scene: Project) -> None:
    old, new = (sha256(entry.data) for entry in scene.index.projects["lib"])
    (scene.folder / "r.txt").write_text(f"lib --hash=sha256:{old} --hash=sha512:{'0' * 128}\n")
    assert scene.run("download", "--no-deps", "-r", "r.txt").status == 0
    assert (scene.folder / OLD).exists()
    (scene.folder / "r.txt").write_text(f"lib==1.0 --hash=sha256:{new}\n")
    done = scene.run("download", "--no-deps", "-r", "r.txt", "-d", "out", "--json")
    assert (done.status, done.error()["kind"]) == (2, "NotFoundError")
    (scene.folder / "r.txt").write_text(f"lib==1.0 --hash=sha512:{'0' * 128}\n")
    done = scene.run("download", "--no-deps", "-r", "r.txt", "-d", "out", "--json")
    assert (done.status, done.error()["kind"]) == (1, "HashError")
    (scene.folder / "r.txt").write_text(f"lib==1.0 --hash=sha256:{old}\napp\n")
    done = scene.run("download", "--no-deps", "-r", "r.txt", "-d", "out", "--json")
    assert (done.status, done.error()["kind"]) == (2, "UsageError")
    assert "app (r.txt, line 2) has no --hash" in done.error()["message"]
    for wrong in ("md5:00", "sha256", "sha256:"):
        (scene.folder / "r.txt").write_text(f"lib==1.0 --hash={wrong}\n")
        assert "is not a hash" in scene.run("download", "--no-deps", "-r", "r.txt", "-d", "out").err
    assert scene.run("download", "--no-deps", "--require-hashes", "lib").status == 2
    assert names(scene.folder / "out") == []


@pytest.mark.usefixtures("no_pip")
@pytest.mark.parametrize(
    ("requirement", "said"),
    [("libb", "Did you mean lib?"), ("lib==9", "the nearest of 2 are 1.0, 2.0"), ("lib<1", "1.0, 2.0")],
)
def test_what_is_not_there_is_explained(scene: Project, requirement: str, said: str) -> None:
    scene.index.list_projects = True
    scene.index.publish()
    done = scene.run("download", "--no-deps", requirement)
    assert done.status == 2
    assert said in done.err


@pytest.mark.usefixtures("no_pip")
def test_pre_releases_are_asked_for(scene: Project) -> None:
    scene.index.add(wheel("lib", "3.0rc1"))
    scene.index.publish()
    assert scene.run("download", "--no-deps", "lib", "-d", "out").status == 0
    assert scene.run("download", "--no-deps", "--pre", "lib", "-d", "out").status == 0
    assert names(scene.folder / "out") == [LIB, "lib-3.0rc1-py3-none-any.whl"]


def test_a_local_project_is_resolved_but_not_downloaded(scene: Project) -> None:
    name, data = wheel("mine", requires=["lib"])
    (scene.folder / name).write_bytes(data)
    done = scene.run("download", f"./{name}", "--no-deps", "-d", "out")
    assert done.status == 0
    assert "it was not downloaded" in done.err
    assert names(scene.folder / "out") == []


@pytest.mark.usefixtures("no_pip")
def test_a_tampered_file_is_not_downloaded(scene: Project) -> None:
    entry = scene.index.projects["app"][0]
    scene.upstream.always(f"/{entry.path}", servers.send(b"x" * len(entry.data)))
    done = scene.run("download", "--no-deps", "app", "-d", "out", "--json")
    assert (done.status, done.error()["kind"]) == (1, "HashError")
    assert names(scene.folder / "out") == []


def test_an_attack_while_pip_resolves_ends_it(scene: Project) -> None:
    entry = scene.index.projects["lib"][1]
    scene.upstream.always(f"/{entry.path}.metadata", servers.send(b"x" * len(entry.sidecar or b"")))
    done = scene.run("download", "app", "-d", "out", "--json")
    assert (done.status, done.error()["kind"], done.json()["files"]) == (1, "HashError", [])
    assert len(done.json()["refused"]) == 1
    assert names(scene.folder / "out") == []
    done = scene.run("download", "app", "-d", "out")
    assert done.status == 1
    assert done.err.count("error: ") >= 1


@pytest.mark.usefixtures("no_pip")
def test_a_file_in_the_way_of_the_folder_is_named(scene: Project) -> None:
    (scene.folder / "out").write_text("a file")
    done = scene.run("download", "--no-deps", "app", "-d", "out")
    assert done.status == 3
    assert "another folder with -d" in done.err


@pytest.mark.usefixtures("no_pip")
def test_an_unwritable_cache_is_named(scene: Project) -> None:
    (scene.folder / "cache").write_text("a file")
    done = scene.run("download", "--no-deps", "app", "-d", "out")
    assert done.status == 3
    assert "--cache-dir" in done.err
    assert "with -d" not in done.err


def test_nothing_asked_for_and_nothing_trusted(scene: Project) -> None:
    assert "Nothing was asked for" in scene.run("download").err
    assert scene.run("download", "app", "--python", "nowhere").status == 2
    scene.config.write_text("")
    assert "trust add" in scene.run("download", "--no-deps", "app").err
