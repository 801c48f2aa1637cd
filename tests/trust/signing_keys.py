"""Real keys of every kind that securesystemslib verifies, and one key in several spellings."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner

from secure_fetch.trust.document import Document, canonical
from secure_fetch.trust.signatures import Key

SIGNED = {"a": "what was signed"}
_CURVES: dict[str, tuple[ec.EllipticCurve, SHA256 | SHA384 | SHA512]] = {
    "ecdsa-sha2-nistp256": (ec.SECP256R1(), SHA256()),
    "ecdsa-sha2-nistp384": (ec.SECP384R1(), SHA384()),
    "ecdsa-sha2-nistp521": (ec.SECP521R1(), SHA512()),
}
_HASHES: dict[str, SHA256 | SHA384 | SHA512] = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}
RSA_SCHEMES = [f"{kind}-{name}" for kind in ("rsassa-pss", "rsa-pkcs1v15") for name in _HASHES]


@dataclass(frozen=True, kw_only=True)
class Signing:
    """A public key as metadata has it, and its signature of `SIGNED` in hexadecimal."""

    keytype: str
    scheme: str
    public: str
    signature: str

    def key(self, keyid: str, public: str | None = None, **fields: Any) -> Key:
        values = {"keytype": self.keytype, "scheme": self.scheme} | fields
        return Key(keyid=keyid, public=public or self.public, **values)


def pem(key: Any) -> str:
    """Return a public key of `cryptography` in PEM."""
    text: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def pkcs1(key: rsa.RSAPublicKey) -> str:
    """Return an RSA key in its own, older PEM form."""
    return key.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()


def rewrapped(text: str, width: int, end: str = "\n") -> str:
    """Return PEM with lines of another width."""
    first, *lines, last = text.split("\n")[:-1]
    body = "".join(lines)
    return end.join([first, *(body[at : at + width] for at in range(0, len(body), width)), last, ""])


def compressed(key: ec.EllipticCurvePublicKey) -> str:
    """Return a P-256 key in PEM with its point compressed."""
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    bits = bytes([3, len(point) + 1, 0]) + point
    der = bytes([0x30, len(algorithm) + len(bits)]) + algorithm + bits
    return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"


@cache
def ed25519_key(number: int = 0) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


@cache
def ecdsa_key(scheme: str = "ecdsa-sha2-nistp256") -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(0x1234567890ABCDEF, _CURVES[scheme][0])


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def ed25519_signing(number: int = 0) -> Signing:
    key = ed25519_key(number)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    return Signing(keytype="ed25519", scheme="ed25519", public=public, signature=key.sign(canonical(SIGNED)).hex())


def ecdsa_signing(scheme: str, keytype: str = "ecdsa") -> Signing:
    key = ecdsa_key(scheme)
    signature = key.sign(canonical(SIGNED), ec.ECDSA(_CURVES[scheme][1]))
    return Signing(keytype=keytype, scheme=scheme, public=pem(key.public_key()), signature=signature.hex())


def rsa_signing(scheme: str) -> Signing:
    hashing = _HASHES[scheme.rpartition("-")[2]]
    pad: padding.AsymmetricPadding = padding.PKCS1v15()
    if scheme.startswith("rsassa-pss"):
        pad = padding.PSS(mgf=padding.MGF1(hashing), salt_length=hashing.digest_size)
    signature = rsa_key().sign(canonical(SIGNED), pad, hashing)
    return Signing(keytype="rsa", scheme=scheme, public=pem(rsa_key().public_key()), signature=signature.hex())


def mldsa_signing(kind: str) -> Signing | None:
    """Return an ML-DSA key, or None where the installed `cryptography` cannot make one."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError:
        return None
    try:
        signer = CryptoSigner(getattr(mldsa, f"MLDSA{kind}PrivateKey").generate())
    except UnsupportedAlgorithm:
        return None
    public = signer.public_key
    return Signing(
        keytype=public.keytype,
        scheme=public.scheme,
        public=public.keyval["public"],
        signature=signer.sign(canonical(SIGNED)).signature,
    )


def document_signed(signatures: dict[str, str]) -> Document:
    """Return `SIGNED` with these signatures."""
    return Document(what="it", signed=SIGNED, signatures=signatures, payload=canonical(SIGNED), data=b"")
