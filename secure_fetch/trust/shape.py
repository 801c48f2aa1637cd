"""Reading fields out of parsed JSON: the value in its right shape, or a `MalformedError` that names the field."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, NoReturn

from ..errors import MalformedError

MAX_VERSION = 2**63 - 1
_EXPIRES = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
_SPECIFICATION = re.compile(r"1(?:\.[0-9]{1,9}){1,3}")


def refuse(what: str, why: str) -> NoReturn:
    """Raise the `MalformedError` for `what`."""
    raise MalformedError(what, why)


def mapping(value: object, what: str, field: str) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        refuse(what, f"`{field}` is not an object")
    return value


def array(value: object, what: str, field: str) -> list[Any]:
    """Return a JSON list."""
    if not isinstance(value, list):
        refuse(what, f"`{field}` is not a list")
    return value


def string(value: object, what: str, field: str) -> str:
    """Return a JSON string."""
    if not isinstance(value, str):
        refuse(what, f"`{field}` is not a string")
    return value


def boolean(value: object, what: str, field: str) -> bool:
    """Return `true` or `false`, never a number."""
    if not isinstance(value, bool):
        refuse(what, f"`{field}` is not true or false")
    return value


def integer(value: object, what: str, field: str, *, minimum: int, maximum: int = MAX_VERSION) -> int:
    """Return an integer in range; `true` and `1.0` are not integers."""
    if type(value) is not int:
        refuse(what, f"`{field}` is not an integer")
    if not minimum <= value <= maximum:
        refuse(what, f"`{field}` is {value}, not between {minimum} and {maximum}")
    return value


def unique_strings(value: object, what: str, field: str) -> tuple[str, ...]:
    """Return a list of strings in which none occurs twice."""
    items = array(value, what, field)
    if not all(isinstance(item, str) for item in items):
        refuse(what, f"`{field}` holds something that is not a string")
    if len(set(items)) != len(items):
        refuse(what, f"`{field}` holds one string twice")
    return tuple(items)


def moment(value: object, what: str, field: str) -> datetime:
    """Return a time in exactly the specification's format, `YYYY-MM-DDTHH:MM:SSZ`."""
    match = _EXPIRES.fullmatch(string(value, what, field))
    if match is None:
        refuse(what, f"`{field}` is not a time of the form YYYY-MM-DDTHH:MM:SSZ")
    try:
        return datetime(*map(int, match.groups()), tzinfo=timezone.utc)  # type: ignore[arg-type,misc]
    except ValueError:
        refuse(what, f"`{field}` is not a time that exists")


def common(signed: dict[str, Any], what: str, type_: str) -> tuple[int, datetime]:
    """Check what every role has (specification 4.2.1) and return its version and expiry."""
    found = signed.get("_type")
    if found != type_:  # only a string is shown: to print a nested value can exhaust the stack
        shown = f"{found[:40]!r}, not {type_!r}" if isinstance(found, str) else f"not {type_!r}"
        refuse(what, f"`_type` is {shown}")
    if not _SPECIFICATION.fullmatch(string(signed.get("spec_version"), what, "spec_version")):
        refuse(what, "`spec_version` is not a version 1 of the specification")
    version = integer(signed.get("version"), what, "version", minimum=1)
    return version, moment(signed.get("expires"), what, "expires")
