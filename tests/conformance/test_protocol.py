"""The command line that the conformance suite calls: real runs of the executable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .bench import CLIENT, execute, files

if TYPE_CHECKING:
    from .bench import Bench
    from .conftest import MakeBench

NOTHING_LISTENS = "http://127.0.0.1:9/metadata"


@pytest.mark.parametrize("consistent", [True, False])
def test_the_whole_protocol(make_bench: MakeBench, consistent: bool) -> None:
    bench = make_bench(consistent_snapshot=consistent, hash_named_targets=consistent)
    bench.init(bench.repository.initial_root)
    bench.repository.delegate("../odd/role?#")
    bench.repository.add_target("x", b"data", role="../odd/role?#")
    bench.repository.publish()
    assert bench.refresh(real=True).code == 0
    assert bench.download("x", real=True).code == 0
    assert bench.download("missing", real=True).code == 1
    assert "..%2Fodd%2Frole%3F%23.json" in {path.name for path in bench.metadata.iterdir()}
    paths = [seen.path for seen in bench.server.log]
    assert paths == []  # each command's requests were compared with the peer's


def test_init_makes_no_request_and_needs_no_network_code(tmp_path: Path) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(b"not checked before it is used")
    done = execute("--metadata-dir", str(tmp_path / "new" / "folder"), "init", str(root))
    assert (done.returncode, done.stderr) == (0, "")
    copies = [path for path in files(tmp_path / "new") if path.name == "root.json"]
    assert [path.read_bytes() for path in copies] == [root.read_bytes()] * 2


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["init"],
        ["refresh"],
        ["download"],
        ["upload"],
        ["init", "no-such-file"],
        ["init", "."],
        ["init", "root.json", "another"],
        ["--unknown", "init", "root.json"],
        ["refresh", "--metadata-url"],
        ["refresh", "root.json", "--metadata-url", NOTHING_LISTENS],
        ["refresh", "--metadata", NOTHING_LISTENS],
        ["download", "--metadata-url", NOTHING_LISTENS, "--target-name", "x", "--target-dir", "targets"],
        ["download", "--metadata-url", NOTHING_LISTENS, "--target-base-url", NOTHING_LISTENS, "--target-dir", "T"],
        ["refresh", "--metadata-url", "gopher://127.0.0.1/"],
        ["refresh", "--metadata-url", "http://[::1/"],
        ["refresh", "--metadata-url", NOTHING_LISTENS],
    ],
)
def test_every_failure_is_exit_code_1(bench: Bench, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(bench.repository.initial_root)
    words = [str(tmp_path / word) if word == "root.json" else word for word in words]
    assert bench.run(*words) == 1
    assert bench.server.take_paths() == []


def test_the_executable_says_1_too(tmp_path: Path) -> None:
    for words in (["--no-such-option"], ["--metadata-dir", str(tmp_path / "x"), "init", str(tmp_path / "missing")]):
        done = execute(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr
        assert "Traceback" not in done.stderr


def test_help_is_no_failure() -> None:
    assert execute("--help").returncode == 0


def test_a_refresh_before_init_fails(bench: Bench, tmp_path: Path) -> None:
    bench.metadata = tmp_path / "not initialised"
    assert bench.run("--metadata-url", bench.repository.metadata_url, "refresh") == 1
    assert bench.server.take_paths() == []
    assert not bench.metadata.exists()


def test_a_folder_that_is_none_fails(bench: Bench, tmp_path: Path) -> None:
    bench.metadata = tmp_path / "file"
    bench.metadata.touch()
    for words in (["refresh", "--metadata-url", bench.repository.metadata_url], ["init", str(bench.root_file)]):
        assert bench.run(*words) == 1
    bench.targets.parent.mkdir(exist_ok=True)
    bench.targets.touch()
    bench.metadata = tmp_path / "ours" / "metadata"
    bench.repository.add_target("x", b"data")
    bench.repository.publish()
    assert bench.run(*download_words(bench)) == 1
    assert bench.targets.read_bytes() == b""


def download_words(bench: Bench) -> list[str]:
    urls = ["--metadata-url", bench.repository.metadata_url, "--target-base-url", bench.repository.targets_url]
    return ["download", *urls, "--target-name", "x", "--target-dir", str(bench.targets)]


def test_options_stand_anywhere_and_urls_end_as_they_like(bench: Bench) -> None:
    bench.repository.add_target("x", b"data")
    bench.repository.publish()
    words = [word.rstrip("/") for word in download_words(bench)]
    for at in range(0, len(words), 2):
        assert bench.run(*words[1 : at + 1], words[0], *words[at + 1 :]) == 0
    assert [path.name for path in files(bench.targets)] == ["x"]


def test_a_metadata_url_may_hold_what_test_names_hold(bench: Bench) -> None:
    repository = bench.repository
    strange = "test_x[a b-é]/metadata/"
    for url in list(repository.served):
        repository.served[url.replace("/metadata/", f"/{strange}")] = repository.served[url]
    assert bench.run("--metadata-url", repository.metadata_url.replace("metadata/", strange), "refresh") == 0
    assert (
        bench.run(
            "--metadata-url",
            repository.metadata_url.replace("metadata/", "test_x%5Ba%20b-%C3%A9%5D/metadata"),
            "refresh",
        )
        == 0
    )


def test_it_runs_from_any_folder_whatever_the_settings(bench: Bench, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(CLIENT)
    environment = {
        "http_proxy": "http://127.0.0.1:9",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    words = ["--metadata-dir", str(bench.metadata), "--metadata-url", bench.repository.metadata_url, "refresh"]
    for executable in (CLIENT, link):
        done = subprocess.run([executable, *words], cwd=tmp_path, env=environment, check=False, capture_output=True)
        assert done.returncode == 0, done.stderr


def test_another_root_begins_anew(bench: Bench) -> None:
    bench.repository.delegate("role")
    bench.repository.publish()
    assert bench.download("x").code == 1
    bench.repository.served.clear()
    fresh = type(bench.repository)(metadata_url=bench.repository.metadata_url, targets_url=bench.repository.targets_url)
    fresh.publish_root()
    bench.server.simulator = fresh
    bench.init(fresh.served[fresh.url("2.root.json")])
    assert bench.refresh(peer=False).versions == {"root": 2, "timestamp": 1, "snapshot": 1, "targets": 1}


def test_only_what_is_needed_is_loaded(bench: Bench) -> None:
    script = (
        "import json, sys; from entry import main; code = main(sys.argv[1:]); print(json.dumps([code, *sys.modules]))"
    )
    words = ["--metadata-dir", str(bench.metadata), "--metadata-url", bench.repository.metadata_url, "refresh"]
    loaded = {}
    for command in (["--metadata-dir", str(bench.folder / "other"), "init", str(bench.root_file)], words):
        done = subprocess.run(
            [sys.executable, "-c", script, *command],
            check=True,
            capture_output=True,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
                "PYTHONPATH": f"{CLIENT.parent}{os.pathsep}{CLIENT.parent.parent.parent}",
            },
        )
        code, *loaded[command[-1]] = json.loads(done.stdout)
        assert code == 0
    assert not {"truststore", "keyring", "tuf", "rich", "pip"} & set(loaded["refresh"])
    assert not {"requests", "urllib3", "socket", "securesystemslib"} & set(loaded[str(bench.root_file)])


def test_without_its_libraries_it_runs_in_the_environment_of_this_tree(tmp_path: Path) -> None:
    copy = tmp_path / "tests" / "conformance" / "client"
    python = tmp_path / ".venv-3.x" / "bin" / "python"
    for path, text in ((copy, CLIENT.read_text()), (python, '#!/bin/sh\necho "$@"\n')):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    bare = [getattr(sys, "_base_executable", sys.executable), "-I", "-S"]
    done = subprocess.run([*bare, copy, "init", "x"], check=True, capture_output=True, text=True)
    assert done.stdout == f"{copy} init x\n"
