"""Lengths and hashes: of bytes in memory, and of a stream of chunks."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from ..errors import HashError, LengthError, MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: algorithm → constructor and the length of its digest in hexadecimal characters
_ALGORITHMS: dict[str, tuple[Callable[[], Any], int]] = {
    "sha256": (hashlib.sha256, 64),
    "sha384": (hashlib.sha384, 96),
    "sha512": (hashlib.sha512, 128),
    "sha3-256": (hashlib.sha3_256, 64),
    "sha3-384": (hashlib.sha3_384, 96),
    "sha3-512": (hashlib.sha3_512, 128),
    "sha3_256": (hashlib.sha3_256, 64),
    "sha3_384": (hashlib.sha3_384, 96),
    "sha3_512": (hashlib.sha3_512, 128),
    "blake2b-256": (lambda: hashlib.blake2b(digest_size=32), 64),
    "blake2b-512": (hashlib.blake2b, 128),
    "blake2b": (hashlib.blake2b, 128),
}
_HEX = re.compile(r"[0-9a-f]*")
_PREFERRED = ("sha256", "sha512", "sha384", "blake2b-256")


def known_hashes(value: object, what: str) -> dict[str, str]:
    """Return those of a `hashes` field that can be checked here: algorithm → digest in lower-case hexadecimal.

    Perhaps there are none. An empty object or a digest of the wrong form is a `MalformedError`.
    """
    if not isinstance(value, dict) or not value:
        raise MalformedError(what, "`hashes` is not an object with at least one hash")
    known = {}
    for algorithm, digest in value.items():
        if not isinstance(digest, str):
            raise MalformedError(what, f"the {algorithm[:40]} hash is not a string")
        if algorithm in _ALGORITHMS:
            if len(digest) != _ALGORITHMS[algorithm][1] or not _HEX.fullmatch(digest):
                raise MalformedError(
                    what, f"the {algorithm} hash is not {_ALGORITHMS[algorithm][1]} hexadecimal digits"
                )
            known[algorithm] = digest
    return known


def read_hashes(value: object, what: str) -> dict[str, str]:
    """Return a `hashes` field of something that is about to be checked: algorithm → digest.

    An unknown algorithm beside a known one is left out; alone it is a `MalformedError`. So what is returned always
    names at least one hash that can be checked.
    """
    known = known_hashes(value, what)
    if not known:
        unknown = ", ".join(sorted(value))[:80] if isinstance(value, dict) else ""
        raise MalformedError(what, f"none of its hash algorithms is known here ({unknown})")
    return known


def preferred(hashes: Mapping[str, str]) -> str:
    """Return the digest that stands in hash-named files: the same for every client that has the same hashes."""
    for algorithm in _PREFERRED:
        if algorithm in hashes:
            return hashes[algorithm]
    return hashes[min(hashes)]


class Digester:
    """Checks a stream of chunks against a length in bytes and hashes, and stops at the first byte too many."""

    def __init__(self, what: str, *, length: int | None, hashes: Mapping[str, str]) -> None:
        """Every hash in `hashes` must be of a known algorithm (`MalformedError`), and every one will have to match."""
        self.what = what
        self.length = length
        self.taken = 0
        self._expected = dict(read_hashes(dict(hashes), what)) if hashes else {}
        self._running = {algorithm: _ALGORITHMS[algorithm][0]() for algorithm in self._expected}

    def update(self, chunk: bytes | memoryview) -> None:
        """Take one chunk; raises `LengthError` once more came than was signed."""
        self.taken += len(chunk)
        if self.length is not None and self.taken > self.length:
            raise LengthError(self.what, expected=self.length, actual=self.taken)
        for running in self._running.values():
            running.update(chunk)

    def finish(self) -> None:
        """Check the whole; raises `LengthError` or `HashError`."""
        if self.length is not None and self.taken != self.length:
            raise LengthError(self.what, expected=self.length, actual=self.taken)
        for algorithm, running in self._running.items():
            actual = running.hexdigest()
            if not hmac.compare_digest(actual, self._expected[algorithm]):
                raise HashError(self.what, algorithm=algorithm, expected=self._expected[algorithm], actual=actual)


def check(data: bytes, what: str, *, length: int | None, hashes: Mapping[str, str]) -> None:
    """Check bytes in memory, before they are parsed (specification 5.5.2, 5.6.2)."""
    digester = Digester(what, length=length, hashes=hashes)
    digester.update(data)
    digester.finish()
