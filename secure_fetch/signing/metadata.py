"""Metadata files made, signed, and read back: python-tuf's Metadata API, with the errors of this package."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from securesystemslib.exceptions import Error as SigningError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    TOP_LEVEL_ROLE_NAMES,
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from ..errors import MalformedError, UncheckedError, UsageError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .bins import Bins
    from .keys import Keyring
    from .plan import Plan

T = TypeVar("T", Root, Timestamp, Snapshot, Targets)

_DEPTH = 8  # `*` of a pattern never crosses a `/`; packages/<2>/<2>/<60>/<file> has 5 segments
_VERSIONED = re.compile(r"([1-9][0-9]{0,18})\.([a-z0-9-]+)\.json", re.ASCII)


def moment(now: datetime | None) -> datetime:
    """Return the time that metadata is signed at, in whole seconds of UTC; raises `UsageError` without a time zone."""
    if now is None:
        now = datetime.now(timezone.utc)
    if now.tzinfo is None:
        raise UsageError("A time needs a time zone.")
    return now.astimezone(timezone.utc).replace(microsecond=0)


class Signatory:
    """Signs the metadata of one repository: what each role says is an argument, who signs it is the keyring's."""

    def __init__(self, plan: Plan, bins: Bins, keyring: Keyring) -> None:
        self._plan = plan
        self._bins = bins
        self._keyring = keyring

    def root(self, version: int, now: datetime) -> bytes:
        """Return the root: which keys speak for the top-level roles, and that snapshots are consistent."""
        roles = {name: self._keyring.roles[name] for name in sorted(TOP_LEVEL_ROLE_NAMES)}
        root = Root(
            version=version,
            expires=now + self._plan.lifetimes.root,
            keys={keyid: key for name in roles for keyid, key in self._keyring.public_keys(name).items()},
            roles={name: Role(list(record.keyids), record.threshold) for name, record in roles.items()},
            consistent_snapshot=True,
        )
        return self._signed(root, "root")

    def targets(self, version: int, now: datetime) -> bytes:
        """Return the top-level targets: no file of its own, everything delegated to `bins` (PEP 458)."""
        paths = ["/".join(["*"] * depth) for depth in range(1, _DEPTH + 1)]
        keys, threshold = self._keyring.public_keys("bins"), self._keyring.roles["bins"].threshold
        role = DelegatedRole("bins", sorted(keys), threshold, terminating=True, paths=paths)
        targets = Targets(
            version=version,
            expires=now + self._plan.lifetimes.targets,
            delegations=Delegations(keys, roles={"bins": role}),
        )
        return self._signed(targets, "targets")

    def bins(self, version: int, now: datetime) -> bytes:
        """Return `bins`: no file of its own, everything delegated to the bins by hash."""
        keys, threshold = self._keyring.public_keys("bin-n"), self._keyring.roles["bin-n"].threshold
        bins = Targets(
            version=version,
            expires=now + self._plan.lifetimes.bins,
            delegations=self._bins.delegations(keys, threshold),
        )
        return self._signed(bins, "bins")

    def bin(self, version: int, now: datetime, targets: Mapping[str, Mapping[str, Any]]) -> bytes:
        """Return one bin: target path → `length` in bytes and `hashes`."""
        files = {
            path: TargetFile(entry["length"], dict(entry["hashes"]), path) for path, entry in sorted(targets.items())
        }
        return self._signed(Targets(version=version, expires=now + self._plan.lifetimes.online, targets=files), "bin-n")

    def snapshot(self, version: int, now: datetime, versions: Mapping[str, int]) -> bytes:
        """Return the snapshot: the version of every targets role, and no hashes (16,384 bins: 0.57 MB, not 2.25)."""
        snapshot = Snapshot(
            version=version,
            expires=now + self._plan.lifetimes.online,
            meta={f"{name}.json": MetaFile(number) for name, number in sorted(versions.items())},
        )
        return self._signed(snapshot, "snapshot")

    def timestamp(self, version: int, now: datetime, snapshot_version: int, snapshot: bytes) -> bytes:
        """Return the timestamp: the version, length and hash of the snapshot file."""
        timestamp = Timestamp(
            version=version,
            expires=now + self._plan.lifetimes.online,
            snapshot_meta=MetaFile.from_data(snapshot_version, snapshot, ["sha256"]),
        )
        return self._signed(timestamp, "timestamp")

    def _signed(self, signed: T, role: str) -> bytes:
        metadata = Metadata(signed)
        for signer in self._keyring.signers(role):
            try:
                metadata.sign(signer, append=True)
            except (RepositoryError, SigningError) as error:
                raise UncheckedError(f"{role} could not be signed: {error}.") from error
        return metadata.to_bytes()


def load(data: bytes, kind: type[T], role: str, keyring: Keyring) -> Metadata[T]:
    """Read a file of this repository's own, as the keys of its role signed it.

    `role` is a name in the keyring. Raises `MalformedError`, or `VerificationError` where too few keys signed.
    """
    try:
        metadata: Metadata[T] = Metadata.from_bytes(data)
    except DeserializationError as error:
        raise MalformedError(f"{role} metadata", str(error.__cause__)) from error
    if not isinstance(metadata.signed, kind):
        raise MalformedError(f"{role} metadata", f"it is {metadata.signed.type} metadata")
    record = keyring.roles[role]
    signed = 0
    for keyid, key in keyring.public_keys(role).items():
        try:
            key.verify_signature(metadata.signatures[keyid], metadata.signed_bytes)
            signed += 1
        except (KeyError, SigningError):
            continue
    if signed < record.threshold:
        raise VerificationError(f"{role} metadata is signed by {signed} of this repository's keys.")
    return metadata


def highest_versions(folder: Path) -> dict[str, int]:
    """Return the highest version of each role that has a file here, whether it was ever published or not."""
    highest: dict[str, int] = {}
    for path in folder.iterdir():
        match = _VERSIONED.fullmatch(path.name)
        if match:
            highest[match[2]] = max(highest.get(match[2], 0), int(match[1]))
    return highest
