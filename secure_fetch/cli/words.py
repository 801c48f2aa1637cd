"""Times and sizes as people say them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))
_SIZES = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1000
_FEW = 2  # of a unit; below that the next smaller one says more


def now() -> datetime:
    """Return the time in UTC, in whole seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def span(length: timedelta) -> str:
    """Return a length of time in one unit, rounded down: "23 hours", "3 days", "less than a minute"."""
    seconds = int(abs(length).total_seconds())
    for size, unit in _UNITS:
        count = seconds // size
        if count >= _FEW or (count and unit == "minute"):
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def when(moment: datetime, seen_from: datetime) -> str:
    """Return how far away a moment is: "in 23 hours", "3 days ago"."""
    away = moment - seen_from
    return f"in {span(away)}" if away > timedelta(0) else f"{span(away)} ago"


def expiry(moment: datetime, seen_from: datetime) -> str:
    """Return an expiry in words: "expires in 23 hours", "expired 3 days ago"."""
    return f"{'expires' if moment > seen_from else 'expired'} {when(moment, seen_from)}"


def size(length: int) -> str:
    """Return a number of bytes in decimal units: "1 byte", "34.2 kB"."""
    if length < _STEP:
        return f"{length} byte{'' if length == 1 else 's'}"
    place = min((len(str(length)) - 1) // 3, len(_SIZES) - 1)
    return f"{length / _STEP**place:.1f} {_SIZES[place]}"
