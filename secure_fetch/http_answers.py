"""What an HTTP server owes its clients (RFC 9110): negotiation, conditions, ranges, reason phrases. Values only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_REASON = 400  # characters; some clients stop reading a status line at a few kilobytes
_LONGEST_HEADER = 8_192  # characters of an Accept or If-None-Match that are read
_NOT_IN_A_REASON = re.compile(r"[^\x20-\x7e\xa1-\xac\xae-\xff]")
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def negotiate(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the media type of `offered`, the preferred first, that an Accept header likes best; None: it takes none.

    Of types that are liked as much, the first one offered is taken. A header that is absent, empty or takes anything
    takes the last one, which is what a client without an opinion can read (PEP 691). Parts of the header that do not
    parse count for nothing.
    """
    if accept is None or not accept.strip():
        return offered[-1]
    wishes = [wish for part in accept[:_LONGEST_HEADER].split(",") if (wish := _wish(part))]
    best, most = None, 0.0
    for kind in offered:
        weight = _weight_of(kind, wishes)
        if weight > most:
            best, most = kind, weight
    return offered[-1] if best and all(name in ("*/*", "text/*") for name, _ in wishes) else best


def _wish(part: str) -> tuple[str, float] | None:
    """Read `type/subtype; q=0.5`; other parameters are left alone."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            if not _WEIGHT.fullmatch(value.strip()):
                return None
            weight = float(value)
    return (name, weight) if name.count("/") == 1 else None


def _weight_of(kind: str, wishes: Sequence[tuple[str, float]]) -> float:
    """Return the weight of the most specific wish that covers `kind` (RFC 9110, 12.5.1)."""
    for pattern in (kind, kind.partition("/")[0] + "/*", "*/*"):
        weights = [weight for name, weight in wishes if name == pattern]
        if weights:
            return max(weights)
    return 0.0


def has_tag(header: str | None, tag: str) -> bool:
    """Tell whether If-None-Match names the entity tag `tag` (without quotes), weak or strong, or is `*`."""
    if header is None:
        return False
    return header.strip() == "*" or tag in _TAG.findall(header[:_LONGEST_HEADER])


def byte_range(header: str | None, length: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last that a Range header asks for; None: all of `length` bytes.

    Several ranges, other units and what does not parse are left out, as RFC 9110 (14.2) allows. A range that lies
    outside of the file is empty: (0, 0).
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:
        count = min(int(match[2]), length)
        return (length - count, length) if count else (0, 0)
    first = int(match[1])
    last = int(match[2]) if match[2] else length - 1
    if match[2] and last < first:
        return None
    return (first, min(last + 1, length)) if first < length else (0, 0)


def reason_phrase(text: str) -> str:
    """Return `text` as the end of a status line: printable Latin-1 on one line, cut where it gets long (TRAPS D6)."""
    text = _NOT_IN_A_REASON.sub("?", " ".join(text.split()))
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."
