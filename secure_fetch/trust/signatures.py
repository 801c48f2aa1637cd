"""The threshold check: how many distinct public keys of a role have signed a document.

The cryptography is securesystemslib's. It is imported at the first verification, so that importing this room loads
nothing but the standard library.
"""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SignatureError
from . import shape

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from .document import Document

_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the 32 bytes in DER
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key as metadata has it (specification 4.2.1). `public` is None for kinds that carry none."""

    keyid: str
    keytype: str
    scheme: str
    public: str | None

    @property
    def identity(self) -> Hashable:
        """The key material itself: equal for every spelling of one public key, whatever its key id or scheme."""
        if self.public is None:
            return (self.keytype, self.keyid)
        if self.keytype == "ed25519":
            with suppress(ValueError):
                return bytes.fromhex(self.public)
        return _pem_identity(self.public)


def read_keys(value: object, what: str) -> dict[str, Key]:
    """Return a `keys` field: key id → key. A key id need not be the hash of its key (TRAPS, DESIGN section 4)."""
    keys = {}
    for keyid, entry in shape.mapping(value, what, "keys").items():
        fields = shape.mapping(entry, what, "keys")
        public = shape.mapping(fields.get("keyval"), what, "keyval").get("public")
        if public is not None:
            shape.string(public, what, "public")
        keys[keyid] = Key(
            keyid=keyid,
            keytype=shape.string(fields.get("keytype"), what, "keytype"),
            scheme=shape.string(fields.get("scheme"), what, "scheme"),
            public=public,
        )
    return keys


def _pem_identity(pem: str) -> bytes | str:
    """Return SubjectPublicKeyInfo in DER, re-encoded where `cryptography` can, so that all spellings are equal."""
    try:
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - optional, and slow to import
            Encoding,
            PublicFormat,
            load_pem_public_key,
        )
    except ImportError:
        return _der(pem)
    try:
        der = load_pem_public_key(pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # noqa: BLE001 - a hostile key in a foreign parser: whatever it says, it only fails to be a key
        return _der(pem)
    return _bare(der)


def _der(pem: str) -> bytes | str:
    match = _PEM.search(pem)
    try:
        return _bare(base64.b64decode("".join(match.group(2).split()), validate=True)) if match else pem
    except (binascii.Error, ValueError):
        return pem


def _bare(der: bytes) -> bytes:
    return der.removeprefix(_ED25519_SPKI)


def verify(  # noqa: PLR0913 - a role's keys are its ids, its threshold and where they are found
    document: Document,
    *,
    role: str,
    keyids: Sequence[str],
    threshold: int,
    keys: Mapping[str, Key],
    signed_for: str,
) -> tuple[str, ...]:
    """Check that `threshold` distinct keys among `keyids` have signed, and return the key ids that were counted.

    Only the role's own keys are tried, so that foreign signatures cost nothing. A signature that is malformed, or by
    a key that cannot be verified here, does not count and does not stop the rest. Raises `SignatureError`.
    """
    counted: dict[Hashable, str] = {}
    unverifiable = []
    for keyid in keyids:
        key, signature = keys.get(keyid), document.signatures.get(keyid)
        if key is None or not signature:
            continue
        verdict = _verify_one(key, signature, document.payload)
        if verdict is None:
            unverifiable.append(f"{key.keytype}/{key.scheme}"[:60])
        elif verdict:
            counted.setdefault(key.identity, keyid)
            if len(counted) >= threshold:
                return tuple(counted.values())
    raise SignatureError(
        role, valid=len(counted), threshold=threshold, signed_for=signed_for, unverifiable=unverifiable
    )


def _verify_one(key: Key, signature: str, payload: bytes) -> bool | None:
    """Return whether the signature is valid, or None if a key of this kind cannot be verified here."""
    from securesystemslib.exceptions import (  # noqa: PLC0415 - loads gpg and subprocess, which this room must not
        UnsupportedLibraryError,
        UnverifiedSignatureError,
        VerificationError,
    )
    from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, Signature, SSlibKey  # noqa: PLC0415 - the same

    if key.public is None or KEY_FOR_TYPE_AND_SCHEME.get((key.keytype, key.scheme)) is not SSlibKey:
        return None
    # The older spelling of ecdsa, with the scheme as key type, works but warns, and a warning can be made an error.
    keytype = "ecdsa" if key.keytype == key.scheme != "ed25519" else key.keytype
    try:
        library_key = SSlibKey(key.keyid, keytype, key.scheme, {"public": key.public})
        library_key.verify_signature(Signature(key.keyid, signature), payload)
    except VerificationError as error:
        return None if _misses_library(error, UnsupportedLibraryError) else False
    except UnverifiedSignatureError:
        return False
    except Exception:  # noqa: BLE001 - a hostile key or signature in a foreign parser: it does not count, that is all
        return False
    return True


def _misses_library(error: BaseException, kind: type[Any]) -> bool:
    return isinstance(error, kind) or isinstance(error.__cause__, (kind, ImportError))
