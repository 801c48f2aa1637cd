"""The body of one HTTP answer: read in small steps, decoded, and never more of it than allowed."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import LimitError, TransportError
from .addresses import redact

if TYPE_CHECKING:
    from requests import Response

_CHUNK = 64 * 1024
_BLIND_CHUNK = 8 * 1024  # for a source that waits until it has all that was asked for
_GZIP = ("gzip", "x-gzip")
_TEXT = (".json", ".html", "/")
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)", re.ASCII)


def accepted_encoding(url: str) -> str:
    """Return the Accept-Encoding for `url`: pages and metadata may come compressed, files come as they are."""
    return "gzip" if urlsplit(url).path.endswith(_TEXT) else "identity"


def validator(response: Response) -> str | None:
    """Return what names exactly these bytes in an If-Range header (RFC 9110, 13.1.5), or None."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None  # a range would count compressed bytes
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return response.headers.get("Last-Modified") if not etag else None


def range_start(response: Response) -> int | None:
    """Return the position at which a partial answer begins (RFC 9110, 14.4), or None."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(found.group(1)) if found else None


class Body:
    """The bytes of `response` from position `start` on; `max_length` counts from position 0, after decoding.

    Making one raises `LimitError` where the announced length is too much, `TransportError` for an encoding that was
    not asked for.
    """

    def __init__(self, response: Response, url: str, *, start: int, max_length: int) -> None:
        self._response = response
        self._shown = redact(url)
        self._position = start
        self._max_length = max_length
        self._gunzip = self._decoder(url)
        # Deflate adds 5 bytes to 16 kB that it cannot compress; a stream beyond that is made of empty blocks.
        self._wire_max = max_length - start if self._gunzip is None else max_length + max_length // 1000 + 1024
        self.wired = 0
        self._declared: int | None = None
        length = response.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit() and "Transfer-Encoding" not in response.headers:
            self._declared = int(length[:20])
            if self._declared > self._wire_max:
                raise LimitError(self._shown, limit=max_length, hint=LimitError.endless)

    def read(self) -> bytes | None:
        """Return some bytes, maybe none, or None at the end; errors of the connection come out as they are."""
        room = min(_CHUNK, self._max_length - self._position + 1)
        if self._gunzip is None:
            data = self._read_wire(room)
            ended = not data
        else:
            data, ended = self._read_gzip(self._gunzip, room)
        self._position += len(data)
        if self._position > self._max_length:
            raise LimitError(self._shown, limit=self._max_length, hint=LimitError.endless)
        return None if ended else data

    def _read_gzip(self, gunzip: _Gunzip, room: int) -> tuple[bytes, bool]:
        ended = False
        try:
            if not gunzip.pending:
                gunzip.pending = self._read_wire(_CHUNK)
                ended = not gunzip.pending
            data = gunzip.read(room)
        except zlib.error:
            raise TransportError(self._shown, "its compressed body is broken") from None
        if ended and not gunzip.complete:
            raise TransportError(self._shown, "its compressed body ends too early")
        return data, ended

    def _read_wire(self, amount: int) -> bytes:
        raw = self._response.raw
        if hasattr(raw, "decode_content"):
            raw.decode_content = False
        read1 = getattr(raw, "read1", None)  # urllib3 has it since 2.1
        data: bytes = read1(amount) if read1 is not None else raw.read(min(amount, _BLIND_CHUNK))
        self.wired += len(data)
        if self.wired > self._wire_max:
            raise LimitError(self._shown, limit=self._max_length, hint=LimitError.endless)
        if not data and self._declared is not None and self.wired < self._declared:
            raise ConnectionError("the body ends before its announced length")
        return data

    def _decoder(self, url: str) -> _Gunzip | None:
        encoding = self._response.headers.get("Content-Encoding", "").strip().lower()
        if encoding in ("", "identity"):
            return None
        if encoding not in _GZIP:
            raise TransportError(self._shown, "the server sent it in an encoding that was not asked for")
        # Many servers label a .tar.gz as an encoded .tar; the bytes that were signed are those on the wire (as in pip).
        return None if urlsplit(url).path.lower().endswith((".gz", ".tgz")) else _Gunzip()


class _Gunzip:
    """Decodes gzip, member after member (RFC 1952, 2.2), never more at once than asked for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._begun = False
        self.pending = b""

    @property
    def complete(self) -> bool:
        """Whether the last member has come to its end."""
        return self._member.eof or not self._begun

    def read(self, room: int) -> bytes:
        """Return at most `room` bytes out of what is pending (`zlib.error`)."""
        if self._member.eof:
            self.pending = self.pending.lstrip(b"\0")  # padding
            if self.pending:
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        if not self.pending:
            return b""
        self._begun = True
        data = self._member.decompress(self.pending, room)
        self.pending = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return data
