"""What went wrong on the way, in words a person understands and without a word from the server or a credential."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3.exceptions as urllib3_errors

from ..errors import AbsentError, TransportError
from .addresses import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

# What requests, urllib3, http.client and a socket raise; ValueError covers URLs, headers and reads of closed files.
FOREIGN = (
    requests.RequestException,
    urllib3_errors.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)

_TLS_HINT = (
    "If the index uses a private certificate authority, name its certificate with --cert or add it to the system's "
    "trust store; if it asks for a client certificate, name one with --client-cert."
)
_PROXY_HINT = "Check the proxy's settings (--proxy, HTTPS_PROXY, HTTP_PROXY, NO_PROXY)."
_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)  # only these mean "no newer root" (TRAPS A3)
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error, whether it is worth another try, and how many seconds the server asks to wait before it."""

    error: TransportError
    again: bool = False
    wait: float | None = None


def fault(url: str, why: str, *, again: bool = False, hint: str | None = None) -> Fault:
    """Return a `Fault` about `url`, redacted."""
    return Fault(error=TransportError(redact(url), why, hint=hint), again=again)


def explain(error: BaseException, url: str) -> Fault:
    """Return what a foreign error means. Its own text is dropped: it may quote the server, the URL or a proxy's."""
    causes = list(_causes(error))
    for kind in (_proxy, _tls, _name, _malformed):
        found = kind(url, causes)
        if found is not None:
            return found
    host = _host(url)
    if _has(causes, ConnectionRefusedError):
        return fault(url, f"{host} refused the connection", again=True)
    if _has(causes, requests.ConnectTimeout, urllib3_errors.ConnectTimeoutError):
        return fault(url, f"{host} could not be reached in time", again=True)
    if _has(causes, requests.Timeout, urllib3_errors.TimeoutError, TimeoutError):
        return fault(url, f"{host} did not answer in time", again=True)
    return fault(url, f"the connection to {host} broke", again=True)


def _has(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _proxy(url: str, causes: list[BaseException]) -> Fault | None:
    if not _has(causes, requests.exceptions.ProxyError, urllib3_errors.ProxyError, requests.exceptions.InvalidProxyURL):
        return None
    if any("Tunnel connection failed: 407" in str(cause) for cause in causes):
        return fault(url, "the proxy asks for credentials, or refuses those it was given (407)", hint=_PROXY_HINT)
    return fault(url, "the proxy could not be used", again=True, hint=_PROXY_HINT)


def _tls(url: str, causes: list[BaseException]) -> Fault | None:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = getattr(cause, "verify_message", "") or "certificate verify failed"
            return fault(url, f"the TLS certificate of {_host(url)} is not trusted here ({text})", hint=_TLS_HINT)
    if not _has(causes, ssl.SSLError, requests.exceptions.SSLError, urllib3_errors.SSLError):
        return None
    reasons = [str(cause.reason) for cause in causes if isinstance(cause, ssl.SSLError) and cause.reason]
    return fault(url, f"no TLS connection came about ({', '.join(reasons) or 'no reason given'})", hint=_TLS_HINT)


def _name(url: str, causes: list[BaseException]) -> Fault | None:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return fault(
                url, f"the host name {_host(url)} could not be resolved", again=cause.errno == socket.EAI_AGAIN
            )
    return None


def _malformed(url: str, causes: list[BaseException]) -> Fault | None:
    if not _has(
        causes,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        urllib3_errors.LocationParseError,
        http.client.InvalidURL,
        UnicodeError,
    ):
        return None
    return fault(url, "this, or the URL of its proxy, is not a URL that can be asked for")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and the errors that it carries: requests and urllib3 hide the first cause in many ways."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        cause = todo.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        todo += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def refusal(url: str, status: int, retry_after: str | None, searched: str) -> Fault:
    """Return what a status other than 200 means; `searched` says where credentials were looked for."""
    shown = redact(url)
    answer = f"the server answered {_named(status)}"
    if status in _ABSENT:
        hint = "The server may want other credentials for it. " + searched if status == HTTPStatus.FORBIDDEN else ""
        return Fault(error=AbsentError(shown, answer, status=status, hint=hint))
    if status == HTTPStatus.UNAUTHORIZED:
        why = f"{answer}: credentials are missing or wrong"
        return Fault(error=TransportError(shown, why, status=status, hint=searched))
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        why = f"the proxy answered {_named(status)}: credentials for it are missing or wrong"
        return Fault(error=TransportError(shown, why, status=status, hint=_PROXY_HINT))
    again = status in _AGAIN or status >= _SERVER_ERRORS
    return Fault(
        error=TransportError(shown, answer, status=status), again=again, wait=_seconds(retry_after) if again else None
    )


def _named(status: int) -> str:
    """Return the status with its usual name: the server's own phrase is not ours to print."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as such or as a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004 - 31 years
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
