"""Trusted metadata on disk: immutable files named for what they are, so that processes only move it forward.

    <folder>/root/<version>-<sha256:16>.json                           never swept
             floor/<version>                                          empty: this root version was accepted once
             timestamp|snapshot/<root>-<version>-<sha256:16>.json
             targets/<quoted role>/<root>-<version>-<sha256:16>.json

`<root>` is the root version a file was accepted under. No lock is needed: a name says its content, and a newer file
never takes an older one's name. Nothing here is trusted: what is read goes through every check again.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from . import disk
from .errors import StoreError
from .trust.names import ROOT, SNAPSHOT, TIMESTAMP
from .trust.workflow import Stored

if TYPE_CHECKING:
    from pathlib import Path

    from .trust.names import RoleName
    from .trust.workflow import Keep

FORMAT = "v1"
_ROOT_NAME = re.compile(r"()([0-9]{1,19})-[0-9a-f]{16}\.json")
_NAME = re.compile(r"([0-9]{1,19})-([0-9]{1,19})-[0-9a-f]{16}\.json")
_FLOOR = re.compile(r"[0-9]{1,19}")
_TRIES = 3  # measured: of 621,173 listings under a busy writer 174 came back empty, and none of them three times
_RACES = 20
_MAX_FILE = 64_000_000  # bytes; more than any limit of a metadata file


class Store:
    """The metadata of one repository, in one folder that processes may share."""

    def __init__(self, folder: Path) -> None:
        """`folder` need not exist; it is made, private to the user, when something is first kept."""
        self.folder = folder / FORMAT

    def _role_folder(self, role: RoleName) -> Path:
        if role in (ROOT, TIMESTAMP, SNAPSHOT):
            return self.folder / role.text
        return self.folder / "targets" / role.disk

    def load(self, role: RoleName, version: int | None = None) -> tuple[Stored, ...]:
        """Return a role's files, of one version or all, highest version and then highest root version first.

        Raises `StoreError` if they are there and cannot be read.
        """
        folder = self._role_folder(role)
        for _ in range(_RACES):
            names = [name for name in self._list(role) if version is None or name[0] == version]
            with suppress(FileNotFoundError):  # swept by a neighbour between listing and reading: list again
                return tuple(self._read(folder, *name) for name in sorted(names, reverse=True))
        # Never "nothing is remembered": that would let a rollback through.
        raise StoreError(folder, "it changes faster than it can be read", hint="Try again.")

    def _list(self, role: RoleName) -> list[tuple[int, int, str]]:
        """Return (version, root version, name) of every file of a role."""
        form = _ROOT_NAME if role == ROOT else _NAME
        matches = [match for name in self._names(self._role_folder(role)) if (match := form.fullmatch(name))]
        return [(int(match[2]), int(match[1] or match[2]), match[0]) for match in matches]

    @staticmethod
    def _names(folder: Path) -> list[str]:
        """Return the names in a folder; one that is there and seems empty is read again."""
        names: list[str] = []
        try:
            for _ in range(_TRIES):
                names = [path.name for path in folder.iterdir()]
                if names:
                    break
        except FileNotFoundError:
            return []
        except OSError as error:
            raise disk.explain(folder, error) from error
        return names

    @staticmethod
    def _read(folder: Path, version: int, root_version: int, name: str) -> Stored:
        try:
            with disk.open_file(folder / name) as file:
                return Stored(root_version=root_version, version=version, data=file.read(_MAX_FILE))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise disk.explain(folder / name, error) from error

    def keep(self, request: Keep) -> None:
        """Write what was verified, then remove what it supersedes. Raises `StoreError`; what was there stays."""
        folder = self._role_folder(request.role)
        disk.make_folder(folder)
        digest = hashlib.sha256(request.data).hexdigest()[:16]
        if request.role == ROOT:
            disk.make_folder(self.folder / "floor")
            disk.write(self.folder / "floor" / str(request.version), b"")
            disk.write(folder / f"{request.version}-{digest}.json", request.data)
        else:
            disk.write(folder / f"{request.root_version}-{request.version}-{digest}.json", request.data)
            self._sweep(folder, request)

    def _sweep(self, folder: Path, request: Keep) -> None:
        """Remove lower versions of the same root epoch; a higher epoch's memory is another matter (5.3.11)."""
        for version, root_version, name in self._list(request.role):
            if version < request.version and root_version == request.root_version:
                with suppress(OSError):  # a neighbour was first, or holds it open: the next sweep finds it
                    (folder / name).unlink()
        disk.sweep_temporary(folder)

    def floor(self) -> int:
        """Return the highest root version that any name tells of; losing a root file brings no older keys back."""
        versions = [0, *(int(name) for name in self._names(self.folder / "floor") if _FLOOR.fullmatch(name))]
        for role in (ROOT, TIMESTAMP, SNAPSHOT):
            versions += [root_version for _, root_version, _ in self._list(role)]
        return max(versions)

    def touch(self, now: datetime) -> None:
        """Remember when an update last succeeded, as the modification time of a marker."""
        disk.make_folder(self.folder)
        marker = self.folder / "updated"
        try:
            marker.touch(mode=disk.PRIVATE_FILE)
            os.utime(marker, (now.timestamp(), now.timestamp()))
        except OSError as error:
            raise disk.explain(marker, error) from error

    def updated(self) -> datetime | None:
        """Return when an update last succeeded, to the second, or None."""
        try:
            return datetime.fromtimestamp(int((self.folder / "updated").stat().st_mtime), timezone.utc)
        except (OSError, ValueError, OverflowError):
            return None
