"""Private keys: never readable by others, encrypted unless told otherwise, and never mistaken for another."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import Signer

from secure_fetch.errors import ConfigurationError, StoreError, UsageError
from secure_fetch.signing import keys
from secure_fetch.signing.keys import Keyring, encoded
from secure_fetch.signing.plan import Plan
from secure_fetch.signing.repository import SigningRepository
from tests.trust.json_values import VALUES

if TYPE_CHECKING:
    from pathlib import Path

FILES = ["bins.pem", "online.pem", "root-1.pem", "targets.pem"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")


def secret() -> str:
    return "correct horse"


@pytest.fixture
def encrypted(tmp_path: Path) -> SigningRepository:
    return SigningRepository.create(tmp_path / "repo", Plan(bins=2), secret)


@posix
def test_keys_are_private_from_the_moment_they_are_made(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        repository = SigningRepository.create(tmp_path / "repo", Plan(bins=2))
    finally:
        os.umask(before)
    folder = repository.folder / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(FILES, 0o600)


@posix
def test_what_is_served_is_readable_as_the_umask_says(filled: SigningRepository) -> None:
    umask = os.umask(0)
    os.umask(umask)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in filled.public.rglob("*") if path.is_file()}
    assert modes == {0o666 & ~umask}


def test_no_key_lies_under_the_served_folder(encrypted: SigningRepository) -> None:
    served = b"".join(path.read_bytes() for path in encrypted.public.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in served


def test_keys_are_encrypted_with_the_passphrase(encrypted: SigningRepository) -> None:
    for path in (encrypted.folder / "keys").iterdir():
        data = path.read_bytes()
        assert data.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        load_pem_private_key(data, b"correct horse")


def test_unencrypted_keys_load_by_the_uri_of_securesystemslib(repository: SigningRepository) -> None:
    keyring = repository._keyring
    for record in keyring.records.values():
        uri = f"file2:{repository.folder / 'keys' / record.file}"
        assert Signer.from_priv_key_uri(uri, record.public).sign(b"x").keyid == record.public.keyid


def test_every_role_has_keys_of_its_own_but_the_online_ones_share_one(tmp_path: Path) -> None:
    keyring = SigningRepository.create(tmp_path / "repo", Plan(bins=2, root_keys=5, root_threshold=3))._keyring
    roles = keyring.roles
    assert len(roles["root"].keyids) == 5
    assert roles["root"].threshold == 3
    assert roles["timestamp"] == roles["snapshot"] == roles["bin-n"]
    owners = [set(roles[name].keyids) for name in ("root", "targets", "bins", "timestamp")]
    assert len(set.union(*owners)) == sum(map(len, owners)) == 8 == len(list(keyring.folder.iterdir()))


def test_the_passphrase_is_asked_for_once_and_only_to_sign(encrypted: SigningRepository) -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return secret()

    repository = SigningRepository.open(encrypted.folder, ask)
    repository.status()
    repository.publish()
    assert asked == []
    repository.refresh(force=True)
    assert asked == [1]


def test_a_wrong_passphrase_names_the_key_and_changes_nothing(encrypted: SigningRepository) -> None:
    before = (encrypted.public / "metadata/timestamp.json").read_bytes()
    repository = SigningRepository.open(encrypted.folder, lambda: "wrong")
    with pytest.raises(UsageError, match=r"online\.pem cannot be used: The passphrase is wrong") as raised:
        repository.refresh(force=True)
    assert raised.value.exit_code == 2
    assert (encrypted.public / "metadata/timestamp.json").read_bytes() == before


def test_without_a_passphrase_an_encrypted_key_does_not_sign(encrypted: SigningRepository) -> None:
    with pytest.raises(UsageError, match=r"online\.pem is encrypted, and no passphrase was given"):
        SigningRepository.open(encrypted.folder).refresh(force=True)


@pytest.mark.parametrize("passphrase", ["", "x" * 1024, "é" * 512])
def test_a_passphrase_that_cannot_be_used_makes_nothing(passphrase: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 to 1023 bytes"):
        SigningRepository.create(tmp_path / "repo", Plan(bins=2), lambda: passphrase)
    assert list(tmp_path.iterdir()) == []


def test_a_passphrase_that_is_refused_makes_nothing(tmp_path: Path) -> None:
    def ask() -> str:
        raise UsageError("there is no terminal")

    with pytest.raises(UsageError, match="no terminal"):
        SigningRepository.create(tmp_path / "repo", Plan(bins=2), ask)
    assert list(tmp_path.iterdir()) == []


def test_a_passphrase_may_be_any_text() -> None:
    assert encoded("pass wört\udcff") == b"pass w\xc3\xb6rt\xff"


def test_the_key_of_another_repository_is_refused(encrypted: SigningRepository, tmp_path: Path) -> None:
    other = SigningRepository.create(tmp_path / "other", Plan(bins=2))
    shutil.copy(other.folder / "keys/online.pem", encrypted.folder / "keys/online.pem")
    with pytest.raises(UsageError, match=r"online\.pem is not the one that repository\.json names"):
        SigningRepository.open(encrypted.folder, secret).refresh(force=True)


def test_a_key_of_another_type_is_refused(repository: SigningRepository) -> None:
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    data = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (repository.folder / "keys/online.pem").write_bytes(data)
    with pytest.raises(UsageError, match="is not the one that"):
        repository.refresh(force=True)


@given(data=st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: b"-----BEGIN PRIVATE KEY-----\n" + data))
def test_any_bytes_in_a_key_file_are_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "broken-keys"
    if not folder.exists():
        SigningRepository.create(folder, Plan(bins=2))
    (folder / "keys/online.pem").write_bytes(data)
    with pytest.raises(UsageError, match=r"online\.pem (cannot be used: It is no private key|is encrypted)"):
        SigningRepository.open(folder).refresh(force=True)


def test_a_missing_online_key_says_what_is_needed(repository: SigningRepository) -> None:
    (repository.folder / "keys/online.pem").unlink()
    with pytest.raises(UsageError, match=r"1 key\(s\) of the role bin-n are needed to sign it, and 0 of them lie"):
        repository.refresh(force=True)


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with pytest.raises(FileExistsError):
        keys.create(tmp_path / "keys", Plan(), None)


def test_public_halves_read_back_as_they_were_written(repository: SigningRepository) -> None:
    keyring = repository._keyring
    again = Keyring.from_json(keyring.folder, keyring.to_json(), None, "repository.json")
    assert again.to_json() == keyring.to_json()


@given(changed=VALUES)
def test_any_json_for_keys_is_read_or_refused(changed: Any) -> None:
    for told in (changed, {"keys": changed, "roles": changed}, {"keys": {"a": changed}, "roles": {"root": changed}}):
        with pytest.raises(ConfigurationError):
            Keyring.from_json(os.curdir, told, None, "repository.json")  # type: ignore[arg-type]


@pytest.mark.parametrize("uri", ["hsm:2", "file2:", "file2:../x.pem", "file2:/x.pem", "file2:C:x.pem", "file2:.x", 1])
def test_a_key_lies_in_the_keys_folder_or_nowhere(uri: object, repository: SigningRepository) -> None:
    told = repository._keyring.to_json()
    for entry in told["keys"].values():
        entry["uri"] = uri
    with pytest.raises(ConfigurationError, match="is not the place of a key"):
        Keyring.from_json(repository.folder, told, None, "repository.json")


def test_an_incomplete_mapping_of_keys_to_roles_is_refused(repository: SigningRepository) -> None:
    told = repository._keyring.to_json()
    del told["roles"]["snapshot"]
    with pytest.raises(ConfigurationError, match="does not say which keys sign"):
        Keyring.from_json(repository.folder, told, None, "repository.json")


@posix
def test_an_unreadable_key_is_an_error_of_the_disk(repository: SigningRepository) -> None:
    path = repository.folder / "keys/online.pem"
    path.unlink()
    path.symlink_to(path)  # a loop: nobody can read it, root included
    with pytest.raises((StoreError, UsageError)):
        repository.refresh(force=True)
