"""The client's workflow (specification 5) as generators: they yield what they need and are handed the answer.

`refresh` and `find` do no I/O, so the same code runs over a network, a folder, an installer's session, and for many
lookups side by side. What a driver hands in is never trusted: bytes from the store go through the same checks as
bytes from the network.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..errors import FloorError, LimitError, UncheckedError, VerificationError, WithheldError
from . import state as trust
from .limits import Limits
from .names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from .roles import Snapshot, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from datetime import datetime

    from .delegations import DelegatedRole
    from .names import RoleName, TargetPath
    from .roles import MetaFile, Root, TargetFile, Targets
    from .state import Trusted, TrustedState

    Known = MutableMapping[tuple[str, str], Trusted[Targets]]
    Remembered = tuple[Trusted[Root] | Trusted[Timestamp] | Trusted[Snapshot], ...]

MAX_MIRRORS = 16

T = TypeVar("T")
M = TypeVar("M", Timestamp, Snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Asks for a file below the metadata URL, at most `max_length` bytes; the answer None means 404 or 403.

    With `signed_length` that is what signed metadata says, and more is a `LengthError`; else it is our own limit.

    A file that fails its checks is asked for again with the next `attempt`, for another mirror may be honest; the
    answer None then means that there is no further mirror.
    """

    role: RoleName
    url: str
    max_length: int
    attempt: int = 0
    signed_length: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Asks for a role's files in the store, of one version or all, highest version and then root version first."""

    role: RoleName
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Tells that these bytes were verified, under which root version, and are to be stored."""

    role: RoleName
    root_version: int
    version: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One file in the store. Its name is not trusted: `version` only orders, `root_version` only withholds."""

    root_version: int
    version: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A target, and the chain of roles that vouches for it, from top-level targets down."""

    path: TargetPath
    file: TargetFile
    chain: tuple[Trusted[Targets], ...]


Request = Fetch | Load | Keep
Reply = bytes | tuple[Stored, ...] | None
Workflow = Generator[Request, Reply, T]


def refresh(root: bytes, now: datetime, *, floor: int = 0, limits: Limits | None = None) -> Workflow[TrustedState]:
    """Walk root → timestamp → snapshot → targets (5.3 to 5.6) and return the new state.

    `root` is the configured root, `now` the start time of the update, `floor` the highest root version that was ever
    accepted. What is verified is kept at once, so that a later failure loses nothing.
    """
    limits = limits or Limits()
    state = yield from _walk_roots(trust.trust_root(root, now), limits)
    _check_floor(state, floor)
    trust.check_root(state)
    held_snapshot = yield from _memory(state, SNAPSHOT, trust.read_snapshot)
    state = yield from _timestamp(state, held_snapshot, limits)
    state = yield from _snapshot(state, held_snapshot, limits)
    return (yield from _targets(state, limits))


def remembered(root: bytes, now: datetime, *, floor: int = 0) -> Workflow[Remembered]:
    """Return what the store proves without a network: the newest root, and the memory of timestamp and snapshot.

    It may have expired, so it is for looking at; only `refresh` makes a state that files are found under.
    """
    state = yield from _walk_stored_roots(trust.trust_root(root, now))
    _check_floor(state, floor)
    timestamp = yield from _memory(state, TIMESTAMP, trust.read_timestamp)
    snapshot = yield from _memory(state, SNAPSHOT, trust.read_snapshot)
    return tuple(role for role in (state.root, timestamp, snapshot) if role is not None)


def _check_floor(state: TrustedState, floor: int) -> None:
    if state.root.version < floor:
        raise FloorError(floor=floor, reached=state.root.version)


def _fetch(
    role: RoleName, version: int | None, limit: int, accept: Callable[[bytes], T], *, signed_length: bool = False
) -> Workflow[tuple[T, bytes] | None]:
    """Fetch a file and accept it: from the first mirror whose answer passes, else raise what the first one failed."""
    url = f"{role.url}.json" if version is None else f"{version}.{role.url}.json"
    failure: VerificationError | None = None
    for attempt in range(MAX_MIRRORS):
        data = yield Fetch(role=role, url=url, max_length=limit, attempt=attempt, signed_length=signed_length)
        if not isinstance(data, bytes):
            break
        try:
            return accept(data), data
        except VerificationError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return None


def _load(role: RoleName, version: int | None = None) -> Workflow[tuple[Stored, ...]]:
    reply = yield Load(role=role, version=version)
    return reply if isinstance(reply, tuple) else ()


def _walk_roots(state: TrustedState, limits: Limits) -> Workflow[TrustedState]:
    """Go from the configured root to the newest, one version at a time: first from the store, then the network."""
    state = yield from _walk_stored_roots(state)
    for _ in range(limits.root_rotations + 1):
        accept = partial(trust.accept_root, state)
        fetched = yield from _fetch(ROOT, state.root.version + 1, limits.root_length, accept)
        if fetched is None:
            return state
        state, data = fetched
        yield Keep(role=ROOT, root_version=state.root.version, version=state.root.version, data=data)
    raise LimitError("The number of new root versions", limit=limits.root_rotations, unit="versions")


def _walk_stored_roots(state: TrustedState) -> Workflow[TrustedState]:
    cached = yield from _cached_root(state)
    while cached is not None:
        state = cached
        cached = yield from _cached_root(state)
    return state


def _cached_root(state: TrustedState) -> Workflow[TrustedState | None]:
    for stored in (yield from _load(ROOT, state.root.version + 1)):
        with suppress(VerificationError):  # an edited file is not a root; the network is asked instead
            return trust.accept_root(state, stored.data)
    return None


def _memory(
    state: TrustedState, role: RoleName, read: Callable[[TrustedState, bytes], Trusted[M]]
) -> Workflow[Trusted[M] | None]:
    """Return the highest version of timestamp or snapshot in the store that still verifies.

    What was accepted before the keys of either of them were rotated counts no more, so that rotating one of them is
    enough to recover from a fast-forward attack (5.3.11).
    """
    best: Trusted[M] | None = None
    for stored in (yield from _load(role)):
        if stored.root_version < max(state.rotated.values()):
            continue
        with suppress(VerificationError):  # an edited file, or one of retired keys, remembers nothing
            candidate = read(state, stored.data)
            if best is None or candidate.version > best.version:
                best = candidate
    return best


def _timestamp(state: TrustedState, held_snapshot: Trusted[Snapshot] | None, limits: Limits) -> Workflow[TrustedState]:
    held = yield from _memory(state, TIMESTAMP, trust.read_timestamp)
    snapshot_version = max(
        held.signed.snapshot.version if held is not None else 0,
        held_snapshot.version if held_snapshot is not None else 0,
    )

    def accept(data: bytes) -> TrustedState:
        offered = trust.read_timestamp(state, data)
        return trust.accept_timestamp(state, offered, held=held, snapshot_version=snapshot_version)

    fetched = yield from _fetch(TIMESTAMP, None, limits.timestamp_length, accept)
    if fetched is None:
        raise UncheckedError(
            "The server has no timestamp.json.",
            hint="Check that the metadata URL is right and that this index is signed at all.",
        )
    accepted, data = fetched
    now = accepted.timestamp
    if now is not None and now is not held:
        yield Keep(role=TIMESTAMP, root_version=state.root.version, version=now.version, data=data)
    return accepted


def _snapshot(state: TrustedState, held: Trusted[Snapshot] | None, limits: Limits) -> Workflow[TrustedState]:
    assert state.timestamp is not None  # noqa: S101 - the walk's own order
    meta = state.timestamp.signed.snapshot
    return (
        yield from _current(
            state, SNAPSHOT, meta, limits.snapshot_length, lambda data: trust.accept_snapshot(state, data, held=held)
        )
    )


def _targets(state: TrustedState, limits: Limits) -> Workflow[TrustedState]:
    meta = trust.named_by_snapshot(state, TARGETS)
    return (
        yield from _current(state, TARGETS, meta, limits.targets_length, lambda data: trust.accept_targets(state, data))
    )


def _current(
    state: TrustedState, role: RoleName, meta: MetaFile, limit: int, accept: Callable[[bytes], T]
) -> Workflow[T]:
    """Get exactly the version that signed metadata names: from the store if it passes every check, else fetched."""
    for stored in (yield from _load(role, meta.version)):
        try:
            accepted = accept(stored.data)
        except VerificationError:  # edited, expired or of other keys: the server may have better
            continue
        if stored.root_version < max(state.rotated.values()):  # accepted anew, so it is memory from now on (5.3.11)
            yield Keep(role=role, root_version=state.root.version, version=meta.version, data=stored.data)
        return accepted
    if meta.length is not None and meta.length > limit:
        raise LimitError(f"The signed length of {role}", limit=limit)
    consistent = state.root.signed.consistent_snapshot
    most = limit if meta.length is None else meta.length
    version = meta.version if consistent else None
    fetched = yield from _fetch(role, version, most, accept, signed_length=meta.length is not None)
    if fetched is None:
        raise WithheldError(f"{role} version {meta.version}")
    accepted, data = fetched
    yield Keep(role=role, root_version=state.root.version, version=meta.version, data=data)
    return accepted


def find(
    state: TrustedState, path: TargetPath, known: Known, *, limits: Limits | None = None
) -> Workflow[Found | None]:
    """Look a target up, depth first in order of trust (5.6.7), and return it, or None if no role names it.

    `known` holds the delegated roles already verified under this very snapshot, by the digest of the delegator's
    metadata and the role's name; what is verified here is added to it.
    """
    limits = limits or Limits()
    assert state.targets is not None  # noqa: S101 - a refresh returns it or raises
    chain: tuple[Trusted[Targets], ...] = (state.targets,)
    waiting: list[tuple[tuple[Trusted[Targets], ...], DelegatedRole]] = []
    visited = {TARGETS}
    while True:
        file = chain[-1].signed.target(path)
        if file is not None:
            return Found(path=path, file=file, chain=chain)
        delegations = chain[-1].signed.delegations
        children = []
        for role in delegations.roles_for(path) if delegations is not None else ():
            children.append((chain, role))
            if role.terminating:  # ends siblings and backtracking, not the descendants
                waiting.clear()
                break
        waiting.extend(reversed(children))
        while waiting and waiting[-1][1].name in visited:
            waiting.pop()
        if not waiting:
            return None
        parents, role = waiting.pop()
        if len(visited) > limits.delegated_roles:
            raise LimitError(f"The lookup of {path}", limit=limits.delegated_roles, unit="delegated roles")
        visited.add(role.name)
        chain = (*parents, (yield from _delegated(state, parents[-1], role, known, limits)))


def _delegated(
    state: TrustedState, delegator: Trusted[Targets], role: DelegatedRole, known: Known, limits: Limits
) -> Workflow[Trusted[Targets]]:
    key = (delegator.digest, role.name.text)
    if key not in known:
        meta = trust.named_by_snapshot(state, role.name)
        known[key] = yield from _current(
            state,
            role.name,
            meta,
            limits.targets_length,
            lambda data: trust.accept_delegated(state, delegator, role, data),
        )
    return known[key]
