"""One download over HTTP: redirects, refusals, retries and resumption, under one deadline.

A fault is a value here, and is raised where no foreign error is being handled: so no `__cause__` or `__context__`
brings along a text that may quote a credential.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from requests import Request

from ..errors import TransportError
from .addresses import origin, redact, request_target
from .body import Body, accepted_encoding, range_start, validator
from .credentials import Login, separate
from .faults import FOREIGN, Fault, explain, fault, refusal
from .session import bounded

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator

    from requests import PreparedRequest, Response, Session

    from ..trust.limits import Limits
    from .credentials import Credentials

_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_WAIT = 120.0  # seconds that a server may ask us to come back after
_DISCARD = 64 * 1024  # bytes of an unwanted body that are read to keep the connection
_DISCARD_TIME = 1.0  # seconds
_BUNDLE_HINT = "Correct the setting --cert or REQUESTS_CA_BUNDLE."


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How requests are sent: what all downloads of one transport share."""

    limits: Limits
    session: Session
    own: bool
    credentials: Credentials
    ca: str | None
    client_cert: str | tuple[str, str] | None
    proxies: dict[str, str]
    backoff: float
    closed: threading.Event


class Download:
    """The state of one call: what was handed out, what to resume from, what time is left."""

    def __init__(self, way: Way, url: str, login: Login | None, *, max_length: int, deadline: float) -> None:
        self._way = way
        self._url = url
        self._login = login
        self._max_length = max_length
        self._deadline = deadline
        self._ends = time.monotonic() + deadline
        self._given = 0  # bytes that the caller has
        self._resume: str | None = None  # validator of the bytes given so far
        self._wired = 0  # bytes that came over the wire in this call
        self._spent = 0.0  # seconds waited for them

    def chunks(self) -> Iterator[bytes]:
        """Yield the body; raise what was final."""
        tries = 0
        while True:
            problem = yield from self._attempt()
            if problem is None:
                return
            self._pause(problem, tries)
            tries += 1

    def _pause(self, problem: Fault, tries: int) -> None:
        """Wait before another try, or raise the error if there is none."""
        if not problem.again:
            raise problem.error
        if self._left() <= 0:
            raise self._late()
        if tries >= self._way.limits.retries:
            raise problem.error
        wait = problem.wait if problem.wait is not None else self._way.backoff * 2**tries
        if problem.wait is not None and wait > min(self._left(), _LONGEST_WAIT):
            error = problem.error
            why = f"{error.why} and asks to come back in {wait:.0f} seconds"
            raise TransportError(error.url, why, status=error.status)
        if self._way.closed.wait(min(wait, self._left())):
            raise TransportError(redact(self._url), "the transport was closed")

    def _attempt(self) -> Generator[bytes, None, Fault | None]:
        """Yield what one request brings that the caller has not got; return what went wrong."""
        answer = self._open()
        if isinstance(answer, Fault):
            return answer
        try:
            start = self._begin(answer)
            if isinstance(start, Fault):
                return start
            body = Body(answer, self._url, start=start, max_length=self._max_length)
            skip = self._given - start
            while True:
                step = self._step(body)
                if isinstance(step, Fault):
                    return step
                if step is None:
                    break
                fresh, skip = step[skip:], max(0, skip - len(step))
                self._given += len(fresh)
                if fresh:
                    yield fresh
            return fault(self._url, "it became shorter while it was downloaded") if skip else None
        finally:
            answer.close()

    def _begin(self, answer: Response) -> int | Fault:
        """Return the position at which this answer starts, and note what it can be resumed with."""
        asked, self._resume = self._resume, validator(answer)
        if answer.status_code == HTTPStatus.OK:
            return 0
        if asked is not None and range_start(answer) == self._given:
            return self._given
        self._resume = None
        return fault(self._url, "the server sent another part of it than was asked for", again=asked is not None)

    def _step(self, body: Body) -> bytes | Fault | None:
        """Read once, and see to it that it was not too slow."""
        began, before = time.monotonic(), body.wired
        if began >= self._ends:
            return Fault(error=self._late())
        if self._way.closed.is_set():
            return fault(self._url, "the transport was closed")
        try:
            with bounded(min(self._ends, began + self._way.limits.read_timeout)):
                data = body.read()
        except FOREIGN as error:
            return explain(error, self._url)
        self._wired += body.wired - before
        self._spent += time.monotonic() - began
        limits = self._way.limits
        if data is not None and self._spent > limits.rate_grace and self._wired < limits.minimum_rate * self._spent:
            rate = self._wired / self._spent
            return fault(self._url, f"it came at {rate:.0f} bytes per second, less than {limits.minimum_rate}")
        return data

    def _open(self) -> Response | Fault:
        """Follow redirects and answer refusals until there is a body to read."""
        url = self._url
        for _ in range(self._way.limits.redirects + 1):
            reply = self._ask(url)
            if isinstance(reply, Fault):
                return reply
            response, location = reply
            if response.status_code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                return response
            self._discard(response)
            if response.status_code not in _REDIRECTS or not location:
                if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._resume is not None:
                    self._resume = None
                    return fault(url, "the server could not continue where it broke", again=True)
                retry_after = response.headers.get("Retry-After")
                return refusal(url, response.status_code, retry_after, self._way.credentials.searched())
            target = self._follow(url, location)
            if isinstance(target, Fault):
                return target
            url = target
        return fault(self._url, f"it was redirected more than {self._way.limits.redirects} times")

    def _follow(self, url: str, location: str) -> str | Fault:
        """Return where a redirect leads (TRAPS E3); credentials that it brings along are dropped."""
        try:
            target, _ = separate(urljoin(url, location.encode("latin-1", "replace").decode("utf-8", "replace")))
            scheme = urlsplit(target).scheme
            if scheme not in ("http", "https"):
                return fault(self._url, f"it was redirected to {redact(target)}, which is neither http nor https")
            origin(target)
        except ValueError:
            return fault(self._url, "it was redirected to what is not a URL")
        if scheme == "http" and urlsplit(url).scheme == "https":
            return fault(self._url, f"it was redirected from https to {redact(target)}, which is not encrypted")
        return target

    def _ask(self, url: str) -> tuple[Response, str | None] | Fault:
        """Send one request, and once more where the server wants credentials and keyring has some."""
        redirected = origin(url) != origin(self._url)
        login = None if redirected else self._login
        if self._way.own and (login is None or login.password is None):
            login = self._way.credentials.known(url, redirected=redirected) or login
        reply = self._send(url, login, redirected=redirected)
        if isinstance(reply, Fault) or reply[0].status_code != HTTPStatus.UNAUTHORIZED or not self._way.own:
            return reply
        found = self._way.credentials.after_refusal(url, login)
        if found is None:
            return reply
        self._discard(reply[0])
        reply = self._send(url, found, redirected=redirected)
        if not isinstance(reply, Fault) and reply[0].status_code != HTTPStatus.UNAUTHORIZED:
            self._way.credentials.accept(url, found)
            if not redirected:
                self._login = found
        return reply

    def _send(self, url: str, login: Login | None, *, redirected: bool) -> tuple[Response, str | None] | Fault:
        """Return the answer's head, and the redirect's target that requests is not to see."""
        way, limits = self._way, self._way.limits
        left = self._left()
        if left <= 0:
            return Fault(error=self._late())
        locations: list[str] = []

        def hide_location(response: Response, *_: Any, **__: Any) -> None:  # noqa: ANN401 - requests' own
            # requests would read the whole body of a redirect, however long it is, even where it is not to follow it.
            locations.append(response.headers.pop("Location", ""))

        began = time.monotonic()
        until = min(self._ends, began + limits.connect_timeout + limits.read_timeout)
        try:
            prepared = self._prepare(url, login, redirected=redirected)
            prepared.hooks["response"].append(hide_location)
            settings = way.session.merge_environment_settings(
                url, dict(way.proxies), stream=True, verify=way.ca, cert=way.client_cert
            )
            bundle = settings["verify"]
            if isinstance(bundle, str) and not os.path.exists(bundle):  # noqa: PTH110 - as requests asks
                return fault(url, f"there is no file of certificate authorities at {bundle!r}", hint=_BUNDLE_HINT)
            with bounded(until, prepared.url):
                response = way.session.send(
                    prepared,
                    timeout=(min(limits.connect_timeout, left), min(limits.read_timeout, left)),
                    allow_redirects=False,
                    **settings,
                )
        except FOREIGN as error:
            return explain(error, url)
        return response, (locations or [""])[-1]

    def _prepare(self, url: str, login: Login | None, *, redirected: bool) -> PreparedRequest:
        """Return the request, its path spelled as given (TRAPS D3), with credentials for this origin only."""
        headers = {"Accept-Encoding": accepted_encoding(self._url)}
        if headers["Accept-Encoding"] != "identity":
            headers["Cache-Control"] = "max-age=0"  # a cache asks again, instead of answering with an old timestamp
        if self._resume is not None:
            headers |= {"Accept-Encoding": "identity", "Range": f"bytes={self._given}-", "If-Range": self._resume}
        auth = None if login is None and not self._way.own and not redirected else _Authorization(login)
        prepared = self._way.session.prepare_request(Request("GET", url, headers=headers, auth=auth))
        parts = urlsplit(prepared.url or "")
        prepared.url = f"{parts.scheme}://{parts.netloc}{request_target(url)}"
        return prepared

    def _discard(self, response: Response) -> None:
        """Read a short body to its end, so that the connection can be used again; close any other."""
        length = response.headers.get("Content-Length", "")
        try:
            if length.isascii() and length.isdigit() and int(length[:20]) <= _DISCARD:
                with bounded(min(self._ends, time.monotonic() + _DISCARD_TIME)):
                    response.raw.read(_DISCARD)
        except FOREIGN:
            pass  # then it is closed, as a long one is
        finally:
            response.close()

    def _left(self) -> float:
        return self._ends - time.monotonic()

    def _late(self) -> TransportError:
        return TransportError(redact(self._url), f"it was not complete after {self._deadline:g} seconds")


class _Authorization:
    """Sends these credentials or none: what a session or netrc would add is for others to have."""

    def __init__(self, login: Login | None) -> None:
        self._login = login

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers.pop("Authorization", None)
        if self._login is not None:
            request.headers["Authorization"] = self._login.header()
        return request
