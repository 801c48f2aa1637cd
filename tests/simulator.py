"""A repository in memory that speaks the Transport protocol, with a handle for every attack.

It is built on python-tuf's Metadata API, so what it publishes is valid by somebody else's measure. The signed objects
(`root`, `timestamp`, `snapshot`, `roles["…"]`) are edited in place, `write` signs and serves one of them as it stands,
`publish` gives what changed a new version and goes on to the snapshot and the timestamp. What python-tuf would not
write goes through `edits` (before it is signed), `envelopes` (after) and `tamper` (the served bytes).
"""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

from secure_fetch.errors import AbsentError
from secure_fetch.trust import Fetch, Keep, Limits, Load, Stored, TrustedState, refresh

from .memory_server import MemoryServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secure_fetch.trust import RoleName
    from secure_fetch.trust.workflow import Reply, Workflow

T = TypeVar("T")
Json = dict[str, Any]

METADATA_URL = "https://index.example/metadata/"
TARGETS_URL = "https://index.example/targets/"
NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
EXPIRES = NOW + timedelta(days=30)
TOP_LEVEL = ("root", "timestamp", "snapshot", "targets")


@cache
def signer(number: int) -> CryptoSigner:
    """Return the ed25519 key of that number, the same in every run."""
    seed = hashlib.sha256(f"simulator {number}".encode()).digest()
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed))


def envelope(signed: Json, signers: Sequence[CryptoSigner]) -> Json:
    """Return metadata signed as it is, valid or not."""
    payload = (encode_canonical(signed) or "").encode()
    return {"signatures": [one.sign(payload).to_dict() for one in signers], "signed": signed}


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def pretty(value: object) -> bytes:
    """Return JSON as python-tuf writes it by default in most repositories: indented and escaped."""
    return json.dumps(value, indent=1, sort_keys=True).encode()


class Simulator(MemoryServer):
    """A repository and its server. All four roles are published, in version 1, when it exists."""

    def __init__(
        self,
        *,
        consistent_snapshot: bool = True,
        meta_hashes: bool = False,
        hash_named_targets: bool = True,
        serialize: Callable[[object], bytes] = compact,
        metadata_url: str = METADATA_URL,
        targets_url: str = TARGETS_URL,
    ) -> None:
        """`meta_hashes` puts lengths and hashes into snapshot and timestamp."""
        super().__init__(metadata_url)
        self.meta_hashes = meta_hashes
        self.hash_named_targets = hash_named_targets
        self.serialize = serialize
        self.targets_url = targets_url
        self.edits: dict[str, Callable[[Json], object]] = {}
        self.envelopes: dict[str, Callable[[Json], object]] = {}
        self._written: dict[str, Json] = {}
        self._numbers = itertools.count(len(TOP_LEVEL))
        self.signers = {role: [signer(number)] for number, role in enumerate(TOP_LEVEL)}
        self._last_root_signers: list[CryptoSigner] = []

        self.root = Root(expires=EXPIRES, consistent_snapshot=consistent_snapshot)
        self.timestamp = Timestamp(expires=EXPIRES)
        self.snapshot = Snapshot(expires=EXPIRES)
        self.roles: dict[str, Targets] = {"targets": Targets(expires=EXPIRES)}
        for role in TOP_LEVEL:
            self.root.add_key(self.signers[role][0].public_key, role)
        self.write("root")
        self._last_root_signers = self.signers["root"]
        self.write("targets")
        self.link("targets")
        self.write("snapshot")
        self._link_snapshot()
        self.write("timestamp")

    @property
    def targets(self) -> Targets:
        return self.roles["targets"]

    @property
    def initial_root(self) -> bytes:
        """Root version 1, as a client would be configured with it."""
        return self.served[self.url("1.root.json")]

    def fresh_signer(self) -> CryptoSigner:
        """Return a key that this repository has not used before."""
        return signer(next(self._numbers))

    def signed(self, role: str) -> Root | Timestamp | Snapshot | Targets:
        top: dict[str, Root | Timestamp | Snapshot] = {
            "root": self.root,
            "timestamp": self.timestamp,
            "snapshot": self.snapshot,
        }
        return top.get(role) or self.roles[role]

    # Publishing

    def sign(self, role: str) -> bytes:
        """Return a role's metadata in its current version, signed by its current keys (and a root by the last ones)."""
        signed = self.signed(role).to_dict()
        if role in self.edits:
            self.edits[role](signed)
        signers = list(self.signers[role])
        if role == "root":
            known = {one.public_key.keyid for one in signers}
            signers += [one for one in self._last_root_signers if one.public_key.keyid not in known]
        whole = envelope(signed, signers)
        if role in self.envelopes:
            self.envelopes[role](whole)
        return self.serialize(whole)

    def file_name(self, role: str, version: int | None = None) -> str:
        """Return the name under which a role of that version (or the current one) is served."""
        versioned = role == "root" or (role != "timestamp" and bool(self.root.consistent_snapshot))
        prefix = f"{version or self.signed(role).version}." if versioned else ""
        return f"{prefix}{quote(role, safe='')}.json"

    def write(self, role: str) -> bytes:
        """Sign and serve a role in its current version; nothing else changes."""
        data = self.sign(role)
        self.served[self.url(self.file_name(role))] = data
        self._written[role] = self.signed(role).to_dict()
        return data

    def _meta(self, role: str) -> MetaFile:
        version = self.signed(role).version
        if not self.meta_hashes:
            return MetaFile(version)
        return MetaFile.from_data(version, self.served[self.url(self.file_name(role))], ["sha256", "sha512"])

    def link(self, role: str) -> None:
        self.snapshot.meta[f"{role}.json"] = self._meta(role)

    def _link_snapshot(self) -> None:
        self.timestamp.snapshot_meta = self._meta("snapshot")

    def publish(self, *roles: str) -> None:
        """Give these targets roles (else those that changed) a new version, then the snapshot and the timestamp."""
        changed = [name for name, role in self.roles.items() if self._written.get(name) != role.to_dict()]
        for role in roles or changed:
            if role in self._written:
                self.roles[role].version += 1
            self.write(role)
            self.link(role)
        self.publish_snapshot()

    def publish_snapshot(self) -> None:
        self.snapshot.version += 1
        self.write("snapshot")
        self.publish_timestamp()

    def publish_timestamp(self) -> None:
        """Publish a new version of the timestamp, for the snapshot as it was last written."""
        self._link_snapshot()
        self.timestamp.version += 1
        self.write("timestamp")

    def publish_root(self) -> None:
        """Publish a new version of the root, signed by its keys and by those of the version before."""
        self.root.version += 1
        self.write("root")
        self._last_root_signers = list(self.signers["root"])

    def rotate(self, role: str, signers: Sequence[CryptoSigner] = (), *, threshold: int = 1) -> None:
        """Give a top-level role other keys (default: one fresh one) in a new root; `write` the role to re-sign it."""
        self.signers[role] = list(signers) or [self.fresh_signer()]
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        for one in self.signers[role]:
            self.root.add_key(one.public_key, role)
        self.root.roles[role].threshold = threshold
        self.publish_root()

    # Targets and delegations

    def delegate(
        self,
        name: str,
        *,
        by: str = "targets",
        paths: list[str] | None = None,
        prefixes: list[str] | None = None,
        terminating: bool = False,
        signers: Sequence[CryptoSigner] = (),
        threshold: int = 1,
    ) -> Targets:
        """Add a delegation (by default of every one-segment path) and the role; `publish` afterwards."""
        if name not in self.roles:
            self.roles[name] = Targets(expires=EXPIRES)
            self.signers[name] = list(signers) or [self.fresh_signer()]
        trusted = list(signers) or self.signers[name]
        keyids = [one.public_key.keyid for one in trusted]
        if paths is None and prefixes is None:
            paths = ["*"]
        role = DelegatedRole(name, keyids, threshold, terminating, paths, prefixes)
        delegations = self.roles[by].delegations or Delegations({}, {})
        assert delegations.roles is not None
        delegations.keys.update({one.public_key.keyid: one.public_key for one in trusted})
        delegations.roles[name] = role
        self.roles[by].delegations = delegations
        return self.roles[name]

    def hash_bins(self, digits: int = 1, *, by: str = "targets", prefix: str = "bin") -> list[str]:
        """Delegate to 16**digits bins by hash prefixes (PEP 458), all with one key; return their names."""
        shared = self.fresh_signer()
        names = [f"{prefix}-{number:0{digits}x}" for number in range(16**digits)]
        for name in names:
            self.delegate(name, by=by, prefixes=[name.rpartition("-")[2]], signers=[shared])
        self.publish()
        return names

    def succinct_bins(self, bits: int = 4, *, by: str = "targets", prefix: str = "bin") -> list[str]:
        """Delegate to 2**bits succinct bins (TAP 15), all with one key; return their names."""
        shared = self.fresh_signer()
        keyid = shared.public_key.keyid
        roles = SuccinctRoles([keyid], 1, bits, prefix)
        self.roles[by].delegations = Delegations({keyid: shared.public_key}, succinct_roles=roles)
        names = list(roles.get_roles())
        for name in names:
            self.roles[name] = Targets(expires=EXPIRES)
            self.signers[name] = [shared]
        self.publish()
        return names

    def role_for(self, path: str) -> str:
        """Return the role at the end of the first delegations that match a path."""
        name = "targets"
        while (delegations := self.roles[name].delegations) is not None:
            found = next(delegations.get_roles_for_target(path), None)
            if found is None:
                break
            name = found[0]
        return name

    def target_url(self, path: str, digest: str | None = None) -> str:
        folder, slash, name = path.rpartition("/")
        return f"{self.targets_url}{quote(folder)}{slash}{quote(f'{digest}.{name}' if digest else name, safe='')}"

    def add_target(
        self, path: str, data: bytes, *, role: str | None = None, algorithms: Sequence[str] = ("sha256",)
    ) -> str:
        """Serve a file and name it in a role (default: where the delegations lead); return the role's name."""
        name = role or self.role_for(path)
        file = TargetFile.from_data(path, data, list(algorithms))
        self.roles[name].targets[path] = file
        digests = [*file.hashes.values()] if self.hash_named_targets else [None]
        for digest in digests:
            self.served[self.target_url(path, digest)] = data
        return name


class MemoryStore:
    """What a client keeps, in a list; `kept` is every Keep in its order."""

    def __init__(self) -> None:
        self.kept: list[Keep] = []
        self.files: dict[tuple[str, int, int], bytes] = {}

    @property
    def floor(self) -> int:
        return max((root_version for _, root_version, _ in self.files), default=0)

    def keep(self, keep: Keep) -> None:
        self.kept.append(keep)
        self.files[keep.role.text, keep.root_version, keep.version] = keep.data

    def load(self, role: RoleName, version: int | None) -> tuple[Stored, ...]:
        found = [
            Stored(root_version=root_version, version=number, data=data)
            for (name, root_version, number), data in self.files.items()
            if name == role.text and version in (None, number)
        ]
        return tuple(sorted(found, key=lambda stored: (stored.version, stored.root_version), reverse=True))

    @property
    def names(self) -> list[str]:
        """Every Keep as its role and version, in their order."""
        return [f"{keep.role} {keep.version}" for keep in self.kept]

    def versions(self, role: str) -> list[int]:
        return sorted(version for name, _, version in self.files if name == role)


def drive(
    workflow: Workflow[T], repository: Simulator, store: MemoryStore, *, mirrors: Sequence[MemoryServer] = ()
) -> T:
    """Run a workflow against a simulator and a store, as a client would, without retries or second tries.

    `mirrors` are asked after the repository, in their order, for what it does not have or what failed its checks.
    """
    reply: Reply = None
    servers: list[MemoryServer] = []
    while True:
        try:
            request = workflow.send(reply)
        except StopIteration as stop:
            value: T = stop.value
            return value
        reply = None
        if isinstance(request, Keep):
            store.keep(request)
        elif isinstance(request, Load):
            reply = store.load(request.role, request.version)
        else:
            if request.attempt == 0:
                servers = [repository, *mirrors]
            while servers and reply is None:
                reply = _fetch(request, servers.pop(0))


def _fetch(request: Fetch, server: MemoryServer) -> bytes | None:
    try:
        url = server.metadata_url + request.url
        return b"".join(server.stream(url, max_length=request.max_length, deadline=60.0))
    except AbsentError:
        return None


def update(
    repository: Simulator,
    store: MemoryStore | None = None,
    *,
    root: bytes | None = None,
    now: datetime = NOW,
    limits: Limits | None = None,
    mirrors: Sequence[MemoryServer] = (),
) -> TrustedState:
    """Refresh as a new process that has this store (default: an empty one) would; `repository.asked` starts empty."""
    store = store if store is not None else MemoryStore()
    repository.requests.clear()
    workflow = refresh(repository.initial_root if root is None else root, now, floor=store.floor, limits=limits)
    return drive(workflow, repository, store, mirrors=mirrors)
