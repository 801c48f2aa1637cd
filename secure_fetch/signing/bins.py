"""How targets are spread over bins, and how the role `bins` says so: hash prefixes (PEP 458) or succinctly (TAP 15)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tuf.api.metadata import DelegatedRole, Delegations, Key, SuccinctRoles

PREFIX = "bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """`count` bins, a power of two. A path falls into the bin that the leading bits of its SHA-256 number.

    Both kinds use the same names, so one can become the other without moving a target.
    """

    count: int
    succinct: bool

    @property
    def bits(self) -> int:
        """How many leading bits number a bin."""
        return self.count.bit_length() - 1

    def name(self, number: int) -> str:
        """Return the name of a bin: the number in hexadecimal, as wide as the last one's (TAP 15)."""
        return f"{PREFIX}-{number:0{len(f'{self.count - 1:x}')}x}"

    def names(self) -> list[str]:
        """Return the names of all bins, in order."""
        return [self.name(number) for number in range(self.count)]

    def bin_of(self, path: str) -> str:
        """Return the name of the bin that vouches for a target path."""
        leading = hashlib.sha256(path.encode()).digest()[:4]
        return self.name(int.from_bytes(leading, "big") >> (32 - self.bits))

    def prefixes(self, number: int) -> list[str]:
        """Return the hash prefixes of a bin: as many hexadecimal digits as it takes to tell the bins apart."""
        digits = -(-self.bits // 4)
        each = 16**digits // self.count
        return [f"{prefix:0{digits}x}" for prefix in range(number * each, (number + 1) * each)]

    def delegations(self, keys: dict[str, Key], threshold: int) -> Delegations:
        """Return what `bins` delegates, to bins that share `keys`."""
        keyids = sorted(keys)
        if self.succinct:
            roles = SuccinctRoles(keyids, threshold, self.bits, PREFIX)
            return Delegations(keys, succinct_roles=roles)
        return Delegations(
            keys,
            roles={
                self.name(number): DelegatedRole(
                    self.name(number),
                    list(keyids),
                    threshold,
                    terminating=True,
                    path_hash_prefixes=self.prefixes(number),
                )
                for number in range(self.count)
            },
        )
