"""Publishing: only what changed or is due gets a new version, and damage is repaired above every version used."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from securesystemslib.signer import CryptoSigner, Signature
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from secure_fetch.errors import StoreError, UncheckedError, UsageError
from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import SigningRepository

from .distributions import wheel
from .walker import assert_published, newest_root, plain_pages, seen

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def dated(tmp_path: Path) -> SigningRepository:
    """Return a repository of 16 bins with one file, published at `NOW`."""
    repository = SigningRepository.create(tmp_path / "repo", Plan(bins=16), now=NOW)
    repository.add([wheel(tmp_path / "incoming")], now=NOW)
    repository.publish(NOW)
    return repository


def served(repository: SigningRepository) -> dict[str, bytes]:
    files = [path for path in repository.public.rglob("*") if path.is_file()]
    return {path.relative_to(repository.public).as_posix(): path.read_bytes() for path in files}


def metadata(repository: SigningRepository, name: str) -> Path:
    return repository.public / "metadata" / name


def stamp(repository: SigningRepository) -> Timestamp:
    found: Metadata[Timestamp] = Metadata.from_bytes(metadata(repository, "timestamp.json").read_bytes())
    return found.signed


def snapshot(repository: SigningRepository) -> Snapshot:
    name = f"{stamp(repository).snapshot_meta.version}.snapshot.json"
    found: Metadata[Snapshot] = Metadata.from_bytes(metadata(repository, name).read_bytes())
    return found.signed


def versions(repository: SigningRepository) -> dict[str, int]:
    told = {name.removesuffix(".json"): entry.version for name, entry in snapshot(repository).meta.items()}
    return told | {"timestamp": stamp(repository).version, "snapshot": snapshot(repository).version}


def test_nothing_changed_writes_nothing(dated: SigningRepository) -> None:
    before = served(dated)
    done = dated.publish(NOW + HOUR)
    assert (done.signed, done.projects, done.overdue) == ({}, (), {})
    assert done.expires == NOW + DAY
    assert dated.refresh(NOW + HOUR).signed == {}
    assert served(dated) == before


def test_only_changed_bins_are_signed(dated: SigningRepository, tmp_path: Path) -> None:
    before, held = served(dated), versions(dated)
    dated.add([wheel(tmp_path / "incoming", "second", "1.0")], now=NOW)
    done = dated.publish(NOW + HOUR)
    after = versions(dated)
    changed = {name for name in held if after[name] != held[name]}
    assert changed == set(done.signed)
    # A wheel, its sidecar, the project's two pages and the list's two: six targets, in at most as many bins.
    assert 1 <= len(changed - {"snapshot", "timestamp"}) <= 6
    assert all(after[name] == held[name] + 1 for name in changed)
    assert done.projects == ("second",)
    rewritten = {path for path, data in before.items() if served(dated)[path] != data}
    assert rewritten == {"metadata/timestamp.json", "simple/index.html", "simple/index.json"}


def test_the_snapshot_holds_versions_and_the_timestamp_a_hash(dated: SigningRepository) -> None:
    assert all(entry.hashes is None and entry.length is None for entry in snapshot(dated).meta.values())
    assert set(snapshot(dated).meta) == {"targets.json", "bins.json", *(f"bin-{number:x}.json" for number in range(16))}
    meta = stamp(dated).snapshot_meta
    assert set(meta.hashes or {}) == {"sha256"}
    assert meta.length == metadata(dated, f"{meta.version}.snapshot.json").stat().st_size


@pytest.mark.parametrize("renew", ["publish", "refresh"])
def test_online_roles_are_signed_again_past_half_their_life(renew: str, dated: SigningRepository) -> None:
    targets, held = seen(dated.public), versions(dated)
    early = getattr(dated, renew)(NOW + 11 * HOUR)
    assert early.signed == {}
    done = getattr(dated, renew)(NOW + 12 * HOUR)
    assert set(done.signed) == {"snapshot", "timestamp", *(f"bin-{number:x}" for number in range(16))}
    assert done.expires == NOW + 36 * HOUR
    assert {name: versions(dated)[name] for name in ("targets", "bins")} == {"targets": 1, "bins": 1}
    assert all(versions(dated)[name] == held[name] + 1 for name in done.signed)
    assert assert_published(dated) == targets
    assert all(role.expires >= done.expires for role in dated.status().roles)


def test_a_refresh_publishes_nothing_that_waits(dated: SigningRepository, tmp_path: Path) -> None:
    before = seen(dated.public)
    dated.add([wheel(tmp_path / "incoming", "second", "1.0")])
    done = dated.refresh(NOW + DAY)
    assert "timestamp" in done.signed
    assert seen(dated.public) == before
    assert dated.status().waiting == ("second",)


def test_a_forced_refresh_signs_every_online_role(dated: SigningRepository) -> None:
    done = dated.refresh(NOW + HOUR, force=True)
    assert set(done.signed) == {"snapshot", "timestamp", *(f"bin-{number:x}" for number in range(16))}


def test_an_old_time_makes_expired_metadata(dated: SigningRepository) -> None:
    """A clock that ran ahead once does not leave signatures that live too long, and old times can be had for tests."""
    done = dated.publish(NOW - 10 * DAY)
    assert done.expires == NOW - 9 * DAY
    assert {"snapshot", "timestamp", "bin-0"} <= set(done.signed)
    assert not {"root", "targets", "bins"} & set(done.signed)
    assert stamp(dated).version == 3


def test_offline_roles_are_signed_again_where_their_keys_are_here(dated: SigningRepository) -> None:
    done = dated.refresh(NOW + 183 * DAY)
    assert {name: done.signed[name] for name in ("root", "targets", "bins")} == {"root": 2, "targets": 2, "bins": 2}
    assert newest_root(dated.public / "metadata").signed.expires == NOW + 548 * DAY
    assert dated.root_file.name == "2.root.json"
    assert_published(dated)
    assert dated.refresh(NOW + 183 * DAY).signed == {}


def test_offline_roles_without_keys_are_reported(dated: SigningRepository) -> None:
    for name in ("root-1.pem", "targets.pem", "bins.pem"):
        (dated.folder / "keys" / name).unlink()
    done = dated.publish(NOW + 183 * DAY)
    assert set(done.overdue) == {"root", "targets", "bins"}
    assert "0 of them lie in" in done.overdue["root"]
    assert versions(dated)["targets"] == 1
    assert {role.name: role.signable for role in dated.status().roles}["root"] is False
    assert_published(dated)


def test_a_killed_run_that_left_a_root_is_followed(dated: SigningRepository) -> None:
    """The root of a run that was killed before its timestamp is public already: the next goes on from there."""
    copy = dated.folder.with_name("copy")
    shutil.copytree(dated.folder, copy)
    SigningRepository.open(copy).refresh(NOW + 183 * DAY)
    shutil.copy(copy / "public/metadata/2.root.json", metadata(dated, "2.root.json"))
    done = dated.refresh(NOW + 183 * DAY)
    assert "root" not in done.signed
    assert newest_root(dated.public / "metadata").signed.version == 2


DAMAGES = ["", "{", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "roles": {"bin-0": 1}, "pages": {}}']


@pytest.mark.parametrize("journal", DAMAGES)
def test_a_damaged_journal_is_written_again(journal: str, dated: SigningRepository) -> None:
    before = served(dated)
    path = dated.folder / "state" / "published.json"
    whole = path.read_bytes()
    path.write_text(journal)
    assert dated.status().interrupted
    assert dated.publish(NOW).signed == {}
    assert path.read_bytes() == whole
    assert served(dated) == before


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json", "1.bins.json", "1.targets.json", "bin"])
@pytest.mark.parametrize("damage", ["gone", "cut", "foreign", "older"])
def test_damaged_metadata_is_published_anew(name: str, damage: str, dated: SigningRepository, tmp_path: Path) -> None:
    targets, held = seen(dated.public), versions(dated)
    if name == "bin":
        name = next(
            f"{version}.{role}.json" for role, version in held.items() if role.startswith("bin-") and version > 1
        )
    path = metadata(dated, name)
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "foreign":
        other = SigningRepository.create(tmp_path / "other", Plan(bins=16))
        foreign = name if name in ("timestamp.json", "1.bins.json", "1.targets.json") else "1.bin-0.json"
        shutil.copy(metadata(other, foreign), path)
    else:  # a file of another version
        shutil.copy(metadata(dated, "1.snapshot.json" if "snapshot" in name else "1.bin-0.json"), path)
    (dated.folder / "state" / "published.json").write_text("" if name != "timestamp.json" else _journal(dated))
    dated.publish(NOW)
    assert assert_published(dated) == targets
    after = versions(dated)
    assert after["timestamp"] > held["timestamp"]
    assert all(after[role] >= version for role, version in held.items())


def _journal(repository: SigningRepository) -> str:
    return (repository.folder / "state" / "published.json").read_text()


def test_a_served_folder_from_a_backup_is_published_above_what_clients_saw(
    dated: SigningRepository, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(dated.public, backup)
    dated.add([wheel(tmp_path / "incoming", "second", "1.0")])
    for hour in (1, 13, 26):
        dated.publish(NOW + hour * HOUR)
    targets, held = seen(dated.public), versions(dated)
    packages = tmp_path / "packages"
    shutil.move(dated.public / "packages", packages)
    shutil.rmtree(dated.public)
    shutil.copytree(backup, dated.public)
    shutil.rmtree(dated.public / "packages")
    shutil.move(packages, dated.public / "packages")
    dated.publish(NOW + 26 * HOUR)
    assert assert_published(dated) == targets
    assert all(versions(dated)[role] >= version for role, version in held.items())
    assert versions(dated)["timestamp"] > held["timestamp"]


def test_without_timestamp_and_journal_nothing_is_guessed(dated: SigningRepository) -> None:
    metadata(dated, "timestamp.json").unlink()
    (dated.folder / "state" / "published.json").unlink()
    with pytest.raises(StoreError, match="nothing else tells what was published"):
        dated.publish(NOW)


def test_a_root_that_is_not_ours_stops_everything(dated: SigningRepository, tmp_path: Path) -> None:
    other = SigningRepository.create(tmp_path / "other", Plan(bins=2))
    shutil.copy(metadata(other, "1.root.json"), metadata(dated, "2.root.json"))
    with pytest.raises(StoreError, match=r"2\.root\.json: it is not the root of this repository"):
        dated.publish(NOW)


def test_a_lost_root_is_not_taken_for_a_new_repository(dated: SigningRepository) -> None:
    for path in (dated.public / "metadata").iterdir():
        path.unlink()
    for _ in range(2):
        for action in (dated.publish, dated.refresh, dated.status):
            with pytest.raises(StoreError, match="it holds no root"):
                action()
        (dated.folder / "state" / "published.json").unlink(missing_ok=True)
    assert list((dated.public / "metadata").iterdir()) == []


def test_status_tells_what_can_be_told(dated: SigningRepository) -> None:
    metadata(dated, "2.snapshot.json").unlink()
    (dated.folder / "state" / "published.json").unlink()
    status = dated.status()
    assert [role.name for role in status.roles] == ["root", "timestamp", "snapshot"]
    assert status.interrupted


def test_a_signer_that_fails_publishes_nothing(dated: SigningRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    before = seen(dated.public)

    def pulled_out(self: CryptoSigner, payload: bytes) -> Signature:
        raise RuntimeError("the token was pulled out")

    monkeypatch.setattr(CryptoSigner, "sign", pulled_out)
    with pytest.raises(UncheckedError, match=r"bin-n could not be signed: .*the token was pulled out") as raised:
        dated.refresh(NOW, force=True)
    assert raised.value.exit_code == 3
    assert seen(dated.public) == before


def test_a_refresh_does_not_sign_what_it_cannot_read(dated: SigningRepository) -> None:
    metadata(dated, "1.bin-1.json" if versions(dated)["bin-1"] == 1 else "2.bin-1.json").write_bytes(b"{}")
    with pytest.raises(StoreError, match=r"bin-1\.json cannot be used"):
        dated.refresh(NOW, force=True)


def test_a_lost_offline_role_needs_its_key(dated: SigningRepository) -> None:
    (dated.folder / "keys" / "targets.pem").unlink()
    metadata(dated, "1.targets.json").unlink()
    (dated.folder / "state" / "published.json").unlink()
    with pytest.raises(UsageError, match=r"1 key\(s\) of the role targets are needed"):
        dated.publish(NOW)


def test_damaged_plain_pages_are_mended_after_an_interruption(dated: SigningRepository) -> None:
    before = plain_pages(dated.public)
    (dated.public / "simple/demo/index.html").write_bytes(b"half a pa")
    (dated.public / "simple/gone").mkdir()
    (dated.public / "simple/gone/index.html").write_bytes(b"of a project that was removed")
    (dated.folder / "state" / "published.json").unlink()
    dated.publish(NOW)
    assert plain_pages(dated.public) == before


def test_a_wrong_file_among_the_metadata_does_not_matter(dated: SigningRepository) -> None:
    for name in ("README", "0.bin-1.json", "9.Bin.json", "01.bin-1.json", f"{9**30}.bin-1.json"):
        metadata(dated, name).write_bytes(b"")
    dated.refresh(NOW, force=True)
    assert_published(dated)


def test_what_another_kind_of_role_says_is_refused(dated: SigningRepository) -> None:
    root: Metadata[Root] = Metadata.from_bytes(metadata(dated, "1.root.json").read_bytes())
    metadata(dated, "timestamp.json").write_bytes(root.to_bytes())
    dated.publish(NOW)
    assert_published(dated)


def test_bins_say_length_and_two_hashes_of_files_and_one_of_pages(dated: SigningRepository) -> None:
    hashes: dict[str, set[str]] = {}
    for name, version in versions(dated).items():
        if name.startswith("bin-"):
            found: Metadata[Targets] = Metadata.from_bytes(metadata(dated, f"{version}.{name}.json").read_bytes())
            hashes |= {path: set(target.hashes) for path, target in found.signed.targets.items()}
    for path, names in hashes.items():
        assert names == ({"sha256", "blake2b-256"} if path.endswith(".whl") else {"sha256"})


def test_the_journal_is_json_that_names_the_timestamp(dated: SigningRepository) -> None:
    told = json.loads(_journal(dated))
    assert told["format"] == 1
    assert set(told["roles"]) == set(versions(dated))
