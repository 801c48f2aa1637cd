"""The client: what hands out only verified files, pages and facts about them."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from . import disk
from .config import normalised
from .driver import Driver
from .errors import (
    ChangedError,
    HashError,
    LengthError,
    LimitError,
    NotFoundError,
    NotSignedYetError,
    VersionError,
    WithheldError,
)
from .files import FileCache, Wanted, hand_over
from .index import layout as layouts
from .index import pages
from .store import Store
from .targets import Link, OpenFile, Target, VerifiedFile, target_of
from .transport import FolderTransport, HTTPTransport
from .transport.credentials import separate
from .trust import workflow
from .trust.names import TargetPath, disk_name, file_name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from .config import Repository
    from .index.pages import PageFile, ProjectPage
    from .transport import Transport
    from .trust.roles import Targets
    from .trust.state import Trusted, TrustedState

log = logging.getLogger(__name__)

T = TypeVar("T")
_LONGEST_USE = timedelta(minutes=10)
_STRONG = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")  # as pages name them


class _Known(dict[tuple[str, str], "Trusted[Targets]"]):
    """The delegated roles that were verified under one snapshot, and when the first of them expires."""

    def __init__(self) -> None:
        super().__init__()
        self.expires = datetime.max.replace(tzinfo=timezone.utc)
        self._lock = threading.Lock()

    def __setitem__(self, key: tuple[str, str], role: Trusted[Targets]) -> None:
        with self._lock:
            self.expires = min(self.expires, role.expires)
            super().__setitem__(key, role)


@dataclass(frozen=True, slots=True)
class _Session:
    """One trusted state and the delegated roles verified under it; never mixed with another's."""

    state: TrustedState
    known: _Known = field(default_factory=_Known)

    @property
    def until(self) -> datetime:
        """When the session ends: a role that says "not here" has to be as current as one that names a file."""
        return min(self.state.expires, self.state.now + _LONGEST_USE, self.known.expires)


__all__ = ["Client", "Link", "OpenFile", "Target", "VerifiedFile"]


class Client:
    """A client of one repository. It may be used from many threads; close it, or use it as a context manager.

    Metadata is kept below `state_dir` (rollback memory; by default a folder in `cache_dir`), files below
    `cache_dir`. `clock` returns the time with its zone. Every method raises `SecureFetchError` kinds and no others.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        cache_dir: str | os.PathLike[str],
        state_dir: str | os.PathLike[str] | None = None,
        transport: Transport | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.repository = repository
        self._layout = layouts.layout(repository.layout)
        own = disk_name(repository.name)
        caches = Path(cache_dir)  # no repository's `own` begins with a dot
        self.store = Store((caches / ".state" if state_dir is None else Path(state_dir)) / own)
        self._transport = transport or _transport_for(repository)
        self._driver = Driver(
            store=self.store, transport=self._transport, urls=repository.metadata_urls, limits=repository.limits
        )
        self._files = FileCache(caches / own / "files", transport=self._transport, limits=repository.limits)
        self._clock = clock or _now
        self._lock = threading.RLock()
        self._session: _Session | None = None

    def __enter__(self) -> Client:  # noqa: PYI034 - `Self` comes with Python 3.11
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Let go of connections; what is on disk stays."""
        self._transport.close()

    def refresh(self) -> TrustedState:
        """Walk root → timestamp → snapshot → targets now (specification 5.3 to 5.6), and return the trusted state."""
        with self._lock:
            now = self._time()
            last = self.store.updated()
            if last is not None and now < last:
                log.warning(
                    "This computer's clock (%s) is earlier than the last update of %s (%s): "
                    "expired metadata could pass for current. Set the clock.",
                    f"{now:%Y-%m-%d %H:%M:%S} UTC",
                    self.repository.name,
                    f"{last:%Y-%m-%d %H:%M:%S} UTC",
                )
            root, limits = self.repository.root, self.repository.limits
            state = self._driver.run(lambda: workflow.refresh(root, now, floor=self.store.floor(), limits=limits))
            if last is None or now > last:
                self.store.touch(now)
            self._session = _Session(state)
            return state

    def trusted(self) -> dict[str, bytes]:
        """Return the metadata that is trusted by now, role → bytes as received; nothing is requested for it.

        Root, timestamp and snapshot are what the store proves, so they are the newest that passed every check even
        where an update failed after them, and may have expired meanwhile. The roles below are those that were verified
        since the last refresh of this client: none before it. Raises what `refresh` raises for a bad root or store.
        """
        with self._lock:
            root, now = self.repository.root, self._time()
            held = self._driver.run(lambda: workflow.remembered(root, now, floor=self.store.floor()))
            roles = {role.role.text: role.data for role in held}
            session = self._session
            if session is not None and session.state.targets is not None:
                roles |= {role.role.text: role.data for role in (session.state.targets, *tuple(session.known.values()))}
            return roles

    @property
    def state(self) -> TrustedState:
        """The trusted state in use, refreshed first if there is none or it is too old."""
        return self._current().state

    def _current(self) -> _Session:
        with self._lock:
            if self._session is None or self._time() >= self._session.until:
                self.refresh()
            assert self._session is not None  # noqa: S101 - refresh sets it or raises
            return self._session

    def _time(self) -> datetime:
        return self._clock().astimezone(timezone.utc)

    def _newer_than(self, session: _Session) -> _Session | None:
        """Refresh once; return the new session if its timestamp is newer than that of `session`."""
        with self._lock:
            if self._session is session:
                self.refresh()
            newer = self._session
            return newer if newer is not None and _age(newer) > _age(session) else None

    def find(self, path: str | TargetPath) -> Target | None:
        """Return the target of that path, or None if no trusted role names it (specification 5.6.7)."""
        wanted = path if isinstance(path, TargetPath) else TargetPath(path)
        return self.find_all([wanted])[wanted.text]

    def find_all(self, paths: Iterable[str | TargetPath]) -> dict[str, Target | None]:
        """Look many paths up under one snapshot; roles that several of them need are fetched once, others together."""
        wanted = [path if isinstance(path, TargetPath) else TargetPath(path) for path in paths]
        session, found = self._with_latest(lambda session: (session, self._find_all(session, wanted)))
        if self._time() >= session.until:  # a role that was met now, a bin perhaps, expired since the session began
            _, found = self._with_latest(lambda session: (session, self._find_all(session, wanted)))
        return found

    def _find_all(self, session: _Session, paths: list[TargetPath]) -> dict[str, Target | None]:
        limits = self.repository.limits
        found = self._driver.run_all(
            [partial(workflow.find, session.state, path, session.known, limits=limits) for path in paths]
        )
        return {
            path.text: None if one is None else target_of(session.state, one)
            for path, one in zip(paths, found, strict=True)
        }

    def _with_latest(self, look_up: Callable[[_Session], T]) -> T:
        """Look something up; if the snapshot was replaced meanwhile, refresh once and look again (TRAPS A17, A16)."""
        session = self._current()
        try:
            return look_up(session)
        except (WithheldError, HashError, LengthError, LimitError, VersionError) as error:
            consistent = session.state.root.signed.consistent_snapshot
            if consistent and not isinstance(error, WithheldError):
                raise
            newer = self._newer_than(session)
            if newer is None:
                raise
            return look_up(newer)

    def project(self, name: str) -> ProjectPage:
        """Return a project's page, verified. Raises `NotFoundError` if the repository has no such project."""
        return self._project(name)[1]

    def _project(self, name: str) -> tuple[Target, ProjectPage]:
        name = normalised(name)
        for path, kind in self._layout.page_targets(name):  # the second form only where the first is not signed
            target = self.find(path)
            if target is not None:
                return target, self._page(name, target, kind)
        raise NotFoundError(
            f"The project {name}",
            where=f"the repository {self.repository.name}",
            hint="Check its spelling; if it was added a moment ago, try again shortly.",
        )

    def _page(self, name: str, target: Target, kind: str) -> ProjectPage:
        limit = self.repository.limits.page_length
        if target.length is not None and target.length > limit:
            raise LimitError(f"The signed length of the page of {name}", limit=limit)
        with self.open(target) as opened:
            data = opened.file.read()
        return pages.parse(data, project=name, url=self._page_url(name), content_type=kind)  # type: ignore[arg-type]

    def _page_url(self, name: str) -> str:
        """Return what a page's links are relative to: credentials are no part of it."""
        index_url, _ = separate(self.repository.index_url or self.repository.targets_urls[0] + "simple/")
        return self._layout.page_url(index_url, name)

    def locate(self, page: ProjectPage, filename: str) -> Target:
        """Return the target of a file on a verified page.

        Raises `NotFoundError` if the page has no such file, `NotSignedYetError` if it has and no role vouches for it,
        `HashError` if page and role disagree, `ChangedError` if the page vouches for it and is not what it was.
        """
        file = page.file(filename)
        if file is None:
            raise NotFoundError(filename, where=f"the page of {page.name}", hint="See what the page has.")
        path = self.path_of(file.url)
        if path is None:
            return self._vouched_by_page(page, file)
        target = self.find(path)
        if target is None:
            raise NotSignedYetError(filename)
        for algorithm, digest in file.hashes.items():
            signed = target.hashes.get(algorithm)
            if signed is not None and signed != digest:
                raise HashError(filename, algorithm=algorithm, expected=signed, actual=digest)
        return target

    def path_of(self, url: str) -> TargetPath | None:
        """Return the target path of a file's URL, or None where files are vouched for by pages alone."""
        return self._layout.file_target(url, index_root=self.repository.files_url)

    def _vouched_by_page(self, page: ProjectPage, wanted: PageFile) -> Target:
        """Return a file that has no target of its own. What counts is the page as it is now, whatever was handed in."""
        vouching, now = self._project(page.name)
        file = now.file(wanted.filename)
        if file is None or file.hashes != wanted.hashes:
            raise ChangedError(wanted.filename)
        strong = {name: digest for name, digest in file.hashes.items() if name in _STRONG}
        if not pages.belongs(file.filename, now.name) or len(strong) != 1:
            raise NotSignedYetError(
                file.filename,
                hint="Its page should carry exactly one strong hash for it, and it should be the project's.",
            )
        return Target(
            path=TargetPath(file.filename),
            length=None,
            hashes=strong,
            custom={},
            vouched_by="page",
            chain=vouching.chain,
            page=now.name,
            url=file.url,
            state=vouching.state,
        )

    @contextmanager
    def open(self, target: Target) -> Iterator[OpenFile]:
        """Open a target's verified file, from the cache or the mirrors, on the descriptor that was hashed.

        Raises `ChangedError` if the repository changed its mind since the target was found, `WithheldError`,
        `HashError`, `LengthError`, `LimitError`, `TransportError`, `StoreError`.
        """
        current, file = self._with_latest(lambda session: self._open(session, target))
        with file:
            length = file.seek(0, 2)
            file.seek(0)
            yield OpenFile(file=file, length=length, hashes=current.hashes, target=current)

    def _open(self, session: _Session, target: Target) -> tuple[Target, BinaryIO]:
        target = self._still(session, target)
        name = file_name(target.path.name)
        wanted = Wanted(what=target.path.text, name=name, length=target.length, hashes=target.hashes)
        return target, self._files.open(wanted, self._urls(session, target))

    def _urls(self, session: _Session, target: Target) -> tuple[str, ...]:
        if target.url is not None:
            return (target.url,)
        consistent = session.state.root.signed.consistent_snapshot
        hashed = self.repository.hash_prefix_targets
        return tuple(
            url
            for base in self.repository.targets_urls
            for url in self._layout.target_urls(
                target.path, target.hashes, base=base, hashed=hashed, consistent=consistent
            )
        )

    def _still(self, session: _Session, target: Target) -> Target:
        """Return the target as the current state has it: a file that was removed or replaced is not handed out."""
        if target.state is session.state:
            return target
        again: Target | None = None
        if target.page is None:
            again = self.find(target.path)
        else:
            with suppress(NotFoundError, NotSignedYetError):
                again = self.locate(self.project(target.page), target.path.text)
        if again is None or not again.same_file(target):
            raise ChangedError(target.path.text)
        return again

    def download(self, target: Target, folder: str | os.PathLike[str]) -> VerifiedFile:
        """Put a target's verified file into a folder, under the last part of its path; errors as in `open`.

        The name appears only with the whole verified file behind it. A file that is there and right stays.
        """
        path = Path(folder) / target.path.disk
        with self.open(target) as opened:
            disk.make_folder(path.parent, 0o755)
            wanted = Wanted(what=target.path.text, name=path.name, length=opened.length, hashes=opened.hashes)
            hand_over(opened.file, wanted, path)
            return VerifiedFile(
                path=path,
                length=opened.length,
                hashes=opened.hashes,
                vouched_by=opened.target.vouched_by,
                chain=opened.target.chain,
            )


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def _transport_for(repository: Repository) -> Transport:
    urls = (*repository.metadata_urls, *repository.targets_urls)
    if all(url.startswith("file:") for url in urls):
        return FolderTransport.from_urls(*urls)
    return HTTPTransport(limits=repository.limits, index_urls=urls)


def _age(session: _Session) -> tuple[int, int]:
    """Return what only grows from one state to a newer one: a new root may begin timestamps anew (5.3.11)."""
    return session.state.root.version, session.state.timestamp.version if session.state.timestamp is not None else 0
