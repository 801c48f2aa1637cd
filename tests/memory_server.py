"""A server in memory: it speaks the Transport protocol, records what is asked, and lies when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secure_fetch.errors import AbsentError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Requested(NamedTuple):
    url: str
    max_length: int


class MemoryServer:
    """Serves `served` (URL → bytes) in chunks; names are relative to the metadata URL or whole URLs."""

    def __init__(self, metadata_url: str) -> None:
        """`before` is called with the URL of each request, before it is answered."""
        self.metadata_url = metadata_url
        self.chunk_size = 4096
        self.served: dict[str, bytes] = {}
        self.requests: list[Requested] = []
        self.before: Callable[[str], object] | None = None
        self._hidden: set[str] = set()
        self._failures: dict[str, Exception] = {}
        self._tampered: dict[str, Callable[[bytes], bytes]] = {}

    @property
    def asked(self) -> list[str]:
        """What was requested, relative to the metadata URL where it lies below."""
        return [request.url.removeprefix(self.metadata_url) for request in self.requests]

    def url(self, name: str) -> str:
        """Return a name below the metadata URL as a URL; a URL stays as it is."""
        return name if "://" in name else self.metadata_url + name

    def withhold(self, *names: str) -> None:
        """Answer 404 for these from now on."""
        self._hidden.update(map(self.url, names))

    def fail(self, name: str, error: Exception) -> None:
        """Raise an error for this from now on."""
        self._failures[self.url(name)] = error

    def tamper(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Serve this with its bytes changed from now on."""
        self._tampered[self.url(name)] = change

    def restore(self) -> None:
        """Serve everything again as it was written."""
        self._hidden.clear()
        self._failures.clear()
        self._tampered.clear()

    def stream(self, url: str, *, max_length: int, deadline: float) -> Iterator[bytes]:
        """Answer one request: chunks, or `AbsentError`, `LimitError` or what `fail` said."""
        self.requests.append(Requested(url, max_length))
        if self.before is not None:
            self.before(url)
        if url in self._failures:
            raise self._failures[url]
        if url in self._hidden or url not in self.served:
            raise AbsentError(url, "HTTP 404", status=404)
        return self._chunks(url, self._tampered.get(url, bytes)(self.served[url]), max_length)

    def _chunks(self, url: str, data: bytes, max_length: int) -> Iterator[bytes]:
        for start in range(0, len(data), self.chunk_size):
            chunk = data[start : start + self.chunk_size]
            if start + len(chunk) > max_length:
                raise LimitError(url, limit=max_length)
            yield chunk

    def close(self) -> None:
        """Do nothing."""
