"""What `secure-fetch trust show` tells of one repository: the root that counts, its keys, and what is held on disk.

Nothing is fetched. What the disk holds is verified from the configured root on, as always.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ..errors import VerificationError
from ..store import Store
from ..transport import redact
from ..trust.names import ROOT, SNAPSHOT, TIMESTAMP, disk_name
from ..trust.state import accept_root, read_snapshot, read_timestamp, trust_root
from . import words

if TYPE_CHECKING:
    from datetime import datetime

    from ..config import Repository
    from ..trust.names import RoleName
    from ..trust.roles import Root, Snapshot, Timestamp
    from ..trust.state import Trusted, TrustedState
    from .context import Context
    from .ui import Branch, Ui

_SHORT = 8  # characters of a key id


def roles(root: Root) -> dict[str, dict[str, Any]]:
    """Return the threshold and the keys (id and scheme) of each top-level role."""
    return {
        name: {
            "threshold": role.threshold,
            "keys": [
                {"keyid": keyid, "scheme": root.keys[keyid].scheme if keyid in root.keys else None}
                for keyid in role.keyids
            ],
        }
        for name, role in root.roles.items()
    }


def show(context: Context, repository: Repository, ui: Ui) -> None:
    """Print what is known of a repository (`StoreError`; `VerificationError` for a configured root that is none)."""
    now = words.now()
    store = Store(context.state_dir / disk_name(repository.name))
    first = trust_root(repository.root, now)
    state = newest_root(first, store)
    held = {role.text: newest(state, store, role) for role in (TIMESTAMP, SNAPSHOT)}
    updated = store.updated()
    fingerprint = f"sha256:{hashlib.sha256(repository.root).hexdigest()}"
    root = state.root.signed
    ui.result(
        {
            "name": repository.name,
            "index_url": None if repository.index_url is None else redact(repository.index_url),
            "metadata_urls": [redact(url) for url in repository.metadata_urls],
            "targets_urls": [redact(url) for url in repository.targets_urls],
            "layout": repository.layout,
            "projects": repository.projects,
            "configured_root": {"version": first.root.version, "fingerprint": fingerprint},
            "root": {"version": root.version, "expires": root.expires, "roles": roles(root)},
            "held": {
                "folder": store.folder,
                "updated": updated,
                "highest_root": store.floor() or None,
                **{
                    name: None if one is None else {"version": one.version, "expires": one.expires}
                    for name, one in held.items()
                },
            },
        }
    )
    about: list[Branch] = [
        (f"index {redact(repository.index_url or repository.metadata_urls[0])}", ()),
        (f"layout {repository.layout}, may supply {' '.join(repository.projects)}", ()),
        (f"configured root: version {first.root.version}, {fingerprint}", ()),
        (f"root now: version {root.version}, {words.expiry(root.expires, now)}", _keys(root)),
        (f"held in {store.folder}", _held(held, updated, now)),
    ]
    ui.tree(repository.name, about)


def _keys(root: Root) -> list[Branch]:
    branches: list[Branch] = []
    for name, role in roles(root).items():
        keys: list[Branch] = [(f"{key['keyid'][:_SHORT]} {key['scheme'] or 'missing'}", ()) for key in role["keys"]]
        branches.append((f"{name}: {role['threshold']} of {len(keys)} key(s)", keys))
    return branches


def _held(held: dict[str, Trusted[Any] | None], updated: datetime | None, now: datetime) -> list[Branch]:
    branches: list[Branch] = [
        (f"{name} version {one.version}, {words.expiry(one.expires, now)}", ()) for name, one in held.items() if one
    ]
    branches.append((f"last updated {words.when(updated, now)}" if updated else "never updated", ()))
    return branches


def newest_root(state: TrustedState, store: Store) -> TrustedState:
    """Walk on from a root over those in the store, as far as they verify."""
    while True:
        for stored in store.load(ROOT, state.root.version + 1):
            try:
                state = accept_root(state, stored.data)
                break
            except VerificationError:
                continue
        else:
            return state


def newest(state: TrustedState, store: Store, role: RoleName) -> Trusted[Timestamp] | Trusted[Snapshot] | None:
    """Return the newest timestamp or snapshot in the store that verifies, expired or not."""
    read = read_timestamp if role == TIMESTAMP else read_snapshot
    for stored in store.load(role):
        try:
            return read(state, stored.data)
        except VerificationError:
            continue
    return None
