"""Bytes of metadata → its signatures, the exact bytes that were signed, and their parsed value.

A document is read once, by one scanner, and the span of `signed` is the slice that this scanner read: what is
verified is what is used. Signatures are over the canonical JSON of `signed` (specification 4.2.1). Where the span as
received is provably canonical it is verified as it stands, otherwise it is encoded again first.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any, NoReturn, cast

from ..errors import LimitError, MalformedError

MAX_SIGNATURES = 1_000
_MAX_DIGITS = 19  # 2**63 has 19 digits
_MAX_DEPTH = 32  # of objects and lists; metadata has 7

_ESCAPED_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_STRING = re.compile(rb'"[^"]*"?')
_ALIKE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b'[]{}"')))

_SPACE = re.compile(r"[ \t\r\n]*")
_NOT_CANONICAL = re.compile(r"[ \t\r\n\\]|[\[:,]-0")
_ESCAPE = re.compile(r'\\(?:u00[01][0-9a-f]|[bfnrt"\\])')
_SHORT_ESCAPES = {r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\"": r"\"", r"\\": r"\\"}
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One metadata file, read but not verified.

    `signatures` are pairs of key id and signature in hexadecimal, each key id once; `payload` is the canonical JSON
    of `signed` in UTF-8; `data` are the bytes as received.
    """

    what: str
    signed: dict[str, Any]
    signatures: dict[str, str]
    payload: bytes
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes as received, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


class _RefusedError(ValueError):
    """A reason that becomes a `MalformedError` where the document's name is known."""


class _Scanner:
    """A strict JSON reader that remembers whether all keys were in canonical order."""

    def __init__(self) -> None:
        self.ascending = True
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_float=self._refuse_number,
            parse_constant=self._refuse_number,
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(pairs) > 1:
            if len(value) != len(pairs):
                _refuse("an object has a key twice")
            if self.ascending:
                keys = list(value)
                self.ascending = keys == sorted(keys)
        return value

    @staticmethod
    def _integer(text: str) -> int:
        if len(text) > _MAX_DIGITS + (text[0] == "-"):
            _refuse(f"an integer has more than {_MAX_DIGITS} digits")
        return int(text)

    @staticmethod
    def _refuse_number(text: str) -> NoReturn:
        _refuse(f"{text[:20]} is not an integer")

    def value(self, text: str, start: int) -> tuple[Any, int]:
        """Return the value that begins at `start`, and where it ends."""
        try:
            return cast("tuple[Any, int]", self.decoder.scan_once(text, start))  # type: ignore[attr-defined]
        except StopIteration as stop:
            _refuse(f"no JSON value at character {stop.value}")


def _refuse(why: str) -> NoReturn:
    raise _RefusedError(why)


def _check_depth(data: bytes) -> None:
    """Refuse deep nesting before the scanner meets it.

    Python 3.13 lets its scanner go 10,000 levels down, which ends the process in a thread with a small stack (as
    threads have with musl): 10 kB that nobody signed would do. Brackets are counted outside of strings, a level for
    each turn; that costs a tenth of what parsing does.
    """
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return
    if b"\\" in data:
        data = _ESCAPED_STRING.sub(b"", data)
    brackets = data.translate(_ALIKE, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:  # strings that hold brackets
        brackets = _STRING.sub(b"", brackets)
    for _ in range(_MAX_DEPTH):
        if b"[]" not in brackets or b"[" * (_MAX_DEPTH + 1) in brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets or brackets.count(b"[") > _MAX_DEPTH:
        _refuse(f"it is nested too deeply, more than {_MAX_DEPTH} levels")


def read_json(data: bytes, what: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read `data` as one JSON value: strict UTF-8, no duplicate keys, floats, NaN, huge integers (`MalformedError`)."""
    try:
        text = data.decode("utf-8")
        _check_depth(data)
        value, end = _Scanner().value(text, _skip(text, 0))
        if _skip(text, end) != len(text):
            _refuse("there is something after the end")
    except (_RefusedError, UnicodeDecodeError, JSONDecodeError) as error:
        raise MalformedError(what, _why(error)) from None
    except RecursionError:
        raise MalformedError(what, "it is nested too deeply") from None
    return value


def parse(data: bytes, what: str) -> Document:
    """Read one metadata file; `what` names it in messages.

    Raises `MalformedError` for anything but one envelope with `signed` and `signatures`, `LimitError` for more than
    1,000 signatures. Nothing is verified here.
    """
    try:
        text = data.decode("utf-8")
        _check_depth(data)
        members, span, ascending = _envelope(text)
        signed, signatures = members.get("signed"), members.get("signatures")
        if not isinstance(signed, dict) or not isinstance(signatures, list):
            _refuse("it needs an object `signed` and a list `signatures`")
        signed_text = text[span[0] : span[1]]
        if ascending and not _NOT_CANONICAL.search(signed_text):
            payload = signed_text.encode("utf-8")
        else:
            payload = canonical(signed)
    except (_RefusedError, UnicodeError, JSONDecodeError) as error:
        raise MalformedError(what, _why(error)) from None
    except RecursionError:
        raise MalformedError(what, "it is nested too deeply") from None
    return Document(
        what=what, signed=signed, signatures=_signatures(signatures, what), payload=payload, data=bytes(data)
    )


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return the canonical JSON of `value` in UTF-8: sorted keys, no white space, only quote and backslash escaped.

    The standard library's encoder is used and its further escapes are undone: it is 4 times as fast as
    securesystemslib's on a large file, and a property test holds the two together. Raises `UnicodeEncodeError` for a
    lone surrogate.
    """
    text = _ENCODER.encode(value)
    if "\\" in text:
        text = _ESCAPE.sub(_unescape, text)
    return text.encode("utf-8")


def _unescape(match: re.Match[str]) -> str:
    escape = match.group()
    return _SHORT_ESCAPES.get(escape) or chr(int(escape.removeprefix("\\u"), 16))


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not valid UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "a string holds a lone surrogate"
    if isinstance(error, JSONDecodeError):
        return f"it is not JSON ({error.msg} at character {error.pos})"
    return str(error)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _envelope(text: str) -> tuple[dict[str, Any], tuple[int, int], bool]:
    """Walk the outermost object; return its members, the span of `signed`, and whether its keys were in order."""
    members: dict[str, Any] = {}
    span, ascending = (0, 0), False
    scanner = _Scanner()
    position = _skip(text, 0)
    if text[position : position + 1] != "{":
        _refuse("it is not a JSON object")
    position = _skip(text, position + 1)
    while text[position : position + 1] != "}":
        if members:
            if text[position : position + 1] != ",":
                _refuse(f"a comma is missing at character {position}")
            position = _skip(text, position + 1)
        if text[position : position + 1] != '"':
            _refuse(f"a key is missing at character {position}")
        key, position = scanstring(text, position + 1, True)  # noqa: FBT003 - the standard library's signature
        if key in members:
            _refuse(f"it has {key[:40]!r} twice")
        position = _skip(text, position)
        if text[position : position + 1] != ":":
            _refuse(f"a colon is missing at character {position}")
        start = _skip(text, position + 1)
        scanner.ascending = True
        members[key], end = scanner.value(text, start)
        if key == "signed":
            span, ascending = (start, end), scanner.ascending
        position = _skip(text, end)
    if _skip(text, position + 1) != len(text):
        _refuse("there is something after the end of the envelope")
    return members, span, ascending


def _signatures(entries: list[Any], what: str) -> dict[str, str]:
    """Return key id → signature; what is not a signature does not count, a key id that occurs twice is refused."""
    if len(entries) > MAX_SIGNATURES:
        raise LimitError(f"The number of signatures on {what}", limit=MAX_SIGNATURES, unit="signatures")
    signatures: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("keyid"), str):
            continue
        keyid, signature = entry["keyid"], entry.get("sig")
        if keyid in signatures:
            raise MalformedError(what, f"the key id {keyid[:80]!r} signs it twice")
        signatures[keyid] = signature if isinstance(signature, str) else ""
    return signatures
