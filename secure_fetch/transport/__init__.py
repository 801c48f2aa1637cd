"""Where bytes come from: HTTP or a folder, bounded in size and time; what they are worth is decided elsewhere.

A transport believes nothing and promises only this: no more bytes than asked for, no longer than the deadline, no
errors but ours, and no credential in any of them.
"""

from __future__ import annotations

from .addresses import redact
from .folder import FolderTransport
from .http import HTTPTransport
from .source import Transport, fetch, stream_signed

__all__ = ["FolderTransport", "HTTPTransport", "Transport", "fetch", "redact", "stream_signed"]
