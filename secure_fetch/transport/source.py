"""What a transport is: a source of bytes that nobody trusts yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import LengthError, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Transport(Protocol):
    """A source of bytes that nobody trusts yet."""

    def stream(self, url: str, *, max_length: int, deadline: float) -> Iterator[bytes]:
        """Yield the decoded body of `url` in chunks, at most `max_length` bytes, within `deadline` seconds.

        `AbsentError` where the server says that there is no such file, `LimitError` before the first byte too many,
        `TransportError` for everything else; each of them also in the middle of the iteration.
        """
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...


def stream_signed(transport: Transport, url: str, *, what: str, length: int, deadline: float) -> Iterator[bytes]:
    """Yield the body of `url`, for which `length` bytes were signed: more than that is a `LengthError`, not a limit.

    Fewer are for the caller to notice, who counts and hashes them; other errors as in `Transport.stream`.
    """
    try:
        yield from transport.stream(url, max_length=length, deadline=deadline)
    except LimitError:
        raise LengthError(what, expected=length, actual=None) from None


def fetch(transport: Transport, url: str, *, max_length: int, deadline: float) -> bytes:
    """Return the whole body of `url`; errors as in `Transport.stream`."""
    return b"".join(transport.stream(url, max_length=max_length, deadline=deadline))
