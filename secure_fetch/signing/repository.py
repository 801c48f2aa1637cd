"""A repository in a folder: what a team signs, adds to, publishes, and serves.

DIR/public/           all that a static web server serves: metadata/, simple/, packages/
DIR/keys/             private keys, never served; 0700, files 0600
DIR/state/            what was added, a journal of what is published, the lock, temporary files
DIR/repository.json   the plan, and which public key signs for which role
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..disk import sync_folder
from ..errors import ConfigurationError, StoreError, UsageError
from . import intake, keys
from .bins import Bins
from .catalog import Catalog
from .keys import Keyring, Passphrase
from .lock import locked
from .metadata import Signatory, highest_versions, moment
from .plan import Plan
from .progress import Progress, unseen
from .published import NOTHING, Journal, keyring_role
from .publisher import Publication, Publisher
from .site import Site, source_of
from .writer import Writer, disk_errors, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from .published import RoleState

_FORMAT = 1
_PLAN = "repository.json"
_DRAFT = ".init"  # a repository that is being made, in its folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What `add` did: the names of the files that are new, and of those that were there already."""

    added: tuple[str, ...]
    present: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleStatus:
    """One role as it is published; for the bins together, the version is the highest and the expiry the earliest."""

    name: str
    version: int
    expires: datetime
    keys: int
    threshold: int
    signable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a repository holds; `waiting` are the projects whose page will change with the next publication."""

    roles: tuple[RoleStatus, ...]
    files: int
    projects: int
    bins: int
    waiting: tuple[str, ...]
    interrupted: bool


class SigningRepository:
    """One repository. Every method that writes holds its lock, and raises `StoreError` where another one does."""

    def __init__(self, folder: Path, plan: Plan, keyring: Keyring) -> None:
        self.folder = folder
        self.plan = plan
        self.public = folder / "public"
        self._keyring = keyring
        self._state = folder / "state"
        self._catalog = self._state / "catalog.json"
        self._writer = Writer(self._state / "tmp")
        self._journal = Journal(self._state / "published.json", self._metadata, keyring)
        self._site = Site(self.public, self._writer)
        bins = Bins(count=plan.bins, succinct=plan.succinct)
        self._publisher = Publisher(
            self._metadata,
            plan=plan,
            bins=bins,
            keyring=keyring,
            signatory=Signatory(plan, bins, keyring),
            writer=self._writer,
            site=self._site,
            journal=self._journal,
        )

    @classmethod
    def create(
        cls,
        folder: Path | str,
        plan: Plan | None = None,
        passphrase: Passphrase | None = None,
        *,
        now: datetime | None = None,
        progress: Progress = unseen,
    ) -> SigningRepository:
        """Make a new repository in a folder that does not exist or is empty, and publish it with no files in it.

        `passphrase` is asked for once, and its keys are encrypted with it; None: the keys are not encrypted. What
        fails leaves nothing behind. Raises `UsageError` or `StoreError`.
        """
        folder = Path(folder).resolve()
        plan = plan or Plan()
        signed_at = moment(now)
        asked = passphrase and functools.cache(passphrase)
        if asked is not None:
            keys.encoded(asked())
        with disk_errors(folder):
            fresh = _empty(folder)
            draft = _claim(folder)
            try:
                cls(draft, plan, keys.create(draft / "keys", plan, asked)).found(signed_at, progress)
                for name in ("keys", "state", "public", _PLAN):  # with the last one it is a repository
                    (draft / name).rename(folder / name)
                draft.rmdir()
                sync_folder(folder)
            except BaseException:
                _unmake(folder, fresh=fresh)
                raise
        return cls.open(folder, asked)

    @classmethod
    def open(cls, folder: Path | str, passphrase: Passphrase | None = None) -> SigningRepository:
        """Open a repository; `passphrase` is called when an encrypted key has to sign. Raises `UsageError`."""
        folder = Path(folder).resolve()
        path = folder / _PLAN
        with disk_errors(path):
            data = read_bytes(path)
        if data is None:
            raise UsageError(
                f"{folder} is not a repository: it has no {_PLAN}.",
                hint="Make one with `secure-fetch repo init`, or name another folder.",
            )
        try:
            values = json.loads(data)
            plan, form = values["plan"], values["format"]
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigurationError(f"{path} is damaged ({error!r}).", hint="Restore it from a backup.") from error
        if form != _FORMAT:
            raise ConfigurationError(
                f"{path} has the format {str(form)[:40]!r}, and this version reads {_FORMAT}.",
                hint="A newer version of secure-fetch made it.",
            )
        keyring = Keyring.from_json(folder / "keys", values, passphrase, str(path))
        return cls(folder, Plan.from_json(plan, str(path)), keyring)

    @property
    def root_file(self) -> Path:
        """The newest root: what clients are given, through a channel that they trust."""
        with disk_errors(self._metadata):
            version = highest_versions(self._metadata).get("root")
        if version is None:
            raise StoreError(self._metadata, "it holds no root", hint="Restore the folder from a backup.")
        return self._metadata / f"{version}.root.json"

    @property
    def fingerprint(self) -> str:
        """The hash of `root_file`, to compare by other means."""
        with disk_errors(self._metadata):
            return f"sha256:{hashlib.sha256(self.root_file.read_bytes()).hexdigest()}"

    def add(self, paths: Iterable[Path | str], *, now: datetime | None = None, progress: Progress = unseen) -> Addition:
        """Add wheels and sdists, all of them or none; they are visible to clients after `publish`.

        Raises `UsageError` naming the first file that is wrong.
        """
        wanted, at = list(paths), moment(now)
        with self._writing():
            with progress("Adding files", len(wanted)) as advance:
                arrivals = intake.receive(wanted, self._writer, at, advance)
            before = self._read_catalog()
            catalog, new = before.with_files(arrival.file for arrival in arrivals)
            for arrival in arrivals:
                arrival.settle(self.public, self._writer)
            self._writer.settle()
            if new:
                self._writer.replace(self._catalog, catalog.to_bytes())
        added = tuple(file.filename for file in new)
        names = dict.fromkeys(arrival.file.filename for arrival in arrivals)
        return Addition(added=added, present=tuple(name for name in names if name not in added))

    def remove(self, filenames: Iterable[str]) -> None:
        """Take files out; clients cannot find them any more after `publish`. Raises `NotFoundError`."""
        with self._writing():
            self._writer.replace(self._catalog, self._read_catalog().without(filenames).to_bytes())

    def publish(self, now: datetime | None = None, *, progress: Progress = unseen) -> Publication:
        """Make what was added and removed visible, and sign again what is past half its life."""
        at = moment(now)
        with self._writing():
            return self._publisher.publish(self._read_catalog(), at, progress)

    def refresh(self, now: datetime | None = None, *, force: bool = False, progress: Progress = unseen) -> Publication:
        """Sign again what is past half its life, with the content that is published; for cron.

        With `force`, sign timestamp, snapshot and every bin again, however long they have to live.
        """
        at = moment(now)
        with self._writing():
            return self._publisher.publish(None, at, progress, force=force)

    def status(self) -> Status:
        """Return what the repository holds and how long it is good for; nothing is signed or asked for."""
        with disk_errors(self.folder):
            published = self._journal.read()
            projects = self._read_catalog().projects()
        sources = {name: source_of(files) for name, files in projects.items()}
        held = {name: page.source for name, page in published.pages.items() if name}
        return Status(
            roles=tuple(self._role_statuses(published.roles)),
            files=sum(map(len, projects.values())),
            projects=len(projects),
            bins=self.plan.bins,
            waiting=tuple(sorted(name for name in {*sources, *held} if sources.get(name) != held.get(name))),
            interrupted=not published.whole,
        )

    def _role_statuses(self, roles: Mapping[str, RoleState]) -> Iterator[RoleStatus]:
        for role in ("root", "timestamp", "snapshot", "targets", "bins", "bin-n"):
            states = [state for name, state in roles.items() if keyring_role(name) == role]
            if states:
                yield RoleStatus(
                    name=role,
                    version=max(state.version for state in states),
                    expires=min(state.expires for state in states),
                    keys=len(self._keyring.roles[role].keyids),
                    threshold=self._keyring.roles[role].threshold,
                    signable=self._keyring.can_sign(role),
                )

    @property
    def _metadata(self) -> Path:
        return self.public / "metadata"

    def _read_catalog(self) -> Catalog:
        data = read_bytes(self._catalog)
        if data is None:
            raise StoreError(self._catalog, "it is missing", hint="Restore it from a backup.")
        return Catalog.from_bytes(data, self._catalog)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with disk_errors(self.folder), locked(self._state / "lock"):
            self._writer.clean()
            try:
                yield
            finally:
                self._writer.clean()

    def found(self, at: datetime, progress: Progress) -> None:
        """Publish the first snapshot of a repository that has its keys and nothing else; `create` does this."""
        for name in ("metadata", "simple", "packages"):
            (self.public / name).mkdir(parents=True)
        self._state.mkdir()
        self._catalog.write_bytes(Catalog({}).to_bytes())
        with self._writing():
            self._publisher.publish(self._read_catalog(), at, progress, before=NOTHING)
        values = {"format": _FORMAT, "plan": self.plan.to_json(), **self._keyring.to_json()}
        self._writer.replace(self.folder / _PLAN, json.dumps(values, indent=2, sort_keys=True).encode() + b"\n")


def _empty(folder: Path) -> bool:
    """Make `folder`, and tell whether it was made; raises `UsageError` where something is in it."""
    if not folder.exists():
        folder.mkdir(parents=True)
        return True
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", hint="Name a folder that is empty or does not exist.")
    if (folder / _PLAN).exists():
        raise UsageError(f"{folder} is a repository already.", hint="Its keys and files were left as they are.")
    if (folder / _DRAFT).exists():
        raise UsageError(
            f"{folder} is not empty: an earlier `init` was interrupted there.", hint="Remove the folder and try again."
        )
    if any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", hint="Name a folder that is empty or does not exist.")
    return False


def _claim(folder: Path) -> Path:
    """Return the folder that a repository is made in; of two who make one at once only one gets it (`UsageError`)."""
    draft = folder / _DRAFT
    draft.mkdir()
    if len(list(folder.iterdir())) > 1:  # the other one was done meanwhile, and its keys are not ours to remove
        draft.rmdir()
        raise UsageError(f"{folder} is not empty.", hint="Name a folder that is empty or does not exist.")
    return draft


def _unmake(folder: Path, *, fresh: bool) -> None:
    """Remove what `create` left in a folder that was empty."""
    for name in (_DRAFT, "keys", "state", "public"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / _PLAN).unlink(missing_ok=True)
    if fresh:
        with contextlib.suppress(OSError):
            folder.rmdir()
