"""`secure-fetch install`: what a pip user expects, from the verified index only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests import servers
from tests.handoff.distributions import sdist, wheel
from tests.handoff.project import Project, command_line, project
from tests.handoff.signed_index import sha256
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """Yield a project whose index has `app`, which needs `lib`, which has two versions."""
    with project(tmp_path, monkeypatch, capfd) as found:
        found.index.add(wheel("app", requires=["lib>=1"]))
        found.index.add(wheel("lib", "1.0"))
        found.index.add(wheel("lib", "2.0"))
        found.index.publish()
        yield found


def test_a_project_is_installed_with_its_dependencies(scene: Project) -> None:
    done = scene.install("app")
    assert done.status == 0, done.err
    assert scene.installed() == {"app": "1.0", "lib": "2.0"}
    assert "2 files verified and handed to pip." in done.out
    asked = scene.upstream.paths
    assert any(path.endswith(".whl.metadata") for path in asked)  # pip used the sidecars
    assert not any(path.endswith("lib-1.0-py3-none-any.whl") for path in asked)


def test_json_says_what_was_installed_and_who_vouches_for_it(scene: Project) -> None:
    done = scene.install("--json", "app")
    assert done.status == 0
    report = done.json()
    assert report["ok"] is True
    assert "error" not in report
    assert report["refused"] == report["unverified"] == []
    found = {entry["name"]: entry for entry in report["installed"]}
    assert found.keys() == {"app", "lib"}
    assert found["app"]["file"] == "app-1.0-py3-none-any.whl"
    assert found["app"]["hashes"] == {"sha256": sha256(scene.index.projects["app"][0].data)}
    assert [link["role"] for link in found["app"]["chain"]][:4] == ["root", "timestamp", "snapshot", "targets"]
    assert "Successfully installed" in done.err  # pip's own words are not in the way


def test_what_is_installed_already_needs_nothing(scene: Project) -> None:
    scene.install("app")
    files = [path for path in scene.upstream.paths if path.endswith(".whl")]
    again = scene.install("app", "--json")
    assert (again.status, again.json()["installed"]) == (0, [])
    assert [path for path in scene.upstream.paths if path.endswith(".whl")] == files


def test_a_second_environment_costs_no_download(scene: Project) -> None:
    scene.install("app")
    files = [path for path in scene.upstream.paths if "/packages/" in path]
    done = scene.install("app", "--target", str(scene.folder / "elsewhere"), "--quiet")
    assert (done.status, done.out) == (0, "")
    assert (scene.folder / "elsewhere" / "lib.py").exists()
    assert [path for path in scene.upstream.paths if "/packages/" in path] == files


def test_options_of_pip_pass_through(scene: Project) -> None:
    done = scene.install("lib<2", "-q")
    assert scene.installed() == {"lib": "1.0"}
    done = scene.install("lib", "--upgrade", "-q", "--only-binary", ":all:")
    assert (done.status, scene.installed()) == (0, {"lib": "2.0"})
    assert scene.install("--no-deps", "app", "--dry-run").status == 0
    assert scene.installed() == {"lib": "2.0"}


def test_files_of_requirements_and_constraints_count(scene: Project) -> None:
    (scene.folder / "sub").mkdir()
    (scene.folder / "requirements.txt").write_text("-r sub/more.txt  # a comment\n-c constraints.txt\n")
    (scene.folder / "sub" / "more.txt").write_text("app \\\n  >= 1.0\n")
    (scene.folder / "constraints.txt").write_text("lib == ${LIB}\n")
    scene.patch.setenv("LIB", "1.0")
    assert scene.install("-r", "requirements.txt").status == 0
    assert scene.installed() == {"app": "1.0", "lib": "1.0"}


def test_hashes_are_required_and_compared(scene: Project) -> None:
    lines = [f"{name}==1.0 --hash=sha256:{sha256(scene.index.projects[name][0].data)}\n" for name in ("app", "lib")]
    (scene.folder / "pinned.txt").write_text("".join(lines))
    assert scene.install("--require-hashes", "-r", "pinned.txt").status == 0
    assert scene.installed() == {"app": "1.0", "lib": "1.0"}
    (scene.folder / "wrong.txt").write_text(f"lib==2.0 --hash=sha256:{'0' * 64}\n")
    done = scene.install("-r", "wrong.txt")
    assert done.status == 1
    assert "--hash" in done.err
    done = scene.install("--require-hashes", "lib==2.0")
    assert done.status == 2
    assert scene.installed()["lib"] == "1.0"


def test_a_build_takes_its_dependencies_from_the_verified_index(scene: Project) -> None:
    scene.index.add(sdist("built", needs="lib"))
    scene.index.publish()
    assert scene.install("built").status == 0
    assert scene.installed() == {"built": "1.0"}
    assert (scene.python.parent.parent / "lib").exists()
    built = next((scene.python.parent.parent / "lib").rglob("built.py"))
    assert built.read_text() == "BUILT_WITH = 'lib 2.0'\n"


def test_the_active_environment_is_the_target(scene: Project) -> None:
    scene.patch.setenv("VIRTUAL_ENV", str(scene.python.parent.parent))
    assert scene.run("install", "lib").status == 0
    assert scene.installed() == {"lib": "2.0"}


def test_settings_that_name_sources_do_not_count(scene: Project) -> None:
    """Neither variables nor configuration files lead pip to a second index; settings that are none stay."""
    with servers.Server(scene.folder) as canary:
        (scene.folder / "pip.conf").write_text(
            f"[global]\nextra-index-url = {canary.url}simple/\nfind-links = {canary.url}\nproxy = {canary.url}\n"
            f"[install]\nno-index = true\nonly-final = lib\nno-binary = app\nunheard-of = 1\n"
        )
        scene.patch.setenv("PIP_CONFIG_FILE", str(scene.folder / "pip.conf"))
        scene.patch.setenv("PIP_INDEX_URL", f"{canary.url}simple/")
        scene.patch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
        done = scene.install("lib")
        assert done.status == 0, done.err
        assert scene.installed() == {"lib": "2.0"}
        assert "extra-index-url, find-links, index-url, no-index, unheard-of" in done.err
        kept = scene.install("app")
        assert canary.log == []
    assert kept.status == 2  # no-binary=app was kept, and there is no sdist
    assert "app" not in scene.installed()


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "https://evil.example/simple/"),
        ("--index-url=https://evil.example/simple/",),
        ("--extra-index", "https://evil.example/simple/"),
        ("--find=.",),
        ("-f.",),
        ("-qf", "."),
        ("--trusted-host", "evil.example"),
        ("--isolated",),
        ("--no-proxy-env",),
        ("app @ https://evil.example/app-1.0-py3-none-any.whl",),
        ("https://evil.example/app-1.0-py3-none-any.whl",),
        ("git+https://evil.example/app",),
        ("-e", "git+ssh://evil.example/app"),
        ("-r", "https://evil.example/requirements.txt"),
        ("-r", "urls.txt"),
        ("-r", "index.txt"),
        ("-r", "pylock.toml"),
    ],
)
def test_what_leads_around_the_index_is_refused_before_pip_starts(scene: Project, arguments: tuple[str, ...]) -> None:
    (scene.folder / "urls.txt").write_text("app @ https://evil.example/app-1.0-py3-none-any.whl\n")
    (scene.folder / "index.txt").write_text("--index-url https://evil.example/simple/\napp\n")
    scene.patch.setattr("secure_fetch.handoff.pip_runner.run", None)
    done = scene.install(*arguments, "lib", "--json")
    assert done.status == 2
    assert done.error()["kind"] == "UsageError"
    assert done.error()["hint"]


def test_a_url_in_a_packages_metadata_is_not_fetched(scene: Project) -> None:
    with servers.Server(scene.folder) as canary:
        scene.index.add(wheel("greedy", requires=[f"evil @ {canary.url}evil-1.0-py3-none-any.whl"]))
        scene.index.add(wheel("sly", requires=["evil @ git+https://evil.example/evil"]))
        scene.index.publish()
        done = scene.install("greedy", "--json")
        assert canary.log == []
        assert scene.install("sly").status != 0
    assert done.status == 1
    assert f"{canary.url}evil-1.0-py3-none-any.whl, which nothing vouches for" in done.error()["message"]
    assert scene.installed() == {}


def test_a_local_path_that_was_typed_is_taken_and_named(scene: Project) -> None:
    name, data = wheel("mine", requires=["lib"])
    (scene.folder / name).write_bytes(data)
    done = scene.install(f"./{name}", "--json")
    assert done.status == 0
    report = done.json()
    assert [entry["name"] for entry in report["unverified"]] == ["mine"]
    assert [entry["name"] for entry in report["installed"]] == ["lib"]
    assert "nothing vouches for it" in done.err


def test_pips_own_report_goes_where_it_is_wanted(scene: Project) -> None:
    assert scene.install("lib", "--report", "report.json", "--dry-run").status == 0
    assert json.loads((scene.folder / "report.json").read_text())["install"][0]["metadata"]["name"] == "lib"
    done = scene.install("lib", "--report=-", "-q", "--dry-run")
    assert json.loads(done.out)["install"][0]["metadata"]["version"] == "2.0"
    assert scene.installed() == {}
    done = scene.install("lib", "--dry-run", "--json")
    assert [entry["name"] for entry in done.json()["would_install"]] == ["lib"]


def test_without_a_target_nothing_is_guessed(scene: Project) -> None:
    done = scene.run("install", "lib")
    assert done.status == 2
    assert "No virtual environment is active" in done.err
    assert "--python" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing-here",), "The project nothing-here is not in the repository corp"),
        (("libb",), "libb is not in the repository corp"),
        (("requirements.txt",), "To ask for what a requirements file lists: -r requirements.txt"),
        (("-r", "."), ". is a folder.\n  Name a requirements file."),
        (("lib==3",), "No version fits; the nearest of 2 are 1.0, 2.0."),
        (("lib", "--only-final", "lib", "lib>2"), "lib"),
        (("app", "lib<1"), "lib"),
        (("app", "lib==1.0", "lib==2.0"), "pip install refused"),
        ((), "Nothing was asked for"),
        (("=1.0",), "is not a requirement"),
        (("lib", "--no-such-option"), "no such option"),
        (("-r", "missing.txt"), "missing.txt"),
        (("-r",), "needs the name of a file"),
    ],
)
def test_a_wrong_request_is_explained(scene: Project, arguments: tuple[str, ...], said: str) -> None:
    done = scene.install(*arguments)
    assert done.status == 2, done.err
    assert said in done.err
    assert scene.installed() == {}


def test_where_nothing_fits_the_files_of_the_newest_version_are_named(scene: Project) -> None:
    done = scene.install("lib", "--no-binary", "lib")
    assert done.status == 2
    assert "A file for lib that fits this Python, the options and the other requirements is not in" in done.err
    assert "Its versions: 2.0, 1.0. The files of the newest: lib-2.0-py3-none-any.whl." in done.err


def test_nothing_to_do_is_said(scene: Project) -> None:
    assert scene.install("lib").status == 0
    assert "What was installed before was not checked." in scene.install("lib").out


def test_a_build_that_fails_is_not_an_attack(scene: Project) -> None:
    name, data = sdist("broken", needs="lib")
    scene.index.add((name, data))
    scene.index.projects["lib"].clear()
    scene.index.add(wheel("lib", modules={"lib.py": "raise RuntimeError('no')\n"}))
    scene.index.publish()
    done = scene.install("broken", "--json")
    assert (done.status, done.error()["kind"]) == (3, "InstallerError")
    assert done.json()["refused"] == []


def test_nothing_is_installed_where_nothing_is_trusted(scene: Project) -> None:
    scene.config.write_text("")
    done = scene.install("lib")
    assert done.status == 2
    assert "trust add" in done.err


def test_a_project_that_no_repository_may_supply_is_not_asked_for(scene: Project) -> None:
    scene.trust(projects=["corp-*"])
    done = scene.install("lib", "--json")
    assert (done.status, done.error()["kind"]) == (2, "NotFoundError")
    assert scene.upstream.paths == []


def test_help_speaks_of_pip(scene: Project) -> None:
    with pytest.raises(SystemExit):
        scene.run("install", "--help")


@pytest.mark.skipif(os.name == "nt", reason="signals are something else on Windows")
def test_ctrl_c_ends_everything_and_leaves_nothing(scene: Project) -> None:
    entry = scene.index.projects["lib"][1]
    scene.upstream.always(f"/{entry.path}", servers.drip(entry.data, 0.2))
    arguments = scene.arguments("install", "--python", str(scene.python), "lib")
    process = subprocess.Popen(
        command_line(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    for _ in range(1000):
        if f"/{entry.path}" in scene.upstream.paths:
            break
        time.sleep(0.01)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 30
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert scene.installed() == {}
    assert [path for path in (scene.folder / "cache").rglob("*") if path.is_file() and path.suffix == ".whl"] == []
    assert list((scene.folder / "cache").rglob("*.tmp")) == []
    assert _processes_with(str(scene.python)) == []


def _processes_with(text: str) -> list[str]:
    found = subprocess.run(["ps", "-eo", "pid,args"], check=True, capture_output=True, text=True).stdout
    return [line for line in found.splitlines() if text in line]
