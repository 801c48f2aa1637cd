"""HTTP and HTTPS through requests, bounded in size and time."""

from __future__ import annotations

import os
import ssl
import threading
from importlib import metadata
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import ConfigurationError, TransportError
from ..trust.limits import Limits
from .addresses import origin, redact
from .credentials import Credentials, separate
from .download import Download, Way
from .session import make_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from requests import Session


class HTTPTransport:
    """HTTP and HTTPS through requests; may be used from many threads.

    `ca` names a file or folder of certificate authorities and then only these count. Without it they are those of
    `REQUESTS_CA_BUNDLE` where that is set, the system's (by `truststore`, if installed), else certifi's.
    `client_cert` is a file with certificate and key, or two files. `proxies` maps a scheme to a URL and wins over the
    environment's. `index_urls` are URLs that credentials may be kept under. A `session` from outside is used as it is,
    with its own adapters, authorities, proxies and credentials. `backoff` is the first wait before a retry in seconds.
    """

    def __init__(  # noqa: PLR0913 - each is a setting that pip has too
        self,
        *,
        limits: Limits | None = None,
        session: Session | None = None,
        ca: str | os.PathLike[str] | None = None,
        client_cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        index_urls: Sequence[str] = (),
        keyring: bool = True,
        truststore: bool = True,
        user_agent: str | None = None,
        backoff: float = 0.25,
    ) -> None:
        if session is not None and (ca or client_cert or proxies):
            raise ConfigurationError("A session from outside brings its own authorities, certificate and proxies.")
        _check_files(ca, client_cert)
        try:
            credentials = Credentials(index_urls=index_urls, keyring=keyring)
        except ValueError:
            raise ConfigurationError("One of the index URLs is not a URL.") from None
        self._own = session is None
        self._closed = threading.Event()
        self._way = Way(
            limits=limits or Limits(),
            session=session or make_session(system_trust=truststore and not ca, user_agent=user_agent or _user_agent()),
            own=self._own,
            credentials=credentials,
            ca=os.fspath(ca) if ca else None,
            client_cert=client_cert,
            proxies=dict(proxies or {}),
            backoff=backoff,
            closed=self._closed,
        )

    def stream(self, url: str, *, max_length: int, deadline: float) -> Iterator[bytes]:
        """Yield the body of `url`: see `Transport.stream`.

        A user and password in `url` go to its own origin only. What breaks is tried again, at most `Limits.retries`
        times in this call, a file from where it broke; the caller's hash decides whether the parts belong together.
        """
        if self._closed.is_set():
            raise TransportError(redact(url), "the transport was closed")
        try:
            clean, login = separate(url)
            if urlsplit(clean).scheme not in ("http", "https"):
                raise TransportError(redact(url), "only http and https URLs are fetched here")
            origin(clean)
            self._way.credentials.remember(clean, login)
        except ValueError:
            raise TransportError(redact(url), "this is not a URL that can be asked for") from None
        yield from Download(self._way, clean, login, max_length=max_length, deadline=deadline).chunks()

    def close(self) -> None:
        """Let go of all connections and end all waiting; a session from outside stays open."""
        self._closed.set()
        if self._own:
            self._way.session.close()


def _user_agent() -> str:
    try:
        return f"secure-fetch/{metadata.version('secure-fetch')}"
    except metadata.PackageNotFoundError:  # run from a source tree, or inside of another package
        return "secure-fetch"


def _check_files(ca: str | os.PathLike[str] | None, client_cert: str | tuple[str, str] | None) -> None:
    """Refuse unreadable certificates now (`ConfigurationError`), rather than at each connection."""
    if ca:
        path = os.fspath(ca)
        folder = os.path.isdir(path)  # noqa: PTH112 - as requests asks
        try:
            _context().load_verify_locations(None if folder else path, path if folder else None)
        except OSError as error:
            raise ConfigurationError(
                f"The certificate authorities in {path!r} cannot be read: {_reason(error)}.",
                hint="--cert names a file of PEM certificates, or a folder of them.",
            ) from error
    if client_cert:
        file, key = (client_cert, None) if isinstance(client_cert, str) else client_cert
        try:
            _context().load_cert_chain(file, key, password=lambda: "")  # else OpenSSL asks on the terminal
        except OSError as error:
            raise ConfigurationError(
                f"The client certificate {file!r} cannot be read: {_reason(error)}.",
                hint="It is a PEM file that holds certificate and key, or one file for each; the key is not encrypted.",
            ) from error


def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _reason(error: OSError) -> str:
    return "it is not what it should be, in PEM form" if isinstance(error, ssl.SSLError) else str(error.strerror)
