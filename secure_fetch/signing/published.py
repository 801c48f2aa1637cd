"""What is published now: read from a journal where that fits the timestamp, else from the signed files themselves.

The journal is written last. A run that was killed before leaves one that does not fit, and the next run then reads
everything again, so it repairs whatever the other left undone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from ..errors import StoreError, VerificationError, VersionError
from .catalog import digest
from .metadata import T, highest_versions, load
from .site import Page
from .writer import read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .keys import Keyring

_FORMAT = 1
#: long over: a role that cannot be read is written anew, with a version above every one that it had
OVER = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ONE_OF_A_KIND = ("root", "timestamp", "snapshot", "targets", "bins")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleState:
    """The version of a role that is published, when it expires, and a digest of what it says about targets."""

    version: int
    expires: datetime
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is published now. `whole`: the run that published it came to its end, so the plain pages are right too."""

    roles: Mapping[str, RoleState]
    pages: Mapping[str, Page]
    whole: bool


NOTHING = Published(roles={}, pages={}, whole=False)


def keyring_role(name: str) -> str:
    """Return the name under which the keyring knows a role: bins share one."""
    return name if name in _ONE_OF_A_KIND else "bin-n"


class Journal:
    """Reads and writes what is published, in `metadata` (served) and in the journal file `path` (not served)."""

    def __init__(self, path: Path, metadata: Path, keyring: Keyring) -> None:
        self.path = path
        self._metadata = metadata
        self._keyring = keyring

    def read(self) -> Published:
        """Return what is published; raises `StoreError` where neither journal nor signed files tell."""
        timestamp = read_bytes(self._metadata / "timestamp.json")
        journal = self._journal()
        roles = self._root()
        if journal is not None and timestamp is not None and journal["timestamp"] == _sha256(timestamp):
            return Published(roles=journal["roles"] | roles, pages=journal["pages"], whole=True)
        known = {} if journal is None else journal["roles"]
        return Published(roles=self._rebuilt(timestamp, known) | roles, pages={}, whole=False)

    def bytes_for(self, roles: Mapping[str, RoleState], pages: Mapping[str, Page], timestamp: bytes) -> bytes:
        """Return the journal that fits `timestamp`."""
        values = {
            "format": _FORMAT,
            "timestamp": _sha256(timestamp),
            "roles": {name: [role.version, role.expires.isoformat(), role.says] for name, role in roles.items()},
            "pages": {name: asdict(page) for name, page in pages.items()},
        }
        return json.dumps(values, sort_keys=True).encode()

    def targets_of(self, name: str, state: RoleState) -> dict[str, Any]:
        """Return what a published bin says, as JSON values; raises `StoreError` where it cannot be read."""
        try:
            return _said(self._load(name, state.version, Targets))
        except (VerificationError, OSError) as error:
            raise StoreError(
                self._metadata, f"{state.version}.{name}.json cannot be used: {error}", hint="Run `repo publish`."
            ) from error

    def _journal(self) -> dict[str, Any] | None:
        data = read_bytes(self.path)
        if data is None:
            return None
        try:
            values: dict[str, Any] = json.loads(data)
            if values["format"] != _FORMAT:
                return None
            values["roles"] = {
                name: RoleState(version=int(version), expires=datetime.fromisoformat(expires), says=str(says))
                for name, (version, expires, says) in values["roles"].items()
            }
            values["pages"] = {name: Page(**page) for name, page in values["pages"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return values

    def _root(self) -> dict[str, RoleState]:
        """Return the newest root: clients see it as soon as it is there, so the folder tells and not the journal."""
        version = highest_versions(self._metadata).get("root")
        if version is None:
            raise StoreError(self._metadata, "it holds no root", hint="Restore the folder from a backup.")
        path = self._metadata / f"{version}.root.json"
        try:
            root = load(path.read_bytes(), Root, "root", self._keyring).signed
        except VerificationError as error:
            raise StoreError(path, f"it is not the root of this repository: {error}") from error
        return {"root": RoleState(version=version, expires=root.expires)}

    def _rebuilt(self, timestamp: bytes | None, known: Mapping[str, RoleState]) -> dict[str, RoleState]:
        """Return what the signed files say, and for what they do not tell, a state that is over.

        No version goes below one that is `known`, for example where the folder was restored from a backup.
        """
        try:
            found = self._signed_roles(timestamp)
        except (VerificationError, OSError) as error:
            if not known:
                raise StoreError(
                    self._metadata / "timestamp.json",
                    f"it cannot be read, and nothing else tells what was published ({error})",
                    hint="Restore the folder from a backup.",
                ) from error
            found = {}
        lost = {
            name: RoleState(version=state.version, expires=OVER)
            for name, state in known.items()
            if name not in found or found[name].version < state.version
        }
        return found | lost

    def _signed_roles(self, timestamp: bytes | None) -> dict[str, RoleState]:
        stamp = load(timestamp or b"", Timestamp, "timestamp", self._keyring).signed
        version = stamp.snapshot_meta.version
        try:
            snapshot = self._load("snapshot", version, Snapshot)
        except (VerificationError, OSError):
            over = {"timestamp": stamp.version, "snapshot": version}
            return {name: RoleState(version=number, expires=OVER) for name, number in over.items()}
        found = {"timestamp": RoleState(version=stamp.version, expires=stamp.expires)}
        found["snapshot"] = RoleState(version=version, expires=snapshot.expires)
        for file, entry in snapshot.meta.items():
            name = file.removesuffix(".json")
            try:
                targets = self._load(name, entry.version, Targets)
                says = digest(_said(targets)) if keyring_role(name) == "bin-n" else ""
                found[name] = RoleState(version=entry.version, expires=targets.expires, says=says)
            except (VerificationError, OSError):
                found[name] = RoleState(version=entry.version, expires=OVER)
        return found

    def _load(self, name: str, version: int, kind: type[T]) -> T:
        """Read one version of a role; raises `VerificationError` or `OSError`."""
        data = (self._metadata / f"{version}.{name}.json").read_bytes()
        signed = load(data, kind, keyring_role(name), self._keyring).signed
        if signed.version != version:
            raise VersionError(name, expected=version, offered=signed.version)
        return signed


def _said(targets: Targets) -> dict[str, Any]:
    return {path: file.to_dict() for path, file in targets.targets.items()}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
