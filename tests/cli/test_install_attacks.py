"""The attacks of PEP 458, appendix A, and dependency confusion, each through a real server and a real pip."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from securesystemslib.signer import CryptoSigner

from tests import servers
from tests.handoff.distributions import metadata, wheel
from tests.handoff.project import Done, Project, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """Yield a project whose index has `app`, which needs `lib`."""
    with project(tmp_path, monkeypatch, capfd) as found:
        found.index.add(wheel("app", requires=["lib"]))
        found.index.add(wheel("lib"))
        found.index.publish()
        yield found


def refused(scene: Project, *requirements: str, status: int = 1) -> dict[str, str]:
    """Install, see that nothing was installed, and return the error."""
    done: Done = scene.install("--json", *requirements)
    assert done.status == status, done.err
    assert scene.installed() == {}
    error: dict[str, str] = done.error()
    assert error["message"]
    assert error["hint"]
    assert error["message"].partition(",")[0] in done.err or not done.json().get("refused")
    return error


def served(scene: Project, path: str, data: bytes) -> None:
    scene.upstream.always(f"/{path}", servers.send(data))


def test_arbitrary_software(scene: Project) -> None:
    entry = scene.index.projects["lib"][0]
    _, evil = wheel("lib", modules={"lib.py": "import os; os.abort()\n"})
    served(scene, entry.path, evil[: len(entry.data)].ljust(len(entry.data), b"\0"))
    assert refused(scene, "app")["kind"] == "HashError"


def test_arbitrary_software_of_another_length(scene: Project) -> None:
    entry = scene.index.projects["lib"][0]
    served(scene, entry.path, entry.data + b"more")
    assert refused(scene, "app")["kind"] in ("LengthError", "LimitError")


def test_an_edited_page(scene: Project) -> None:
    path = scene.index.page_path("lib")
    page = json.loads((scene.index.folder / path).read_bytes())
    page["files"][0]["yanked"] = True
    served(scene, path, json.dumps(page).encode())
    assert refused(scene, "app")["kind"] in ("HashError", "LengthError", "LimitError")


def test_rollback(scene: Project) -> None:
    old = (scene.index.folder / "metadata" / "timestamp.json").read_bytes()
    scene.index.publish()
    assert scene.install("lib", "--dry-run").status == 0
    served(scene, "metadata/timestamp.json", old)
    error = refused(scene, "app")
    assert error["kind"] == "RollbackError"
    assert "went back in time" in error["message"]


def test_indefinite_freeze(scene: Project) -> None:
    scene.index.expires -= timedelta(days=30)
    scene.index.publish_timestamp()
    error = refused(scene, "app")
    assert error["kind"] == "ExpiredError"
    assert "freeze" in error["hint"]


def test_endless_data(scene: Project) -> None:
    entry = scene.index.projects["lib"][0]
    scene.upstream.always(f"/{entry.path}", servers.endless())
    assert refused(scene, "app")["kind"] in ("LimitError", "LengthError")


def test_slow_retrieval(scene: Project) -> None:
    scene.config.write_text(scene.config.read_text() + "rate-grace = 0.3\nminimum-rate = 100000\n")
    entry = scene.index.projects["lib"][0]
    scene.upstream.always(f"/{entry.path}", servers.drip(entry.data, 0.05))
    error = refused(scene, "app", status=3)
    assert error["kind"] == "TransportError"
    assert "bytes per second" in error["message"]


def test_extraneous_dependencies(scene: Project) -> None:
    entry = scene.index.projects["lib"][0]
    assert entry.sidecar is not None
    served(scene, f"{entry.path}.metadata", metadata("lib", "1.0", ["evil"]))
    error = refused(scene, "lib")
    assert error["kind"] in ("LengthError", "LimitError", "HashError")
    assert not any("evil" in path for path in scene.upstream.paths)


def test_mix_and_match(scene: Project) -> None:
    before = {path.name: path.read_bytes() for path in (scene.index.folder / "metadata").glob("1.*.json")}
    scene.index.add(wheel("lib", "2.0"))
    scene.index.publish()
    for name, data in before.items():
        if "bin" in name:
            served(scene, f"metadata/2{name.removeprefix('1')}", data)
    assert refused(scene, "app")["kind"] == "VersionError"


def test_wrong_software(scene: Project) -> None:
    served(scene, scene.index.projects["lib"][0].path, scene.index.projects["app"][0].data)
    assert refused(scene, "lib")["kind"] in ("HashError", "LengthError", "LimitError")


def test_a_mirror_that_prevents_updates(scene: Project) -> None:
    scene.upstream.always("/metadata/timestamp.json", servers.status(404))
    assert refused(scene, "app", status=3)["kind"] == "UncheckedError"


def test_a_mirror_that_withholds_a_page(scene: Project) -> None:
    scene.upstream.always(f"/{scene.index.page_path('lib')}", servers.status(404))
    assert refused(scene, "app")["kind"] == "WithheldError"


def test_key_compromise_below_the_threshold(scene: Project) -> None:
    own = scene.index._signer
    scene.index._signer = CryptoSigner.generate_ed25519()
    scene.index.publish()
    scene.index._signer = own
    scene.index.publish_timestamp()
    error = refused(scene, "app")
    assert error["kind"] == "SignatureError"
    assert "0 valid signature" in error["message"]


def test_dependency_confusion(scene: Project, tmp_path: Path) -> None:
    """A package that only a second index has is not there, whatever the settings of pip say."""
    public = tmp_path / "second" / "simple" / "internal"
    public.mkdir(parents=True)
    name, data = wheel("internal", "99.0")
    (public / name).write_bytes(data)
    (public / "index.html").write_text(f'<a href="{name}">{name}</a>')
    with servers.Server(tmp_path / "second") as second:
        scene.patch.setenv("PIP_EXTRA_INDEX_URL", f"{second.url}simple/")
        scene.patch.setenv("PIP_FIND_LINKS", f"{second.url}simple/internal/index.html")
        error = refused(scene, "internal", status=2)
        assert second.log == []
    assert error["kind"] == "NotFoundError"
    assert "internal is not in the repository corp" in error["message"]


def test_a_file_that_is_not_signed_yet(scene: Project) -> None:
    scene.index.add(wheel("lib", "2.0"), signed=False)
    scene.index.publish()
    error = refused(scene, "lib")
    assert error["kind"] == "NotSignedYetError"
    assert "try again shortly" in error["hint"]
    assert scene.install("lib<2").status == 0
    assert scene.installed() == {"lib": "1.0"}


def test_an_index_that_is_down(scene: Project) -> None:
    with servers.unused_port() as port:
        text = scene.config.read_text().replace(scene.upstream.url, f"http://127.0.0.1:{port}/")
        scene.config.write_text(text)
        error = refused(scene, "app", status=3)
    assert error["kind"] == "TransportError"
    assert error["suspicion"] == "network"


def test_an_index_that_goes_down_while_pip_runs(scene: Project) -> None:
    scene.upstream.always(f"/{scene.index.page_path('lib')}", servers.status(500))
    assert refused(scene, "app", status=3)["kind"] == "TransportError"
