"""`secure-fetch serve`: the verifying index as a service, and `pip_failures`, which puts pip's words into ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from secure_fetch.cli.pip_failures import explain
from secure_fetch.errors import (
    HashError,
    InstallerError,
    NotFoundError,
    SecureFetchError,
    TransportError,
    UsageError,
    VerificationError,
)
from secure_fetch.handoff.local_index import Refusal
from secure_fetch.handoff.pip_runner import Ended
from tests import servers
from tests.handoff.distributions import wheel
from tests.handoff.project import Project, command_line, project
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from secure_fetch.client import Client


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    with project(tmp_path, monkeypatch, capfd) as found:
        found.index.add(wheel("lib"))
        found.index.publish()
        yield found


@pytest.mark.skipif(os.name == "nt", reason="signals are something else on Windows")
def test_any_installer_can_use_the_service_until_ctrl_c(scene: Project) -> None:
    process = subprocess.Popen(
        command_line(*scene.arguments("serve", "--json")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    with process:
        text = "".join(iter(process.stdout.readline, "}\n")) + "}"
        url = json.loads(text)["index_url"]
        with urllib.request.urlopen(f"{url}lib/", timeout=10) as answer:
            assert b"../../files/lib/lib-1.0-py3-none-any.whl" in answer.read()
        scene.upstream.always(f"/{scene.index.projects['lib'][0].path}", servers.status(500))
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{url.removesuffix('simple/')}files/lib/lib-1.0-py3-none-any.whl", timeout=10)
        with urllib.request.urlopen(f"{url}lib/", timeout=10) as answer:  # a service goes on
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "lib-1.0-py3-none-any.whl was refused" in err
    assert "Traceback" not in err


def test_a_service_of_nothing_is_refused(scene: Project) -> None:
    scene.config.write_text("")
    assert "trust add" in scene.run("serve").err


NETWORK = TransportError("https://index.example/simple/lib/", "it is down")
ATTACK = HashError("lib", algorithm="sha256", expected="a", actual="b")
MISSING = NotFoundError("The project lib", where="the repository corp")


def nobody(name: str) -> Client:
    raise NotFoundError(f"The project {name}", where="any repository that may supply it")


@pytest.mark.parametrize(
    ("refused", "said", "kind", "shown"),
    [
        ([MISSING, NETWORK, ATTACK], "ERROR: No matching distribution found for lib", HashError, "hash"),
        ([MISSING, NETWORK], "ERROR: No matching distribution found for lib", TransportError, "down"),
        ([MISSING], "ERROR: No matching distribution found for lib>=2 (from app)", NotFoundError, "project lib"),
        ([], "ERROR: No matching distribution found for (nothing)", InstallerError, "exit code 1"),
        ([MISSING], "ERROR: it broke", NotFoundError, "project lib"),
        ([], "ERROR: it broke\nERROR: really", InstallerError, "exit code 1"),
        ([], "", InstallerError, "exit code 1"),
        ([], "ERROR: ResolutionImpossible: for help visit", UsageError, "ResolutionImpossible"),
        ([], "Usage:\n  pip install\n\nno such option: --x", UsageError, "refused: no such option: --x"),
        ([], "Usage:\n\nambiguous option: --upg (--upgrade, --x?)", UsageError, "refused: ambiguous option: --upg"),
        ([], "ERROR: In --require-hashes mode, these do not:\n    lib from x", UsageError, "these do not: lib from x"),
        ([], "ERROR: nowhere is not a valid editable requirement.", UsageError, "nowhere"),
        ([], "ERROR: file:///x does not appear to be a Python project: no", UsageError, "file:///x"),
        ([], "it ends\nlike this\n", InstallerError, "like this"),
        ([], "ERROR: Could not find an activated virtualenv (required).", UsageError, "virtualenv"),
        ([], "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", VerificationError, "--hash"),
    ],
)
def test_a_failure_is_explained_by_its_gravest_cause(
    refused: list[SecureFetchError], said: str, kind: type[SecureFetchError], shown: str
) -> None:
    ended = Ended(status=1, errors=tuple(said.splitlines()))
    refusals = [Refusal(what="lib", error=error) for error in refused]
    error = explain(ended, refusals, nobody, command="pip install")
    assert type(error) is kind
    assert shown in str(error)
