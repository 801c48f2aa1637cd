"""A signed index on disk in the layout `pep458`, made with python-tuf alone: pages, files, sidecars and 16 bins."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.utils import canonicalize_name
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from secure_fetch.config import Repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Role = TypeVar("Role", Root, Timestamp, Snapshot, Targets)

_DIGITS = "0123456789abcdef"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Entry:
    """One file of the index. `page` changes its entry on the page; None for `signed` leaves it out of the bins."""

    filename: str
    data: bytes
    page: dict[str, Any] = field(default_factory=dict)
    signed: bool = True
    sidecar: bytes | None = None
    sidecar_signed: bool = True

    @property
    def path(self) -> str:
        digest = sha256(self.data)
        return f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.filename}"


class SignedIndex:
    """`folder` is what a web server serves. Change what you like, then `publish`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.projects: dict[str, list[Entry]] = {}
        self.page_fields: dict[str, dict[str, Any]] = {}
        self.algorithms = ["sha256"]
        self.expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=7)
        self.list_projects = False
        self.version = 0
        self._signer = CryptoSigner.generate_ed25519()
        root = Root(expires=self.expires, consistent_snapshot=True)
        for role in ("root", "timestamp", "snapshot", "targets"):
            root.add_key(self._signer.public_key, role)
        self.root = self._sign(root, "1.root.json")

    def add(
        self,
        named: tuple[str, bytes],
        *,
        page: Mapping[str, Any] | None = None,
        signed: bool = True,
        sidecar: bool = True,
        sidecar_signed: bool = True,
    ) -> Entry:
        """Add a wheel or sdist, with its `.metadata` if it is a wheel and `sidecar` says so."""
        filename, data = named
        inside = _inside(data) if filename.endswith(".whl") and sidecar else None
        entry = Entry(filename, data, dict(page or {}), signed, inside, sidecar_signed)
        self.projects.setdefault(canonicalize_name(filename.split("-")[0]), []).append(entry)
        return entry

    def repository(self, url: str, **options: Any) -> Repository:
        return Repository(name="corp", root=self.root, index_url=f"{url}simple/", **options)

    def publish(self) -> None:
        """Write pages, files and metadata, all in a new version."""
        self.version += 1
        targets: dict[str, TargetFile] = {}
        for project, entries in self.projects.items():
            for entry in entries:
                files = [(entry.path, entry.data, entry.signed)]
                if entry.sidecar is not None:
                    files.append((f"{entry.path}.metadata", entry.sidecar, entry.sidecar_signed))
                for path, data, signed in files:
                    self._write(path, data)
                    if signed:
                        targets[path] = TargetFile.from_data(path, data, self.algorithms)
            page, path = self._page(project, entries), f"simple/{project}/index.json"
            self._write(f"simple/{project}/{sha256(page)}.index.json", page)
            targets[path] = TargetFile.from_data(path, page, ["sha256"])
        if self.list_projects:
            listed = json.dumps({"projects": [{"name": name} for name in self.projects]}).encode()
            self._write(f"simple/{sha256(listed)}.index.json", listed)
            targets["simple/index.json"] = TargetFile.from_data("simple/index.json", listed, ["sha256"])
        self._publish_metadata(targets)

    def page_path(self, project: str) -> str:
        """Return where the page lies, relative to the folder."""
        return f"simple/{project}/{sha256(self._page(project, self.projects[project]))}.index.json"

    def _page(self, project: str, entries: list[Entry]) -> bytes:
        files = []
        for entry in entries:
            fields: dict[str, Any] = {
                "filename": entry.filename,
                "url": f"../../{entry.path}",
                "hashes": {"sha256": sha256(entry.data)},
            }
            if entry.sidecar is not None:
                fields["core-metadata"] = {"sha256": sha256(entry.sidecar)}
            files.append({name: value for name, value in {**fields, **entry.page}.items() if value is not None})
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": files, **self.page_fields.get(project, {})}
        return json.dumps(page, sort_keys=True).encode()

    def _publish_metadata(self, targets: Mapping[str, TargetFile]) -> None:
        bins = {digit: Targets(version=self.version, expires=self.expires) for digit in _DIGITS}
        for path, target in targets.items():
            bins[sha256(path.encode())[0]].targets[path] = target
        key = self._signer.public_key
        roles = {
            f"bin-{digit}": DelegatedRole(f"bin-{digit}", [key.keyid], 1, terminating=False, path_hash_prefixes=[digit])
            for digit in _DIGITS
        }
        top = Targets(version=self.version, expires=self.expires, delegations=Delegations({key.keyid: key}, roles))
        for digit, role in bins.items():
            self._sign(role, f"{self.version}.bin-{digit}.json")
        self._sign(top, f"{self.version}.targets.json")
        meta = {f"{name}.json": MetaFile(self.version) for name in ("targets", *roles)}
        self._sign(Snapshot(version=self.version, expires=self.expires, meta=meta), f"{self.version}.snapshot.json")
        self.publish_timestamp()

    def publish_timestamp(self) -> None:
        timestamp = Timestamp(version=self.version, expires=self.expires, snapshot_meta=MetaFile(self.version))
        self._sign(timestamp, "timestamp.json")

    def _sign(self, signed: Role, name: str) -> bytes:
        envelope = Metadata(signed)
        envelope.sign(self._signer)
        data = envelope.to_bytes(JSONSerializer(compact=True))
        self._write(f"metadata/{name}", data)
        return data

    def _write(self, path: str, data: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)


def _inside(data: bytes) -> bytes:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return archive.read(name)
