"""The verifying index: a WSGI application that hands out verified files, and pages written from verified pages.

    <mount>/simple/<project>/                     the project's page, HTML or JSON as the client prefers (PEP 503, 691)
    <mount>/files/<project>/<file>                a file of that page, from the descriptor that was hashed
    <mount>/files/<project>/<file>.metadata       its metadata (PEP 658), where something vouches for it

Pages are written anew from what was verified: every field is kept, links lead here, sha256 is there wherever the
repository has it (pip knows no blake2b), and metadata is announced only where it can be served. Nothing that an
upstream server said in a header goes through.

A file that is on its page but not signed yet stays on the page and is refused when it is asked for: left out, an
installer would quietly take an older version, and that is what a rollback looks like. It is the explicit error that
PEP 458 asks for.

Whatever is refused is answered 403 with the cause as its reason phrase, a project or file that is not there 404. A 5xx
would be tried again, which the client has done already. pip takes a refused page for an empty one, which lets it settle
for other versions: so after a refusal that was more than "not found" or "not signed yet", everything else is refused
too (`stop`), and every refusal is reported (`refusals`).
"""

from __future__ import annotations

import hashlib
import logging
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from ..errors import NotFoundError, NotSignedYetError, SecureFetchError, UncheckedError, UsageError
from ..files import chunks
from ..http_answers import byte_range, has_tag, negotiate, reason_phrase
from ..index.distributions import project_name
from ..index.pages import render_html, render_json
from ..presentation import SIDECAR, presented, sidecar
from ..trust.digest import preferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from ..client import Client
    from ..index.pages import ProjectPage
    from ..targets import Target
    from ..trust.state import TrustedState

log = logging.getLogger(__name__)

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
_PLAIN = "text/html"
_OFFERED = (JSON, "application/vnd.pypi.simple.latest+json", HTML, "application/vnd.pypi.simple.latest+html", _PLAIN)
_ORIGIN = "http://127.0.0.1/"  # links are relative to each other, so any origin will do
_MOST_PAGES = 256  # parsed pages that are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A file that was handed over whole or in part: its page and name there, length in bytes, sha256, what vouched."""

    project: str
    filename: str
    length: int
    sha256: str
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that was refused: what was asked for, and why not."""

    what: str
    error: SecureFetchError


@dataclass(slots=True, kw_only=True)
class _Answer:
    """An HTTP answer; `body` is bytes, or an open file that stands at the first of `length` bytes to send."""

    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | _Body = b""
    length: int = 0


class _Body:
    """A verified file on its way out, up to `end`, in the form that a server's `wsgi.file_wrapper` takes."""

    def __init__(self, file: BinaryIO, end: int, close: Callable[[], None]) -> None:
        self._file = file
        self._end = end
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable
        self.close = close

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, and none behind the end."""
        left = max(self._end - self._file.tell(), 0)
        return self._file.read(left if size < 0 else min(size, left))


class LocalIndex:
    """The application. `clients` gives the client for a normalised project name, or raises `NotFoundError`.

    `on_refusal` is called for each refusal, from any thread. With `stop` (for one run of one installer) nothing is
    handed over any more once something failed verification or could not be checked. `handed` and `refusals` say what
    happened so far. It is complete as it is, and takes many requests at once; who may ask is the server's business.
    """

    def __init__(
        self,
        clients: Callable[[str], Client],
        *,
        on_refusal: Callable[[Refusal], None] | None = None,
        stop: bool = True,
    ) -> None:
        self._clients = clients
        self._on_refusal = on_refusal
        self._stop = stop
        self._stopped: SecureFetchError | None = None
        self._lock = threading.Lock()
        self._handed: dict[tuple[str, str], Handed] = {}
        self._refusals: list[Refusal] = []
        self._pages: dict[str, tuple[TrustedState, ProjectPage]] = {}

    @property
    def handed(self) -> tuple[Handed, ...]:
        """The files that were handed over, each once, in order."""
        with self._lock:
            return tuple(self._handed.values())

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What was refused, in order."""
        with self._lock:
            return tuple(self._refusals)

    def refuse(self, what: str, error: SecureFetchError) -> None:
        """Put a refusal on record; it may come from the server in front of this index as well."""
        refusal = Refusal(what=what, error=error)
        with self._lock:
            self._refusals.append(refusal)
            if self._stop and not isinstance(error, UsageError | NotSignedYetError):
                self._stopped = self._stopped or error
        log.debug("refused %s: %s", what, error.message)
        if self._on_refusal is not None:
            self._on_refusal(refusal)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        head = environ["REQUEST_METHOD"] == "HEAD"
        answer = self._answer(environ)
        if not answer.body and answer.status not in (200, 304) and not head:
            answer.body = f"{answer.reason}\n".encode("latin-1")
            answer.length = len(answer.body)
            answer.headers.append(("Content-Type", "text/plain; charset=iso-8859-1"))
        if answer.status != 304:  # noqa: PLR2004 - Not Modified has no body to tell the length of
            answer.headers.append(("Content-Length", str(answer.length)))
        answer.headers.append(("X-Content-Type-Options", "nosniff"))
        start_response(f"{answer.status} {answer.reason}", answer.headers)
        if isinstance(answer.body, bytes):
            return [] if head else [answer.body]
        if head:
            answer.body.close()
            return []
        wrapper: Callable[[_Body], Iterable[bytes]] = environ.get("wsgi.file_wrapper", _Blocks)
        return wrapper(answer.body)

    def _answer(self, environ: WSGIEnvironment) -> _Answer:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _Answer(status=405, reason="Method Not Allowed", headers=[("Allow", "GET, HEAD")])
        try:
            segments = environ["PATH_INFO"].encode("latin-1").decode("utf-8").split("/")[1:]
        except UnicodeDecodeError:
            return _Answer(status=404, reason="Not Found")
        if self._stopped is not None:
            return self._refused(segments, self._stopped)
        try:
            return self._route(environ, segments)
        except SecureFetchError as error:
            return self._refused(segments, error)
        except Exception as error:
            # A 500 would be an empty page to pip, which is content with what is installed: so this is a refusal too.
            log.debug("unexpected", exc_info=True)
            bug = UncheckedError(f"This is a bug in secure-fetch: {type(error).__name__}: {error}")
            return self._refused(segments, bug)

    def _refused(self, segments: list[str], error: SecureFetchError) -> _Answer:
        if error is not self._stopped:
            self.refuse(segments[2] if segments[0] == "files" else segments[1], error)
        missing = isinstance(error, UsageError)
        return _Answer(status=404 if missing else 403, reason=reason_phrase(str(error)))

    def _route(self, environ: WSGIEnvironment, segments: list[str]) -> _Answer:
        match segments:
            case ["simple", project] if project:
                return _moved(project)
            case ["simple", project, ""] if project:
                return self._page(environ, project)
            case ["files", project, filename] if project and filename:
                return self._file(environ, project, filename)
        return _Answer(status=404, reason="Not Found")

    # Pages

    def _page(self, environ: WSGIEnvironment, project: str) -> _Answer:
        kind = negotiate(environ.get("HTTP_ACCEPT"), _OFFERED)
        if kind is None:
            return _Answer(status=406, reason=f"Not Acceptable: there is {JSON}, {HTML}, {_PLAIN}")
        name = project_name(project)
        client = self._clients(name)
        page = presented(client, self._read(client, name, again=True), origin=_ORIGIN)
        as_json = kind.endswith("json")
        data = render_json(page) if as_json else render_html(page)
        kind = {True: JSON, False: _PLAIN if kind == _PLAIN else HTML}[as_json]
        tag = hashlib.sha256(data).hexdigest()
        headers = [("ETag", f'"{tag}"'), ("Cache-Control", "no-cache"), ("Vary", "Accept")]
        if has_tag(environ.get("HTTP_IF_NONE_MATCH"), tag):
            return _Answer(status=304, reason="Not Modified", headers=headers)
        headers.append(("Content-Type", kind if as_json else f"{kind}; charset=utf-8"))
        return _Answer(status=200, reason="OK", headers=headers, body=data, length=len(data))

    def _read(self, client: Client, name: str, *, again: bool = False) -> ProjectPage:
        """Return the verified page; for its files one that was read under the same trusted state will do."""
        state = client.state
        with self._lock:
            held = self._pages.get(name)
        if held is not None and held[0] is state and not again:
            return held[1]
        page = client.project(name)
        with self._lock:
            if len(self._pages) >= _MOST_PAGES:
                self._pages.clear()
            self._pages[name] = (state, page)
        return page

    # Files

    def _file(self, environ: WSGIEnvironment, project: str, filename: str) -> _Answer:
        name = project_name(project)
        client = self._clients(name)
        page = self._read(client, name)
        if page.file(filename) is None and filename.endswith(SIDECAR):
            target = sidecar(client, page, filename.removesuffix(SIDECAR))
            if target is None:
                raise NotFoundError(filename, where=f"what the page of {name} vouches for")
        else:
            target = client.locate(page, filename)
        tag = preferred(target.hashes)
        headers = [("ETag", f'"{tag}"'), ("Accept-Ranges", "bytes"), ("Cache-Control", "no-cache")]
        if has_tag(environ.get("HTTP_IF_NONE_MATCH"), tag):
            return _Answer(status=304, reason="Not Modified", headers=headers)
        with ExitStack() as stack:
            opened = stack.enter_context(client.open(target))
            self._hand_over(name, filename, opened.file, opened.length, opened.target)
            headers.append(("Content-Type", "application/octet-stream"))
            wanted = None if _changed(environ, tag) else byte_range(environ.get("HTTP_RANGE"), opened.length)
            if wanted == (0, 0):
                headers.append(("Content-Range", f"bytes */{opened.length}"))
                return _Answer(status=416, reason="Range Not Satisfiable", headers=headers)
            first, end = wanted or (0, opened.length)
            if wanted is not None:
                headers.append(("Content-Range", f"bytes {first}-{end - 1}/{opened.length}"))
            opened.file.seek(first)
            return _Answer(
                status=200 if wanted is None else 206,
                reason="OK" if wanted is None else "Partial Content",
                headers=headers,
                body=_Body(opened.file, end, stack.pop_all().close),
                length=end - first,
            )

    def _hand_over(self, project: str, filename: str, file: BinaryIO, length: int, target: Target) -> None:
        """Put a file on record."""
        with self._lock:
            known = (project, filename) in self._handed
        if known:
            return
        digest = target.hashes.get("sha256") or sha256(file)
        handed = Handed(project=project, filename=filename, length=length, sha256=digest, target=target)
        with self._lock:
            self._handed.setdefault((project, filename), handed)


class _Blocks:
    """What `wsgi.file_wrapper` does, for a server that brings none."""

    def __init__(self, body: _Body) -> None:
        self._body = body
        self.close = body.close

    def __iter__(self) -> Iterator[bytes]:
        """Yield the rest of the file."""
        return iter(lambda: self._body.read(1 << 18), b"")


def _moved(project: str) -> _Answer:
    """Send a client to the page with the slash that links are relative to, here and nowhere else."""
    name = project_name(project)
    return _Answer(status=301, reason="Moved Permanently", headers=[("Location", f"{name}/")])


def _changed(environ: Mapping[str, str], tag: str) -> bool:
    """Tell whether If-Range makes a range meaningless: it names other bytes, or a date, which says nothing here."""
    condition = environ.get("HTTP_IF_RANGE")
    return condition is not None and condition.strip() != f'"{tag}"'


def sha256(file: BinaryIO) -> str:
    """Return the sha256 of an open file, and leave it at its start."""
    digest = hashlib.sha256()
    for chunk in chunks(file):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
