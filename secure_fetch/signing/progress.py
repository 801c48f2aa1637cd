"""How long work says how far it is, without knowing who watches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Progress(Protocol):
    """Called with a label and a total; the context gives a callable that takes how many more are done."""

    def __call__(self, label: str, total: int, /) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a piece of work."""
        ...


@contextlib.contextmanager
def unseen(label: str, total: int, /) -> Iterator[Callable[[int], None]]:  # noqa: ARG001 - nobody looks
    """Begin a piece of work that nobody watches."""
    yield lambda _: None
