"""A pip-compatible secure download client (PEP 458): verified metadata in, verified distribution files out.

The public names are loaded when they are first used, so that `import secure_fetch` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Client, Target, VerifiedFile
    from .config import Configuration, Repository
    from .errors import SecureFetchError, UncheckedError, UsageError, VerificationError
    from .index.pages import PageFile, ProjectPage
    from .transport import FolderTransport, HTTPTransport, Transport
    from .trust.limits import Limits
    from .trust.names import RoleName, TargetPath

__version__ = "0.1.0"

_HOME = {
    "Client": ".client",
    "Configuration": ".config",
    "FolderTransport": ".transport",
    "HTTPTransport": ".transport",
    "Limits": ".trust.limits",
    "PageFile": ".index.pages",
    "ProjectPage": ".index.pages",
    "Repository": ".config",
    "RoleName": ".trust.names",
    "SecureFetchError": ".errors",
    "Target": ".client",
    "TargetPath": ".trust.names",
    "Transport": ".transport",
    "UncheckedError": ".errors",
    "UsageError": ".errors",
    "VerificationError": ".errors",
    "VerifiedFile": ".client",
}

__all__ = [
    "Client",
    "Configuration",
    "FolderTransport",
    "HTTPTransport",
    "Limits",
    "PageFile",
    "ProjectPage",
    "Repository",
    "RoleName",
    "SecureFetchError",
    "Target",
    "TargetPath",
    "Transport",
    "UncheckedError",
    "UsageError",
    "VerificationError",
    "VerifiedFile",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
