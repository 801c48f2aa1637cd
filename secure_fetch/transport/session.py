"""A requests session whose every read from a socket obeys a time, and whose paths go out byte for byte.

A socket's timeout starts anew with each byte, so a server that drips one byte a second would hold a client for hours
in a line of headers. Here each read on a connection knows when the whole must be over.
"""

from __future__ import annotations

import io
import math
import ssl
import threading
import time
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .addresses import request_target

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_POOLS = 16  # origins with open connections
_CONNECTIONS = 32  # kept open for each of them; more are made where more threads ask


class _Here(threading.local):
    """What the requests of this thread obey: when reading must be over (monotonic seconds), and the URL to send."""

    until: float = math.inf
    url: str | None = None


_here = _Here()


@contextmanager
def bounded(until: float, url: str | None = None) -> Iterator[None]:
    """Let all reads of this thread be over at `until` (monotonic seconds) or raise `TimeoutError`."""
    _here.until, _here.url = until, url
    try:
        yield
    finally:
        _here.until, _here.url = math.inf, None


class _TimedReader(io.RawIOBase):
    """Reads from a socket until the time of this thread is over."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        left = _here.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        usual = self._sock.gettimeout()
        most = min(left, math.inf if usual is None else usual)
        self._sock.settimeout(None if most == math.inf else most)
        try:
            return self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(usual)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """Status line, headers, chunk lines and body all come through a `_TimedReader`."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:  # noqa: ANN401 - http.client's own
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach()))


def _as_given(url: str) -> str:
    """Return the request target for `url`, in the spelling of the URL that this thread asks for."""
    asked = _here.url or url
    return request_target(asked) if url.startswith("/") else asked  # the whole URL goes to a plain proxy


class _Connection(HTTPConnection):
    response_class = _TimedResponse

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ANN401 - http.client's own
        super().putrequest(method, _as_given(url), *args, **options)


class _TLSConnection(HTTPSConnection):
    response_class = _TimedResponse

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ANN401 - http.client's own
        super().putrequest(method, _as_given(url), *args, **options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOL_CLASSES: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TLSPool}


class _Adapter(HTTPAdapter):
    """Uses the connections above and, where there is one, the TLS context of the system's trust store."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=_POOLS, pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:  # noqa: ANN401, FBT001, FBT002 - as in requests
        if self._context is not None:
            options["ssl_context"] = self._context
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = _POOL_CLASSES

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401 - as in requests
        if self._context is not None:
            options["ssl_context"] = self._context
            if proxy.lower().startswith("https:"):
                options["proxy_ssl_context"] = self._context
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOL_CLASSES
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ANN401 - as in requests
        if self._context is None or verify is not True:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            return
        # requests would add certifi's authorities, so that one which was removed from this system would still count.
        conn.cert_reqs = "CERT_REQUIRED"
        conn.cert_file, conn.key_file = (cert, None) if cert is None or isinstance(cert, str) else cert


def make_session(*, system_trust: bool, user_agent: str) -> Session:
    """Return a session that may be used from many threads; it trusts the system's authorities, else certifi's.

    The system's need the package `truststore`. `REQUESTS_CA_BUNDLE` is read by requests for each request.
    """
    session = Session()
    adapter = _Adapter(_system_context() if system_trust else None)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = user_agent
    return session


def _system_context() -> ssl.SSLContext | None:
    try:
        from truststore import SSLContext  # noqa: PLC0415 - not among the packages of the core
    except ImportError:
        return None
    return SSLContext(ssl.PROTOCOL_TLS_CLIENT)
