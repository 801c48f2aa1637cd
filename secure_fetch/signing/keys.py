"""Which key signs for which role, and where the private halves lie: PKCS#8 files, encrypted unless told otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from ..disk import sync_folder
from ..errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .plan import Plan

Passphrase = Callable[[], str]

#: the roles that share the online key; all bins go under one name
ONLINE = ("timestamp", "snapshot", "bin-n")
_SCHEME = "file2:"
_RESTORE = "Restore the file from a backup."


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key: the public half, and where the private one lies (`file2:` and a name in the keys folder)."""

    public: SSlibKey
    uri: str

    @property
    def file(self) -> str:
        """The name of the private half's file; raises `ConfigurationError` for any other kind of place."""
        name = self.uri.removeprefix(_SCHEME)
        if not self.uri.startswith(_SCHEME) or not name or {"/", "\\", ":"} & set(name) or name.startswith("."):
            raise ConfigurationError(f"{self.uri[:80]!r} in repository.json is not the place of a key.")
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRecord:
    """The key ids of one role, and how many of them must sign."""

    keyids: tuple[str, ...]
    threshold: int


class Keyring:
    """The keys of one repository: `records` by key id, `roles` by name; private halves are loaded when one signs."""

    def __init__(
        self,
        folder: Path,
        *,
        records: Mapping[str, KeyRecord],
        roles: Mapping[str, RoleRecord],
        passphrase: Passphrase | None = None,
    ) -> None:
        self.folder = folder
        self.records = records
        self.roles = roles
        self._passphrase = passphrase
        self._secret: bytes | None = None
        self._signers: dict[str, CryptoSigner] = {}

    def public_keys(self, role: str) -> dict[str, Key]:
        """Return the public keys of a role by key id."""
        return {keyid: self.records[keyid].public for keyid in self.roles[role].keyids}

    def can_sign(self, role: str) -> bool:
        """Tell whether enough of a role's private halves lie in the keys folder."""
        return len(self._present(role)) >= self.roles[role].threshold

    def signers(self, role: str) -> list[CryptoSigner]:
        """Return a signer for each key of a role that is here; raises `UsageError` where they are too few."""
        if not self.can_sign(role):
            raise UsageError(
                f"{self.roles[role].threshold} key(s) of the role {role} are needed to sign it, and "
                f"{len(self._present(role))} of them lie in {self.folder}.",
                hint="Bring the key files back into that folder for as long as it takes.",
            )
        return [self._signer(keyid) for keyid in self._present(role)]

    def _present(self, role: str) -> list[str]:
        return [keyid for keyid in self.roles[role].keyids if (self.folder / self.records[keyid].file).is_file()]

    def _signer(self, keyid: str) -> CryptoSigner:
        if keyid not in self._signers:
            record = self.records[keyid]
            self._signers[keyid] = _load(self.folder / record.file, record.public, self._ask)
        return self._signers[keyid]

    def _ask(self) -> bytes | None:
        """Return the passphrase, asked for once; None where there is nobody to ask."""
        if self._secret is None and self._passphrase is not None:
            self._secret = encoded(self._passphrase())
        return self._secret

    def to_json(self) -> dict[str, Any]:
        """Return what is public about the keys, as JSON values."""
        keys = {keyid: {"public": record.public.to_dict(), "uri": record.uri} for keyid, record in self.records.items()}
        roles = {
            name: {"keyids": list(record.keyids), "threshold": record.threshold} for name, record in self.roles.items()
        }
        return {"keys": keys, "roles": roles}

    @classmethod
    def from_json(cls, folder: Path, values: Mapping[str, Any], passphrase: Passphrase | None, what: str) -> Keyring:
        """Read what `to_json` wrote; raises `ConfigurationError`."""
        try:
            records = {keyid: _read_record(keyid, entry) for keyid, entry in values["keys"].items()}
            roles = {
                name: RoleRecord(keyids=tuple(entry["keyids"]), threshold=int(entry["threshold"]))
                for name, entry in values["roles"].items()
            }
            complete = set(roles) == {"root", "targets", "bins", *ONLINE}
            if not complete or not all(set(role.keyids) <= set(records) for role in roles.values()):
                raise ConfigurationError(f"{what} does not say which keys sign for which role.", hint=_RESTORE)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ConfigurationError(f"{what}: the keys do not read ({error!r}).", hint=_RESTORE) from error
        return cls(folder, records=records, roles=roles, passphrase=passphrase)


def _read_record(keyid: str, entry: Mapping[str, Any]) -> KeyRecord:
    public = SSlibKey.from_dict(keyid, dict(entry["public"]))
    record = KeyRecord(public=public, uri=str(entry["uri"]))
    _ = record.file
    return record


def encoded(passphrase: str) -> bytes:
    """Return a passphrase as the bytes that keys are encrypted with; raises `UsageError` for one that cannot be."""
    secret = passphrase.encode("utf-8", "surrogateescape")
    longest = 1023  # OpenSSL's limit
    if not 0 < len(secret) <= longest:
        raise UsageError(
            f"The passphrase must have 1 to {longest} bytes.",
            hint="An empty one protects nothing: keys without a passphrase have to be asked for (--unencrypted-keys).",
        )
    return secret


def create(folder: Path, plan: Plan, passphrase: Passphrase | None) -> Keyring:
    """Make the keys of a new repository in `folder`, which must not exist: 0700, and each file 0600.

    The files are encrypted with the passphrase as `cryptography` does by default (PBES2: PBKDF2, AES-256-CBC), which
    a short passphrase does not withstand for long; without `passphrase` they are not encrypted.
    """
    secret = None if passphrase is None else encoded(passphrase())
    folder.mkdir(mode=0o700)
    root = [f"root-{number + 1}" for number in range(plan.root_keys)]
    records = {}
    ids: dict[str, str] = {}
    for name in (*root, "targets", "bins", "online"):
        record = _generate(folder, name, secret)
        records[record.public.keyid] = record
        ids[name] = record.public.keyid
    roles = {"root": RoleRecord(keyids=tuple(ids[name] for name in root), threshold=plan.root_threshold)}
    for role in ("targets", "bins", *ONLINE):
        roles[role] = RoleRecord(keyids=(ids["online" if role in ONLINE else role],), threshold=1)
    sync_folder(folder)
    return Keyring(folder, records=records, roles=roles, passphrase=passphrase)


def _generate(folder: Path, name: str, secret: bytes | None) -> KeyRecord:
    private = Ed25519PrivateKey.generate()
    encryption: KeySerializationEncryption = NoEncryption() if secret is None else BestAvailableEncryption(secret)
    data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    # The mode is set as the file is made: there is no moment at which others could open it.
    descriptor = os.open(folder / f"{name}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    return KeyRecord(public=SSlibKey.from_crypto(private.public_key()), uri=f"{_SCHEME}{name}.pem")


def _load(path: Path, public: SSlibKey, ask: Callable[[], bytes | None]) -> CryptoSigner:
    """Return the signer of one key file; raises `UsageError` naming the file."""
    data = path.read_bytes()
    secret = ask() if b"ENCRYPTED" in data else None
    if b"ENCRYPTED" in data and secret is None:
        raise UsageError(
            f"The key {path} is encrypted, and no passphrase was given.",
            hint="Set SECURE_FETCH_PASSPHRASE, or run the command on a terminal.",
        )
    try:
        private = load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        why = "The passphrase is wrong" if secret is not None else "It is no private key in PEM"
        raise UsageError(f"The key {path} cannot be used: {why} ({error}).", hint="Nothing was changed.") from error
    try:
        return CryptoSigner(private, public)
    except ValueError as error:
        raise UsageError(
            f"The key {path} is not the one that repository.json names ({error}).",
            hint="It may belong to another repository, or an older one; bring back the right file.",
        ) from error
