"""A WSGI application on a port of loopback, for one process to ask and nobody else.

The path begins with a token that is made for the run, since other users of this computer reach loopback too; the Host
header has to be the address that was bound, so that no web page can reach it by a name of its own (DNS rebinding).

The same port is named as the proxy for everything else (`Served.proxy`): what an installer wants from anywhere but the
index arrives here, and is refused and reported instead of fetched.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waitress.server import BaseWSGIServer, create_server
from waitress.wasyncore import close_all, loop

from ..errors import StoreError, UsageError, VerificationError
from ..http_answers import reason_phrase
from ..transport import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Bytes are few: every user of this computer may connect, and waitress takes a body, to the disk, from whoever sends it.
_SETTINGS: dict[str, Any] = {"threads": 8, "max_request_body_size": 1 << 16, "max_request_header_size": 1 << 16}
_HOST = "127.0.0.1"
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where an application is served: `url` is its mount with the token, `proxy` the port without it."""

    url: str
    proxy: str


class Guard:
    """Lets a request through to the application only if it was meant for it, and shifts the token off its path.

    `on_stray` is called with the URL and the error for each request for anything else than this server. Before `port`
    is known nothing is let through.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        token: str = "",
        on_stray: Callable[[str, VerificationError], None] | None = None,
    ) -> None:
        self._application = application
        self._mount = f"/{token}" if token else ""
        self._on_stray = on_stray
        self.port: int | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        hosts = {f"{_HOST}:{self.port}", f"localhost:{self.port}"}
        stray = _elsewhere(environ, hosts)
        if stray is not None:
            error = VerificationError(
                f"The installer asked for {redact(stray)}, which nothing vouches for.",
                hint="A requirement, a package's own metadata or a build names this address. It was not fetched.",
            )
            if self._on_stray is not None:
                self._on_stray(redact(stray), error)
            return _refuse(start_response, "403", str(error))
        if environ.get("HTTP_HOST", "").lower() not in hosts:
            return _refuse(start_response, "421", "Misdirected Request: this server answers under its own address only")
        path = environ["PATH_INFO"]
        mount, rest = path[: len(self._mount)], path[len(self._mount) :]
        if not hmac.compare_digest(mount.encode("latin-1"), self._mount.encode("ascii")) or rest[:1] != "/":
            return _refuse(start_response, "404", "Not Found")
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = self._mount, rest
        return self._application(environ, start_response)


def _elsewhere(environ: WSGIEnvironment, hosts: set[str]) -> str | None:
    """Return what a client that takes this server for a proxy wants, or None if it wants this server."""
    target = str(environ.get("REQUEST_URI", ""))
    if environ["REQUEST_METHOD"] == "CONNECT":
        return f"https://{target}/"
    scheme, found, rest = target.partition("://")
    if not found or "/" in scheme:
        return None
    return None if scheme.lower() == "http" and rest.partition("/")[0].lower() in hosts else target


def _refuse(start_response: StartResponse, status: str, reason: str) -> Iterable[bytes]:
    reason = reason_phrase(reason)
    body = f"{reason}\n".encode("latin-1")
    headers = [("Content-Type", "text/plain; charset=iso-8859-1"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {reason}", headers)
    return [body]


@contextmanager
def serve(
    application: WSGIApplication,
    *,
    port: int = 0,
    token: str | None = None,
    on_stray: Callable[[str, VerificationError], None] | None = None,
) -> Iterator[Served]:
    """Serve an application on 127.0.0.1 while the block runs; port 0 takes a free one, token None makes a random one.

    All threads and connections are ended with the block. Raises `StoreError` if the port cannot be had, `UsageError`
    if it is none.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        raise UsageError(f"{port} is not a port.", hint=f"Ports go from 1 to {_HIGHEST_PORT}; 0 takes a free one.")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns whenever more ask than there are threads
    token = secrets.token_urlsafe(16) if token is None else token
    guard = Guard(application, token=token, on_stray=on_stray)
    sockets: dict[int, Any] = {}
    try:
        server = create_server(guard, map=sockets, host=_HOST, port=port, ident=None, **_SETTINGS)
    except OSError as error:
        close_all(sockets)
        raise StoreError(
            f"{_HOST}:{port}", f"it cannot be served on ({error.strerror})", hint="Choose another port with --port."
        ) from error
    assert isinstance(server, BaseWSGIServer)  # noqa: S101 - one address, one server
    guard.port = int(server.getsockname()[1])
    stopping = threading.Event()

    def run() -> None:
        while not stopping.is_set():
            loop(timeout=60, use_poll=True, map=sockets, count=1)

    thread = threading.Thread(target=run, name="secure-fetch index", daemon=True)
    thread.start()
    origin = f"http://{_HOST}:{guard.port}"
    try:
        yield Served(url=f"{origin}/{token}/" if token else f"{origin}/", proxy=origin)
    finally:
        stopping.set()
        server.pull_trigger()
        thread.join()
        close_all(sockets, ignore_all=True)
        server.task_dispatcher.shutdown()
