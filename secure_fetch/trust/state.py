"""The trusted state: immutable, and each step either a new state or an error (specification 5.3 to 5.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import ExpiredError, MalformedError, RollbackError, VersionError
from . import document, signatures
from .names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from .roles import Root, Snapshot, Targets, Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from .delegations import DelegatedRole
    from .document import Document
    from .names import RoleName
    from .roles import MetaFile
    from .signatures import Key

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted(Generic[S]):
    """A role's metadata after all checks: what it says, who signed it for whom, and the bytes as received."""

    role: RoleName
    signed: S
    signed_by: tuple[str, ...]
    threshold: int
    keys: int
    delegator: RoleName
    digest: str
    data: bytes

    @property
    def version(self) -> int:
        """The version of the metadata."""
        return self.signed.version

    @property
    def expires(self) -> datetime:
        """When the metadata expires."""
        return self.signed.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedState:
    """What is trusted as of `now`. `timestamp`, `snapshot`, `targets` are None until an update reaches them.

    `rotated` holds, for timestamp and snapshot, the root version that last changed their keys or threshold on the
    walk from the configured root (0: none did): memory from before counts no more (5.3.11).
    """

    now: datetime
    root: Trusted[Root]
    rotated: Mapping[str, int]
    timestamp: Trusted[Timestamp] | None = None
    snapshot: Trusted[Snapshot] | None = None
    targets: Trusted[Targets] | None = None

    @property
    def expires(self) -> datetime:
        """The earliest expiry of the top-level roles that are trusted."""
        roles = (self.root, self.timestamp, self.snapshot, self.targets)
        return min(role.expires for role in roles if role is not None)


def _verify(  # noqa: PLR0913 - a role's keys are its ids, its threshold and where they are found
    doc: Document,
    kind: type[S],
    role: RoleName,
    *,
    keyids: Sequence[str],
    threshold: int,
    keys: Mapping[str, Key],
    delegator: RoleName,
    signed_for: str,
) -> Trusted[S]:
    signed_by = signatures.verify(
        doc, role=doc.what, keyids=keyids, threshold=threshold, keys=keys, signed_for=signed_for
    )
    return Trusted(
        role=role,
        signed=kind.read(doc.signed, doc.what),
        signed_by=signed_by,
        threshold=threshold,
        keys=len(keyids),
        delegator=delegator,
        digest=doc.digest,
        data=doc.data,
    )


def _verify_top_level(root: Root, kind: type[S], role: RoleName, doc: Document) -> Trusted[S]:
    keys = root.roles[role.text]
    return _verify(
        doc,
        kind,
        role,
        keyids=keys.keyids,
        threshold=keys.threshold,
        keys=root.keys,
        delegator=ROOT,
        signed_for=f"root version {root.version}",
    )


def _check_expiry(role: Trusted[S], now: datetime) -> None:
    """Refuse what expires at or before the fixed start time of the update (specification 5.1)."""
    if role.expires <= now:
        raise ExpiredError(role.role.text, version=role.version, expires=role.expires, now=now)


def trust_root(data: bytes, now: datetime) -> TrustedState:
    """Begin from the configured root (5.2). Its expiry is not checked here; its signatures by itself are."""
    doc = document.parse(data, "the configured root")
    root = Root.read(doc.signed, doc.what)
    return TrustedState(now=now, root=_verify_top_level(root, Root, ROOT, doc), rotated={"timestamp": 0, "snapshot": 0})


def accept_root(state: TrustedState, data: bytes) -> TrustedState:
    """Accept root N+1: signed by a threshold of N's keys and, counted apart, of its own (5.3.4, 5.3.5)."""
    held, expected = state.root.signed, state.root.version + 1
    doc = document.parse(data, f"root version {expected}")
    offered = _verify_top_level(held, Root, ROOT, doc).signed
    if offered.version != expected:
        raise VersionError("root", expected=expected, offered=offered.version)
    rotated = {
        role: offered.version if offered.signers(role) != held.signers(role) else before
        for role, before in state.rotated.items()
    }
    return replace(state, root=_verify_top_level(offered, Root, ROOT, doc), rotated=rotated)


def check_root(state: TrustedState) -> None:
    """Check the expiry of the last root, once, before anything else is asked for (5.3.10)."""
    _check_expiry(state.root, state.now)


def read_timestamp(state: TrustedState, data: bytes) -> Trusted[Timestamp]:
    """Verify a timestamp's signatures alone: as memory it counts even when it is expired (5.4.3)."""
    return _verify_top_level(state.root.signed, Timestamp, TIMESTAMP, document.parse(data, "timestamp"))


def read_snapshot(state: TrustedState, data: bytes) -> Trusted[Snapshot]:
    """Verify a snapshot's signatures alone: as memory it counts even when it is expired or superseded (5.5.5)."""
    return _verify_top_level(state.root.signed, Snapshot, SNAPSHOT, document.parse(data, "snapshot"))


def accept_timestamp(
    state: TrustedState, offered: Trusted[Timestamp], *, held: Trusted[Timestamp] | None, snapshot_version: int
) -> TrustedState:
    """Accept a timestamp (5.4.3, 5.4.4). `snapshot_version` is the highest one accepted before (0: none).

    With the same version as the held one, the held one stays.
    """
    accepted = offered
    if held is not None:
        if offered.version < held.version:
            raise RollbackError("timestamp", held=held.version, offered=offered.version)
        if offered.version == held.version:
            accepted = held
    if accepted.signed.snapshot.version < snapshot_version:
        raise RollbackError("snapshot", held=snapshot_version, offered=accepted.signed.snapshot.version)
    _check_expiry(accepted, state.now)
    return replace(state, timestamp=accepted)


def accept_snapshot(state: TrustedState, data: bytes, *, held: Trusted[Snapshot] | None) -> TrustedState:
    """Accept the snapshot that the timestamp names (5.5.2 to 5.5.6); `held` is the one accepted before."""
    if state.timestamp is None:
        raise MalformedError("snapshot", "it was offered before a timestamp was trusted")
    meta = state.timestamp.signed.snapshot
    meta.check(data, f"snapshot version {meta.version}")
    offered = held if held is not None and held.data == data else read_snapshot(state, data)
    if offered.version != meta.version:
        raise VersionError("snapshot", expected=meta.version, offered=offered.version)
    if held is not None and held is not offered:
        _check_no_role_went_back(held.signed, offered.signed)
    _check_expiry(offered, state.now)
    return replace(state, snapshot=offered)


def _check_no_role_went_back(held: Snapshot, offered: Snapshot) -> None:
    """No role's version goes down and no role disappears, the bins included (5.5.5)."""
    for name, before in held.meta.items():
        entry = offered.meta.get(name)
        if entry is None or entry["version"] < before["version"]:
            after = None if entry is None else entry["version"]
            raise RollbackError(name.removesuffix(".json"), held=before["version"], offered=after)


def named_by_snapshot(state: TrustedState, role: RoleName) -> MetaFile:
    """Return what the trusted snapshot says about a targets role; one it does not list is refused (TRAPS C4)."""
    meta = state.snapshot.signed.file(role) if state.snapshot is not None else None
    if meta is None:
        raise MalformedError("snapshot", f"it does not name the role {role.text!r}, which signed metadata delegates to")
    return meta


def accept_targets(state: TrustedState, data: bytes) -> TrustedState:
    """Accept the top-level targets role (5.6)."""
    meta = named_by_snapshot(state, TARGETS)
    what = f"targets version {meta.version}"
    meta.check(data, what)
    offered = _verify_top_level(state.root.signed, Targets, TARGETS, document.parse(data, what))
    return replace(state, targets=_check_targets(state, offered, meta))


def accept_delegated(
    state: TrustedState, delegator: Trusted[Targets], role: DelegatedRole, data: bytes
) -> Trusted[Targets]:
    """Accept a delegated role with the keys of the role that delegates to it: the same rules in full (5.6.7)."""
    meta = named_by_snapshot(state, role.name)
    what = f"{role.name.text} version {meta.version}"
    meta.check(data, what)
    delegations = delegator.signed.delegations
    offered = _verify(
        document.parse(data, what),
        Targets,
        role.name,
        keyids=role.keyids,
        threshold=role.threshold,
        keys=delegations.keys if delegations is not None else {},
        delegator=delegator.role,
        signed_for=f"{delegator.role} version {delegator.version}",
    )
    return _check_targets(state, offered, meta)


def _check_targets(state: TrustedState, offered: Trusted[Targets], meta: MetaFile) -> Trusted[Targets]:
    if offered.version != meta.version:
        raise VersionError(offered.role.text, expected=meta.version, offered=offered.version)
    _check_expiry(offered, state.now)
    return offered
