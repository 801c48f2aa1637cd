"""The limits that every step checks before it takes a byte or a turn."""

from __future__ import annotations

from dataclasses import dataclass

_KB = 1_000
_MB = 1_000_000
_GB = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much this client takes. Lengths are in bytes, times in seconds, rates in bytes per second.

    A snapshot of 16,384 bins with hashes and lengths is 2.25 MB, a delegation to 16,384 bins 3 MB: the defaults
    leave room for an index of PyPI's size and no more than that.
    """

    root_length: int = 512 * _KB
    timestamp_length: int = 16 * _KB
    snapshot_length: int = 8 * _MB
    targets_length: int = 16 * _MB
    page_length: int = 32 * _MB
    file_length: int = 16 * _GB
    root_rotations: int = 256
    delegated_roles: int = 64
    connect_timeout: float = 15.0
    read_timeout: float = 30.0
    metadata_deadline: float = 120.0
    file_deadline: float = 6 * 3600.0
    minimum_rate: int = 1 * _KB
    rate_grace: float = 30.0
    redirects: int = 8
    retries: int = 3
