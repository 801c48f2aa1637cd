"""One publication: hashed pages, changed bins, snapshot, and the timestamp last, which makes all of it visible at once.

A reader who follows the timestamp sees one consistent snapshot at every moment: nothing that a published snapshot
names is ever changed or removed here. Plain pages, for installers that verify nothing, follow the timestamp.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .catalog import digest
from .metadata import highest_versions
from .published import OVER, RoleState
from .writer import read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from .bins import Bins
    from .catalog import Catalog
    from .keys import Keyring
    from .metadata import Signatory
    from .plan import Plan
    from .progress import Progress
    from .published import Journal, Published
    from .site import Page, Site
    from .writer import Writer

_OFFLINE = ("root", "targets", "bins")
_SLACK = timedelta(hours=1)  # between the clocks of two machines that publish


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What one run did: the new version of each role that it signed, and the projects whose page changed.

    `expires` is when clients refuse what is published, unless it is refreshed before. `overdue` are the offline roles
    that should be signed again and could not be, with the reason.
    """

    signed: Mapping[str, int]
    projects: tuple[str, ...]
    expires: datetime
    overdue: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class _Run:
    """What is known so far in one run."""

    now: datetime
    force: bool
    roles: dict[str, RoleState]
    highest: Mapping[str, int]
    signed: dict[str, int] = field(default_factory=dict)
    overdue: dict[str, str] = field(default_factory=dict)


class Publisher:
    """Makes `metadata`, the served folder of signed files, say what the catalog says."""

    def __init__(  # noqa: PLR0913 - the parts of a repository, each of them once
        self,
        metadata: Path,
        *,
        plan: Plan,
        bins: Bins,
        keyring: Keyring,
        signatory: Signatory,
        writer: Writer,
        site: Site,
        journal: Journal,
    ) -> None:
        self._metadata = metadata
        self._plan = plan
        self._bins = bins
        self._keyring = keyring
        self._signatory = signatory
        self._writer = writer
        self._site = site
        self._journal = journal

    def publish(
        self,
        catalog: Catalog | None,
        now: datetime,
        progress: Progress,
        *,
        force: bool = False,
        before: Published | None = None,
    ) -> Publication:
        """Publish the catalog; with None, sign again what is past half its life, and nothing else.

        `force`: the online roles are signed again whatever their age. `before` is what is published, where that is
        known: a lost root is never mistaken for a repository that is being made.
        """
        before = before or self._journal.read()
        run = _Run(now=now, force=force, roles=dict(before.roles), highest=highest_versions(self._metadata))
        made = before.pages if catalog is None else self._site.render(catalog, before.pages, progress)
        for role in _OFFLINE:
            self._sign_offline(run, role)
        self._sign_bins(run, None if catalog is None else self._wanted(catalog, made), progress)
        self._sign_snapshot(run)
        changed = {name for name in {*before.pages, *made} if before.pages.get(name) != made.get(name)}
        if catalog is not None:
            if not before.whole:  # whatever a killed run left
                changed |= self._site.shown()
            self._site.show(sorted(changed), made)
        if catalog is not None or before.whole:
            self._keep_journal(before, run, made)
        return Publication(
            signed=run.signed,
            projects=tuple(sorted(changed - {""})),
            expires=min(state.expires for state in run.roles.values()),
            overdue=run.overdue,
        )

    def is_due(self, role: str, state: RoleState, now: datetime) -> bool:
        """Tell whether a role is past half its life, or was signed by a clock that ran ahead, and so lives too long."""
        life = self._plan.lifetimes.of(role)
        left = state.expires - now
        return left <= life / 2 or (role not in _OFFLINE and left > life + _SLACK)

    def _wanted(self, catalog: Catalog, made: Mapping[str, Page]) -> dict[str, dict[str, Any]]:
        """Return what each bin has to say."""
        wanted: dict[str, dict[str, Any]] = {name: {} for name in self._bins.names()}
        sources: list[Mapping[str, Any]] = [file.targets() for file in catalog.files.values()]
        sources += [page.targets for page in made.values()]
        for targets in sources:
            for path, entry in targets.items():
                wanted[self._bins.bin_of(path)][path] = entry
        return wanted

    def _sign_offline(self, run: _Run, role: str) -> None:
        """Sign root, targets or `bins` again where it is due and its keys are here."""
        state = run.roles.get(role)
        if state is not None and not self.is_due(role, state, run.now):
            return
        make = {"root": self._signatory.root, "targets": self._signatory.targets, "bins": self._signatory.bins}[role]
        version = self._next(run, role)
        try:
            data = make(version, run.now)
        except UsageError as error:
            if state is None or state.expires == OVER:
                raise
            run.overdue[role] = error.message
            return
        path = self._metadata / f"{version}.{role}.json"
        if role == "root":  # clients look for it by its number, timestamp or not
            self._writer.replace(path, data)
        else:
            self._writer.put_new(path, data)
        self._record(run, role, version)

    def _sign_bins(self, run: _Run, wanted: Mapping[str, Mapping[str, Any]] | None, progress: Progress) -> None:
        due = [name for name in self._bins.names() if self._must_sign(run, name, wanted)]
        if not due:
            return
        with progress("Signing bins", len(due)) as advance:
            for name in due:
                says = self._journal.targets_of(name, run.roles[name]) if wanted is None else wanted[name]
                version = self._next(run, name)
                data = self._signatory.bin(version, run.now, says)
                self._writer.put_new(self._metadata / f"{version}.{name}.json", data)
                self._record(run, name, version)
                run.roles[name] = replace(run.roles[name], says=digest(says))
                advance(1)

    def _must_sign(self, run: _Run, name: str, wanted: Mapping[str, Mapping[str, Any]] | None) -> bool:
        state = run.roles.get(name)
        if state is None or run.force or self.is_due(name, state, run.now):
            return True
        return wanted is not None and digest(wanted[name]) != state.says

    def _sign_snapshot(self, run: _Run) -> None:
        """Sign snapshot and timestamp where a role changed or one of the two is due: they live equally long."""
        held = [run.roles.get(role) for role in ("snapshot", "timestamp")]
        due = run.force or any(state is None or self.is_due("snapshot", state, run.now) for state in held)
        if due or set(run.signed) - {"root"}:
            version = self._next(run, "snapshot")
            versions = {
                name: state.version
                for name, state in run.roles.items()
                if name not in ("root", "snapshot", "timestamp")
            }
            snapshot = self._signatory.snapshot(version, run.now, versions)
            self._writer.put_new(self._metadata / f"{version}.snapshot.json", snapshot)
            self._record(run, "snapshot", version)
            number = self._next(run, "timestamp")
            timestamp = self._signatory.timestamp(number, run.now, version, snapshot)
            self._writer.settle()
            self._writer.replace(self._metadata / "timestamp.json", timestamp)
            self._record(run, "timestamp", number)
        self._writer.settle()

    def _keep_journal(self, before: Published, run: _Run, made: Mapping[str, Page]) -> None:
        timestamp = read_bytes(self._metadata / "timestamp.json") or b""
        if not before.whole or before.pages != made or run.signed:
            data = self._journal.bytes_for({n: s for n, s in run.roles.items() if n != "root"}, made, timestamp)
            self._writer.replace(self._journal.path, data)

    @staticmethod
    def _next(run: _Run, name: str) -> int:
        """Return a version above what is published, and above what a killed run left: caches may hold that."""
        state = run.roles.get(name)
        return max(0 if state is None else state.version, run.highest.get(name, 0)) + 1

    def _record(self, run: _Run, name: str, version: int) -> None:
        expires = run.now + self._plan.lifetimes.of(name)
        run.roles[name] = RoleState(version=version, expires=expires)
        run.signed[name] = version
