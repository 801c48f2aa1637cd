"""What a client sees of a served folder: python-tuf's model over every file, and python-tuf's own client."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, TypeVar

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

T = TypeVar("T", Timestamp, Snapshot, Targets)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from secure_fetch.signing.repository import SigningRepository


def seen(public: Path) -> dict[str, str]:
    """Return path → sha256 of every target that the timestamp leads to, and check each file on the way.

    Signatures and thresholds are checked by python-tuf, each role with the keys that its delegator names; targets are
    read where clients of consistent snapshots look for them, and where their path holds no hash, with one in front.
    """
    folder = public / "metadata"
    root = newest_root(folder)
    stamp = _delegated(root.signed, "timestamp", (folder / "timestamp.json").read_bytes(), Timestamp)
    meta = stamp.snapshot_meta
    data = (folder / f"{meta.version}.snapshot.json").read_bytes()
    meta.verify_length_and_hashes(data)
    snapshot = _delegated(root.signed, "snapshot", data, Snapshot)

    def role(delegator: Root | Targets, name: str) -> Targets:
        version = snapshot.meta[f"{name}.json"].version
        found = _delegated(delegator, name, (folder / f"{version}.{name}.json").read_bytes(), Targets)
        assert found.version == version
        return found

    bins = role(role(root.signed, "targets"), "bins")
    names = [file.removesuffix(".json") for file in snapshot.meta if file.startswith("bin-")]
    assert bins.delegations is not None
    targets: dict[str, str] = {}
    for name in names:
        for path, target in role(bins, name).targets.items():
            assert [found for found, _ in bins.delegations.get_roles_for_target(path)] == [name]
            place = public / path
            if not re.match(r"packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/", path):
                place = place.with_name(f"{target.hashes['sha256']}.{place.name}")
            target.verify_length_and_hashes(place.read_bytes())
            targets[path] = target.hashes["sha256"]
    return targets


def newest_root(folder: Path) -> Metadata[Root]:
    """Return the root that the chain of roots ends in; each is signed by itself and by the one before."""
    held: Metadata[Root] = Metadata.from_bytes((folder / "1.root.json").read_bytes())
    held.verify_delegate("root", held)
    while (path := folder / f"{held.signed.version + 1}.root.json").exists():
        newer: Metadata[Root] = Metadata.from_bytes(path.read_bytes())
        assert newer.signed.get_root_verification_result(held.signed, newer.signed_bytes, newer.signatures)
        held = newer
    return held


def _delegated(delegator: Root | Targets, role: str, data: bytes, kind: type[T]) -> T:
    metadata: Metadata[T] = Metadata.from_bytes(data)
    delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    assert isinstance(metadata.signed, kind)
    return metadata.signed


def plain_pages(public: Path) -> dict[str, str]:
    """Return path → sha256 of every page that installers ask for, and those of the list of projects."""
    pages = [path for name in ("index.html", "index.json") for path in (public / "simple").rglob(name)]
    return {path.relative_to(public).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in pages}


def assert_published(repository: SigningRepository) -> dict[str, str]:
    """Check that what is served is what was added, plain pages included, and return path → sha256."""
    targets = seen(repository.public)
    pages = {path: digest for path, digest in targets.items() if path.startswith("simple/")}
    assert plain_pages(repository.public) == pages
    status = repository.status()
    assert status.waiting == ()
    assert not status.interrupted
    return targets


def updater(url: str, root: bytes, folder: Path, *, hashed: bool) -> Updater:
    """Return python-tuf's client; `hashed`: targets have their hash in front of their name."""
    for name in ("metadata", "targets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Updater(
        str(folder / "metadata"),
        f"{url}metadata/",
        str(folder / "targets"),
        url,
        config=UpdaterConfig(prefix_targets_with_hash=hashed),
        bootstrap=root,
    )


def download(client: Updater, paths: Iterable[str]) -> dict[str, str]:
    """Fetch targets as python-tuf's client does, and return path → sha256."""
    fetched = {}
    for path in paths:
        info = client.get_targetinfo(path)
        assert info is not None, path
        with open(client.download_target(info), "rb") as file:  # noqa: PTH123 - as it names it
            fetched[path] = hashlib.sha256(file.read()).hexdigest()
    return fetched
