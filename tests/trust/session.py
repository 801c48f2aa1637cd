"""A client in a few lines, for looking things up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secure_fetch.trust import Found, Limits, TargetPath, find
from tests.simulator import MemoryStore, Simulator, drive, update

if TYPE_CHECKING:
    from secure_fetch.trust.workflow import Known


class Session:
    """A client that has refreshed, and looks things up."""

    def __init__(self, repository: Simulator, store: MemoryStore | None = None) -> None:
        self.repository = repository
        self.store = store or MemoryStore()
        self.state = update(repository, self.store)
        self.known: Known = {}

    def find(self, path: str, *, limits: Limits | None = None) -> Found | None:
        """Look up, with `repository.asked` starting empty."""
        self.repository.requests.clear()
        return drive(find(self.state, TargetPath(path), self.known, limits=limits), self.repository, self.store)

    def chain(self, path: str) -> list[str]:
        """Return the roles that vouch for a path."""
        found = self.find(path)
        return [] if found is None else [link.role.text for link in found.chain]
