"""The trust core: no network, no disk, no clock, no environment. What it returns is verified, or it raises."""

from __future__ import annotations

from .limits import Limits
from .names import RoleName, TargetPath
from .state import Trusted, TrustedState
from .workflow import Fetch, Found, Keep, Load, Stored, find, refresh

__all__ = [
    "Fetch",
    "Found",
    "Keep",
    "Limits",
    "Load",
    "RoleName",
    "Stored",
    "TargetPath",
    "Trusted",
    "TrustedState",
    "find",
    "refresh",
]
