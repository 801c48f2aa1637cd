"""The four roles of the specification (section 4), parsed whole and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from . import digest, shape
from .delegations import Delegations
from .names import TOP_LEVEL
from .signatures import read_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from datetime import datetime

    from .names import RoleName, TargetPath
    from .signatures import Key

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleKeys:
    """The key ids of a role, in order, each once, and how many distinct keys of them must sign."""

    keyids: tuple[str, ...]
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaFile:
    """What one role says about another's file: version, and, where given, length in bytes and hashes."""

    version: int
    length: int | None
    hashes: Mapping[str, str]

    def check(self, data: bytes, what: str) -> None:
        """Check the raw bytes before anything parses them (specification 5.5.2, 5.6.2)."""
        digest.check(data, what, length=self.length, hashes=self.hashes)


def _read_meta_file(value: object, what: str, field: str) -> MetaFile:
    fields = shape.mapping(value, what, field)
    length = fields.get("length")
    return MetaFile(
        version=shape.integer(fields.get("version"), what, f"{field}.version", minimum=1),
        length=None if length is None else shape.integer(length, what, f"{field}.length", minimum=0),
        hashes=digest.read_hashes(fields["hashes"], what) if "hashes" in fields else {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root role (specification 4.3): the keys of the four top-level roles."""

    TYPE: ClassVar[str] = "root"

    version: int
    expires: datetime
    consistent_snapshot: bool
    keys: Mapping[str, Key]
    roles: Mapping[str, RoleKeys]

    @classmethod
    def read(cls, signed: dict[str, Any], what: str) -> Root:
        """Read `signed`; raises `MalformedError`."""
        version, expires = shape.common(signed, what, cls.TYPE)
        roles = shape.mapping(signed.get("roles"), what, "roles")
        return cls(
            version=version,
            expires=expires,
            consistent_snapshot=shape.boolean(signed.get("consistent_snapshot", False), what, "consistent_snapshot"),
            keys=read_keys(signed.get("keys"), what),
            roles={name: _read_role_keys(roles.get(name), what, f"roles.{name}") for name in TOP_LEVEL},
        )

    def signers(self, role: str) -> tuple[frozenset[Hashable], int]:
        """Return the distinct public keys of a role and its threshold: equal exactly if nothing was rotated."""
        keys = self.roles[role]
        return frozenset(self.keys[keyid].identity for keyid in keys.keyids if keyid in self.keys), keys.threshold


def _read_role_keys(value: object, what: str, field: str) -> RoleKeys:
    fields = shape.mapping(value, what, field)
    return RoleKeys(
        keyids=shape.unique_strings(fields.get("keyids"), what, f"{field}.keyids"),
        threshold=shape.integer(fields.get("threshold"), what, f"{field}.threshold", minimum=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """The timestamp role (specification 4.6): which snapshot is the latest."""

    TYPE: ClassVar[str] = "timestamp"

    version: int
    expires: datetime
    snapshot: MetaFile

    @classmethod
    def read(cls, signed: dict[str, Any], what: str) -> Timestamp:
        """Read `signed`; raises `MalformedError`."""
        version, expires = shape.common(signed, what, cls.TYPE)
        meta = shape.mapping(signed.get("meta"), what, "meta")
        snapshot = _read_meta_file(meta.get("snapshot.json"), what, "meta.snapshot.json")
        return cls(version=version, expires=expires, snapshot=snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The snapshot role (specification 4.4): the version of every targets role.

    An index has thousands of bins, so the entries stay as parsed and one is read when it is asked for; that every
    entry has a version is checked at once.
    """

    TYPE: ClassVar[str] = "snapshot"

    version: int
    expires: datetime
    meta: Mapping[str, Any]

    @classmethod
    def read(cls, signed: dict[str, Any], what: str) -> Snapshot:
        """Read `signed`; raises `MalformedError`."""
        version, expires = shape.common(signed, what, cls.TYPE)
        meta = shape.mapping(signed.get("meta"), what, "meta")
        for name, entry in meta.items():
            if type(entry) is not dict or type(entry.get("version")) is not int or len(entry) > 1:
                _read_meta_file(entry, what, f"meta.{name[:80]}")
            elif not 1 <= entry["version"] <= shape.MAX_VERSION:
                shape.refuse(what, f"`meta.{name[:80]}.version` is out of range")
        if "targets.json" not in meta:
            shape.refuse(what, "`meta` does not name targets.json")
        return cls(version=version, expires=expires, meta=meta)

    def file(self, role: RoleName) -> MetaFile | None:
        """Return what the snapshot says about a role, or None."""
        entry = self.meta.get(role.text + _SUFFIX)
        return None if entry is None else _read_meta_file(entry, "snapshot", f"meta.{role.text}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """What a targets role says about one file: length in bytes, hashes, and the repository's own fields."""

    length: int
    hashes: Mapping[str, str]
    custom: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """A targets role, top-level or delegated (specification 4.5): files, and which roles speak for further ones."""

    TYPE: ClassVar[str] = "targets"

    version: int
    expires: datetime
    targets: Mapping[str, Any]
    delegations: Delegations | None

    @classmethod
    def read(cls, signed: dict[str, Any], what: str) -> Targets:
        """Read `signed`; raises `MalformedError`."""
        version, expires = shape.common(signed, what, cls.TYPE)
        targets = shape.mapping(signed.get("targets"), what, "targets")
        for path, entry in targets.items():  # a hash that cannot be checked matters only to who wants that file
            _read_target(entry, what, path, digest.known_hashes)
        delegations = signed.get("delegations")
        return cls(
            version=version,
            expires=expires,
            targets=targets,
            delegations=None if delegations is None else Delegations.read(delegations, what),
        )

    def target(self, path: TargetPath) -> TargetFile | None:
        """Return what this role itself says about a path, or None; `MalformedError` if no hash of it is known here."""
        entry = self.targets.get(path.text)
        return None if entry is None else _read_target(entry, "targets", path.text)


def _read_target(
    entry: object, what: str, path: str, read_hashes: Callable[[object, str], dict[str, str]] = digest.read_hashes
) -> TargetFile:
    field = f"targets.{path[:80]}"
    fields = shape.mapping(entry, what, field)
    custom = fields.get("custom")
    return TargetFile(
        length=shape.integer(fields.get("length"), what, f"{field}.length", minimum=0),
        hashes=read_hashes(fields.get("hashes"), f"{what}, {field},"),
        custom={} if custom is None else shape.mapping(custom, what, f"{field}.custom"),
    )
