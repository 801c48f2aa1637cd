"""URLs as they are sent, compared and shown: a path goes out byte for byte, a message never holds a credential."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PORT = re.compile(r":(?!\d*$)[^\]]*$")  # what stands where a port should, but is none
_UNSENDABLE = re.compile(r"[^!#$%&'()*+,/:;=?@\[\]~\w.-]", re.ASCII)
_LONGEST = 500  # characters of a URL in a message


def redact(url: str) -> str:
    """Return `url` for a message: without user, password, query and fragment, safe to print, at most 500 characters.

    Queries go because the URLs that object stores redirect to carry their signature there. Text that only resembles
    a URL loses everything up to its last `@` rather than show half a password.
    """
    found = _SCHEME.match(url)
    scheme = found.group() if found else ""
    rest = url[len(scheme) :]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in rest and ("@" in authority or not scheme or _PORT.search(authority)):
        rest = rest.rpartition("@")[2]
    elif _PORT.search(authority):
        rest = "…" + rest[len(authority) :]
    rest = rest.partition("#")[0]
    path, query, _ = rest.partition("?")
    shown = scheme + path + ("?…" if query else "")
    shown = "".join(char if char.isprintable() and char != " " else quote(char, errors="replace") for char in shown)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def origin(url: str) -> str:
    """Return scheme, host and port of `url` in one spelling (`ValueError` for what has none)."""
    parts = urlsplit(url)
    port = parts.port if parts.port is not None else DEFAULT_PORTS.get(parts.scheme, 0)
    if not parts.hostname:
        raise ValueError("no host")
    return f"{parts.scheme}://{parts.hostname}:{port}"


def request_target(url: str) -> str:
    """Return path and query of `url` exactly as they stand, but for characters that HTTP cannot carry (TRAPS D3).

    Quoted characters keep their spelling, even where it could be shorter: `%2e%2e`, `%7E` and `%25` name other files
    than `..`, `~` and `%` on a server that does not decode them.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _UNSENDABLE.sub(lambda found: quote(found.group(), safe=""), target)
