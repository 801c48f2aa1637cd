"""Which roles may speak for a path: path patterns, hash prefixes, succinct bins (specification 4.5, TAP 15)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import MalformedError
from . import shape
from .names import TOP_LEVEL, RoleName
from .signatures import read_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .names import TargetPath
    from .signatures import Key

_HEX = frozenset("0123456789abcdef")
_MAX_PREFIX = 64
_MAX_BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedRole:
    """A role that another role trusts for some paths, with the keys it must be signed by."""

    name: RoleName
    keyids: tuple[str, ...]
    threshold: int
    terminating: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccinctBins:
    """2**bits bins that share their keys; the bin of a path is the leading bits of its SHA-256 (TAP 15)."""

    prefix: str
    bits: int
    keyids: tuple[str, ...]
    threshold: int

    @classmethod
    def read(cls, value: object, what: str) -> SuccinctBins:
        """Read `succinct_roles`; raises `MalformedError`."""
        fields = shape.mapping(value, what, "succinct_roles")
        return cls(
            prefix=shape.string(fields.get("name_prefix"), what, "name_prefix"),
            bits=shape.integer(fields.get("bit_length"), what, "bit_length", minimum=1, maximum=_MAX_BITS),
            keyids=shape.unique_strings(fields.get("keyids"), what, "keyids"),
            threshold=shape.integer(fields.get("threshold"), what, "threshold", minimum=1),
        )

    def role(self, number: int) -> DelegatedRole:
        """Return the bin of that number; its name is padded to the width of the last one's."""
        width = len(f"{(1 << self.bits) - 1:x}")
        return DelegatedRole(
            name=RoleName(f"{self.prefix}-{number:0{width}x}"),
            keyids=self.keyids,
            threshold=self.threshold,
            terminating=False,
        )

    def named(self, name: RoleName) -> DelegatedRole | None:
        """Return the bin of that name, or None; by arithmetic, since there may be 2**32 of them."""
        start, dash, digits = name.text.rpartition("-")
        if start != self.prefix or not dash or not digits or not _HEX.issuperset(digits):
            return None
        number = int(digits, 16)
        role = self.role(number) if number < 1 << self.bits else None
        return role if role is not None and role.name == name else None

    def number(self, path: TargetPath) -> int:
        """Return the number of the bin that a path falls into."""
        leading = hashlib.sha256(path.text.encode()).digest()[:4]
        return int.from_bytes(leading, "big") >> (_MAX_BITS - self.bits)


@dataclass(frozen=True, kw_only=True)
class Delegations:
    """All delegations of one targets role: either listed roles in order, or succinct bins."""

    keys: Mapping[str, Key]
    succinct: SuccinctBins | None
    what: str = field(repr=False)
    listed: list[dict[str, Any]] = field(repr=False)

    @classmethod
    def read(cls, value: object, what: str) -> Delegations:
        """Read `delegations`; every listed role is checked here. Raises `MalformedError`."""
        fields = shape.mapping(value, what, "delegations")
        keys = read_keys(fields.get("keys"), what)
        if fields.get("succinct_roles") is not None:
            if fields.get("roles") is not None:
                shape.refuse(what, "it has roles together with succinct_roles")
            return cls(keys=keys, succinct=SuccinctBins.read(fields["succinct_roles"], what), what=what, listed=[])
        listed = shape.array(fields.get("roles"), what, "roles")
        _check_roles(listed, what)
        return cls(keys=keys, succinct=None, what=what, listed=listed)

    def roles_for(self, path: TargetPath) -> Iterator[DelegatedRole]:
        """Yield the roles that may speak for a path, in their order of trust."""
        if self.succinct is not None:
            yield self.succinct.role(self.succinct.number(path))
            return
        by_prefix, with_paths = self._index
        digest = hashlib.sha256(path.text.encode()).hexdigest()
        positions = {p for length, prefixes in by_prefix.items() for p in prefixes.get(digest[:length], ())}
        positions.update(p for p in with_paths if any(matches(path, glob) for glob in self.listed[p]["paths"]))
        for position in sorted(positions):
            yield self._role(position)

    def role(self, name: RoleName) -> DelegatedRole | None:
        """Return the delegation to a role by its name, or None."""
        if self.succinct is not None:
            return self.succinct.named(name)
        return next((role for role in self.all_roles() if role.name == name), None)

    def all_roles(self) -> Iterator[DelegatedRole]:
        """Yield every delegated role; of succinct bins each one, up to 2**32 of them."""
        if self.succinct is not None:
            yield from map(self.succinct.role, range(1 << self.succinct.bits))
        else:
            yield from map(self._role, range(len(self.listed)))

    def _role(self, position: int) -> DelegatedRole:
        entry = self.listed[position]
        return DelegatedRole(
            name=RoleName(entry["name"]),
            keyids=tuple(entry["keyids"]),
            threshold=entry["threshold"],
            terminating=entry["terminating"],
        )

    @cached_property
    def _index(self) -> tuple[dict[int, dict[str, list[int]]], list[int]]:
        """Prefix length → prefix → positions, and the positions of roles with path patterns; built once.

        A scan would look at 65,536 prefixes for each lookup in an index of PyPI's size.
        """
        by_length: dict[int, dict[str, list[int]]] = {}
        with_paths = []
        for position, entry in enumerate(self.listed):
            prefixes = entry.get("path_hash_prefixes")
            if prefixes is None:
                with_paths.append(position)
                continue
            for prefix in prefixes:
                by_length.setdefault(len(prefix), {}).setdefault(prefix, []).append(position)
        return by_length, with_paths


def _check_roles(listed: list[Any], what: str) -> None:
    """Check every listed role at once (TRAPS A20)."""
    seen: set[str] = set()
    keyids: object = ()
    for entry in listed:
        fields = shape.mapping(entry, what, "roles[]")
        name = RoleName(shape.string(fields.get("name"), what, "roles[].name")).text
        if name in TOP_LEVEL:
            shape.refuse(what, f"it delegates to a role named {name}")
        if name in seen:
            shape.refuse(what, f"it delegates to {name[:80]!r} twice")
        seen.add(name)
        if fields.get("keyids") != keyids:  # bins share their key ids: an equal list is checked once
            keyids = fields.get("keyids")
            shape.unique_strings(keyids, what, f"roles.{name[:80]}.keyids")
        shape.integer(fields.get("threshold"), what, f"roles.{name[:80]}.threshold", minimum=1)
        shape.boolean(fields.get("terminating"), what, f"roles.{name[:80]}.terminating")
        _check_paths(fields, what, name)


def _check_paths(fields: dict[str, Any], what: str, name: str) -> None:
    paths, prefixes = fields.get("paths"), fields.get("path_hash_prefixes")
    if (paths is None) == (prefixes is None):
        shape.refuse(what, f"the role {name[:80]!r} needs either `paths` or `path_hash_prefixes`")
    if paths is not None:
        if not all(isinstance(path, str) for path in shape.array(paths, what, "paths")):
            shape.refuse(what, f"the role {name[:80]!r} has a path that is not a string")
        return
    for prefix in shape.array(prefixes, what, "path_hash_prefixes"):
        if not isinstance(prefix, str) or not 0 < len(prefix) <= _MAX_PREFIX or not _HEX.issuperset(prefix):
            raise MalformedError(what, f"the role {name[:80]!r} has a hash prefix that is not 1 to 64 of 0-9a-f")


def matches(path: TargetPath, pattern: str) -> bool:
    """Return whether a path matches a pattern of the specification (4.5): `*` and `?` never cross a `/`.

    Case matters on every platform. `[` stands for itself: the specification names no classes, and reading them
    would let a role speak for more paths than its delegator wrote (docs/decisions).
    """
    segments, patterns = path.text.split("/"), pattern.split("/")
    return len(segments) == len(patterns) and all(map(_segment_matches, segments, patterns))


def _segment_matches(text: str, pattern: str) -> bool:
    """Match one segment in time proportional to its length times the pattern's, whatever the pattern."""
    at = start = resume = 0
    star = -1
    for _ in range((len(text) + 1) * (len(pattern) + 1) * 2):
        if at == len(text):
            return pattern[start:].strip("*") == ""
        if start < len(pattern) and pattern[start] == "*":
            star, resume = start, at
            start += 1
        elif start < len(pattern) and pattern[start] in ("?", text[at]):
            at, start = at + 1, start + 1
        elif star >= 0:
            resume += 1
            at, start = resume, star + 1
        else:
            return False
    return False
