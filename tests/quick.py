"""Transports for tests: impatient, and deaf to the settings of whoever runs the tests."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.transport import HTTPTransport
from secure_fetch.trust.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from secure_fetch.transport import Transport

LIMITS = Limits(connect_timeout=5.0, read_timeout=5.0, minimum_rate=0, rate_grace=0.2, retries=2, redirects=3)
SETTINGS = ("PROXY", "NETRC", "CA_BUNDLE", "PYTHON_KEYRING", "SSL_CERT")


@contextlib.contextmanager
def http(*, keyring: bool = False, **options: Any) -> Iterator[HTTPTransport]:
    """Yield a transport with short waits; names of `Limits` among `options` change these."""
    names = {field.name for field in dataclasses.fields(Limits)}
    limits = dataclasses.replace(LIMITS, **{name: options.pop(name) for name in list(options) if name in names})
    transport = HTTPTransport(limits=limits, keyring=keyring, backoff=0.005, **options)
    try:
        yield transport
    finally:
        transport.close()


def get(transport: Transport, url: str, *, max_length: int = 1_000_000, deadline: float = 20.0) -> bytes:
    """Return the body, having checked that no part of it is more than was asked for."""
    data = b""
    for chunk in transport.stream(url, max_length=max_length, deadline=deadline):
        assert chunk
        data += chunk
        assert len(data) <= max_length
    return data


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer; generous, for slow machines."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 4 * seconds  # tests that run beside it may take most of the machine


def texts(error: BaseException) -> str:
    """Return everything that a log or a traceback could show of an error."""
    shown = []
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is not None:
            shown += [str(each), repr(each), repr(vars(each))]
            todo += [each.__cause__, each.__context__]
    return "\n".join(shown)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away proxies, credentials and authorities of the machine that the tests run on."""
    for name in list(os.environ):
        if any(part in name.upper() for part in SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
