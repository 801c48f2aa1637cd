"""What a client hands out: targets, the chains of trust behind them, and verified files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from .trust.names import TargetPath
    from .trust.state import Trusted, TrustedState
    from .trust.workflow import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One role in a chain of trust: its version and expiry, who delegated to it, and which keys signed it."""

    role: str
    version: int
    expires: datetime
    delegator: str
    signed_by: tuple[str, ...]
    threshold: int
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A file that the repository vouches for: path, length in bytes (None if only a page names it), hashes.

    `vouched_by` is "target" for a file with an entry of its own in signed metadata, "page" for one whose hash stands
    on a signed page. `chain` goes from root down to the role that names it.
    """

    path: TargetPath
    length: int | None
    hashes: Mapping[str, str]
    custom: Mapping[str, Any]
    vouched_by: str
    chain: tuple[Link, ...]
    page: str | None = None
    url: str | None = field(default=None, repr=False)
    state: TrustedState = field(repr=False, compare=False)

    def same_file(self, other: Target) -> bool:
        """Return whether another target is the same bytes by the same path."""
        return (self.path, self.length, self.hashes) == (other.path, other.length, other.hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFile:
    """A file on disk that was verified: where it is, length in bytes, hashes, and what vouched for it."""

    path: Path
    length: int
    hashes: Mapping[str, str]
    vouched_by: str
    chain: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A verified file, open on the very descriptor that was hashed."""

    file: BinaryIO
    length: int
    hashes: Mapping[str, str]
    target: Target


def target_of(state: TrustedState, found: Found) -> Target:
    """Return what a lookup found as a target that remembers the state it was found under."""
    top: list[Trusted[Any] | None] = [state.root, state.timestamp, state.snapshot]
    return Target(
        path=found.path,
        length=found.file.length,
        hashes=found.file.hashes,
        custom=found.file.custom,
        vouched_by="target",
        chain=tuple(_link(role) for role in (*top, *found.chain) if role is not None),
        state=state,
    )


def _link(role: Trusted[Any]) -> Link:
    return Link(
        role=role.role.text,
        version=role.version,
        expires=role.expires,
        delegator=role.delegator.text,
        signed_by=role.signed_by,
        threshold=role.threshold,
        keys=role.keys,
    )
