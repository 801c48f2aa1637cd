"""The package under another name, and its core where nothing but the core's dependencies is installed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeVar

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from .source_tree import ROOT, SOURCES, bare_environment

if TYPE_CHECKING:
    from pathlib import Path

AnyRole = TypeVar("AnyRole", Root, Timestamp, Snapshot, Targets)

VENDORED = """
import importlib, pathlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
sys.modules["secure_fetch"] = None  # an absolute import of the usual name fails
package = importlib.import_module("host._vendor.secure_fetch")
left_out = {"cli", "signing", "mirror", "handoff", "__main__"}
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if found.name.split(".")[3] not in left_out:
        importlib.import_module(found.name)
for name in package.__all__:
    assert getattr(package, name).__module__.startswith("host._vendor."), name
print("vendored", package.__version__)
"""

WALK = """
import importlib.util, json, pathlib, sys
source, mirror, work = sys.argv[1:]
sys.path.insert(0, source)
from secure_fetch import Client, FolderTransport, Repository, VerificationError

folder = pathlib.Path(mirror)
root = (folder / "metadata" / "1.root.json").read_bytes()

def open_client(cache):
    repository = Repository(name="tiny", root=root, index_url="https://index.example/simple/")
    transport = FolderTransport({"https://index.example/": folder})
    place = pathlib.Path(work) / cache
    return Client(repository, cache_dir=place / "cache", state_dir=place / "state", transport=transport)

with open_client("first") as client:
    page = client.project("demo")
    target = client.locate(page, page.files[0].filename)
    (pathlib.Path(work) / "out").mkdir()
    path = client.download(target, pathlib.Path(work) / "out").path

timestamp = folder / "metadata" / "timestamp.json"
document = json.loads(timestamp.read_bytes())
signature = document["signatures"][0]
signature["sig"] = ("0" if signature["sig"][0] != "0" else "1") + signature["sig"][1:]
timestamp.write_text(json.dumps(document))
try:
    with open_client("second") as client:
        client.refresh()
    refused = ""
except VerificationError as error:
    refused = type(error).__name__

absent = ("cryptography", "tuf", "rich", "waitress", "keyring", "truststore", "tomli_w")
print(json.dumps({
    "file": pathlib.Path(path).read_text(),
    "refused": refused,
    "installed": [name for name in absent if importlib.util.find_spec(name)],
}))
"""


def make_repository(folder: Path, content: bytes) -> None:
    """Write a repository of one wheel, made by python-tuf alone and signed with one ed25519 key."""
    signer = CryptoSigner.generate_ed25519()
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    digest = hashlib.sha256(content).hexdigest()
    name = "demo-1.0-py3-none-any.whl"
    path = f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{name}"
    entry = {"filename": name, "url": f"../../{path}", "hashes": {"sha256": digest}}
    page = json.dumps({"meta": {"api-version": "1.0"}, "name": "demo", "files": [entry]}).encode()
    files = {
        path: (path, content),
        "simple/demo/index.json": (f"simple/demo/{hashlib.sha256(page).hexdigest()}.index.json", page),
    }
    targets = Targets(expires=expires)
    for target, (on_disk, data) in files.items():
        targets.targets[target] = TargetFile.from_data(target, data, ["sha256"])
        (folder / on_disk).parent.mkdir(parents=True, exist_ok=True)
        (folder / on_disk).write_bytes(data)
    root = Root(expires=expires, consistent_snapshot=True)
    for role in ("root", "timestamp", "snapshot", "targets"):
        root.add_key(signer.public_key, role)
    metadata = folder / "metadata"
    metadata.mkdir()

    def sign(signed: AnyRole, name: str) -> MetaFile:
        envelope = Metadata(signed)
        envelope.sign(signer)
        data = envelope.to_bytes(JSONSerializer(compact=True))
        (metadata / name).write_bytes(data)
        return MetaFile(version=1, length=len(data), hashes={"sha256": hashlib.sha256(data).hexdigest()})

    sign(root, "1.root.json")
    snapshot = Snapshot(expires=expires, meta={"targets.json": sign(targets, "1.targets.json")})
    sign(Timestamp(expires=expires, snapshot_meta=sign(snapshot, "1.snapshot.json")), "timestamp.json")


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has what the core needs and nothing else, from the index that pip is set to use."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    venv.create(folder, with_pip=False, symlinks=os.name == "posix")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "-qq", "install"]
    subprocess.run([*command, "requests", "securesystemslib", "packaging", "platformdirs"], check=True)
    return python


def test_the_core_runs_with_its_four_dependencies_alone(bare_python: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "mirror", b"not really a wheel")
    done = subprocess.run(
        [bare_python, "-I", "-W", "error", "-c", WALK, ROOT, tmp_path / "mirror", tmp_path],
        check=False,
        capture_output=True,
        text=True,
        env=bare_environment(),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": "not really a wheel", "refused": "SignatureError", "installed": []}


def test_the_package_runs_under_another_name(tmp_path: Path) -> None:
    vendor = tmp_path / "host" / "_vendor"
    for source in SOURCES:
        copy = vendor / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    (tmp_path / "host" / "__init__.py").touch()
    (vendor / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-I", "-c", VENDORED, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env=bare_environment(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("vendored ")


def test_the_public_names_are_there_and_load_late() -> None:
    script = "import sys, secure_fetch as s; print('requests' in sys.modules); print(s.Client, s.Repository)"
    done = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    late, names = done.stdout.splitlines()
    assert late == "False"
    assert "Client" in names
