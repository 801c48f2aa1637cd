"""Real servers on loopback for tests: files from a folder, with faults to order.

`Server(folder)` answers GET and HEAD with ETag, Last-Modified, Range and If-Range. `server.plan(path, answer, …)`
queues answers for one path: each request takes the next, and when none is left the file is served again.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import gzip
import hashlib
import mimetypes
import re
import select
import socket
import threading
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from typing_extensions import Self

    Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived: `path` is the request target byte for byte, header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class Talker(BaseHTTPRequestHandler):
    """Answers one connection, and does not mind if it breaks."""

    protocol_version = "HTTP/1.1"
    server: Listener

    def setup(self) -> None:
        self.server.open_sockets.add(self.request)
        self.server.owner.connections.append(self.client_address)
        super().setup()

    def finish(self) -> None:
        self.server.open_sockets.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        # A client that goes away in the middle is what many tests are about.
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def hang_up(self) -> None:
        """Close the connection after this answer."""
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Keep quiet."""


class Handler(Talker):
    """Serves files, or what was planned for a path."""

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.note(self)
        if owner.users and not owner.allowed(self.headers.get("Authorization")):
            self.reply(401, headers={"WWW-Authenticate": 'Basic realm="test"'}, body=b"who are you?")
            return
        answer = owner.next_answer(self.path)
        (answer or file_answer)(self)

    do_HEAD = do_GET  # noqa: N815 - the name in the base class

    def reply(self, status: int, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Send a whole answer; the length is announced unless `headers` say something else."""
        given = {"Content-Length": str(len(body)), **(headers or {})}
        self.send_response(status)
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for each of them
    request_queue_size = 64

    def __init__(self, owner: Running, handler: type[BaseHTTPRequestHandler]) -> None:
        self.owner: Any = owner
        self.open_sockets: set[Any] = set()
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: TLS handshakes that fail are part of the tests."""


class Running:
    """A listener and its thread, started and ended with `with`."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], *, host: str = "127.0.0.1") -> None:
        self.log: list[Seen] = []
        self.connections: list[tuple[str, int]] = []
        self.users: dict[str, str] = {}
        self.stopping = threading.Event()
        self._listener = Listener(self, handler)
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.01})
        self.port: int = self._listener.server_address[1]
        self.url = f"http://{host}:{self.port}/"

    def note(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.log.append(Seen(handler.command, handler.path, headers))

    def allowed(self, header: str | None) -> bool:
        scheme, _, data = (header or "").partition(" ")
        if scheme != "Basic":
            return False
        user, _, password = base64.b64decode(data).decode("latin-1").partition(":")
        return self.users.get(user) == password

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.log]

    def serve_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on; the handshake happens in each connection's own thread."""
        plain = self._listener.socket
        self._listener.socket = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.url = f"https{self.url.removeprefix('http')}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all connections and threads, and let go of the port."""
        self.stopping.set()
        self._listener.shutdown()
        self._thread.join()
        for connection in list(self._listener.open_sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._listener.server_close()


class Server(Running):
    """Serves `folder` over HTTP, or over HTTPS with `tls`; asks for basic authentication where `users` are given.

    `compress`: gzip for those who accept it. `etags`, `ranges`: whether these are offered.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        compress: bool = False,
        etags: bool = True,
        ranges: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(Handler, host=host)
        self.folder = folder
        self.users = dict(users or {})
        self.compress = compress
        self.etags = etags
        self.ranges = ranges
        self._answers: dict[str, list[Answer]] = {}
        self._standing: dict[str, Answer] = {}
        if tls is not None:
            self.serve_tls(tls)

    def plan(self, path: str, *answers: Answer) -> None:
        """Answer the next requests for `path` (with its query) with these."""
        self._answers.setdefault(path, []).extend(answers)

    def always(self, path: str, answer: Answer) -> None:
        """Answer all requests for `path` with this, once its planned answers are used up."""
        self._standing[path] = answer

    def next_answer(self, path: str) -> Answer | None:
        queue = self._answers.get(path)
        return queue.pop(0) if queue else self._standing.get(path)


def file_answer(handler: Handler) -> None:
    """Serve a file as a web server would."""
    owner: Server = handler.server.owner
    root = owner.folder
    relative = unquote(urlsplit(handler.path).path).lstrip("/")
    path = root / relative if root else None
    if path is None or root is None or not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        handler.reply(404, body=b"no such file")
        return
    send(path.read_bytes(), modified=path.stat().st_mtime, name=path.name)(handler)


def send(data: bytes, *, modified: float | None = None, name: str = "") -> Answer:
    """Serve `data` with validators, ranges and compression, as the server is set to."""

    def answer(handler: Handler) -> None:
        owner: Server = handler.server.owner
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        date = email.utils.formatdate(modified or 0, usegmt=True)
        headers = {"Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream", "Last-Modified": date}
        if owner.etags:
            headers["ETag"] = etag
        if owner.ranges:
            headers["Accept-Ranges"] = "bytes"
        if owner.compress and "gzip" in handler.headers.get("Accept-Encoding", ""):
            handler.reply(200, headers={**headers, "Content-Encoding": "gzip"}, body=gzip.compress(data))
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", "")) if owner.ranges else None
        if found is None or handler.headers.get("If-Range", etag) not in (etag, date):
            handler.reply(200, headers=headers, body=data)
            return
        start = int(found.group(1))
        end = min(int(found.group(2) or len(data) - 1), len(data) - 1)
        if start > end:
            handler.reply(416, headers={"Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        handler.reply(206, headers=headers, body=data[start : end + 1])

    return answer


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """Answer with this status."""
    return lambda handler: handler.reply(code, headers=headers, body=body)


def redirect(location: str, code: int = 302, body: bytes = b"") -> Answer:
    """Send the client elsewhere."""
    return status(code, {"Location": location}, body)


def cut(data: bytes, after: int, headers: Mapping[str, str] | None = None) -> Answer:
    """Announce all of `data`, send `after` bytes of it, hang up."""

    def answer(handler: Handler) -> None:
        whole = {"Content-Length": str(len(data)), **(headers or {})}
        handler.reply(200, headers=whole, body=data[:after])
        handler.hang_up()

    return answer


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.hang_up()


def silent(handler: Handler) -> None:
    """Say nothing until the server stops or the client goes away."""
    _wait(handler, None)
    handler.hang_up()


def drip(data: bytes, interval: float, *, head: bytes | None = None) -> Answer:
    """Send `data` a byte at a time; `head` replaces status line and headers, which come at once."""

    def answer(handler: Handler) -> None:
        usual = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode("ascii")
        handler.wfile.write(usual if head is None else head)
        for byte in data:
            handler.wfile.write(bytes([byte]))
            if _wait(handler, interval):
                break
        handler.hang_up()

    return answer


def endless(chunk: bytes = b"\0" * 65536, *, code: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Send bytes, chunked, until the client goes away."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in {"Transfer-Encoding": "chunked", **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.hang_up()
        while not handler.server.owner.stopping.is_set():
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    return answer


def gzip_bomb(size: int) -> Answer:
    """Send `size` zero bytes, compressed about a thousand times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    block = bytes(1 << 20)
    data = b"".join(packer.compress(block[: min(len(block), size - done)]) for done in range(0, size, len(block)))
    return status(200, {"Content-Encoding": "gzip"}, data + packer.flush())


def announced(data: bytes, length: int | str) -> Answer:
    """Send `data` under another Content-Length, and hang up."""

    def answer(handler: Handler) -> None:
        handler.reply(200, headers={"Content-Length": str(length)}, body=data)
        handler.hang_up()

    return answer


def chunked(*chunks: bytes, end: bool = True, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a chunked body; without `end` the connection breaks before its last line."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        for name, value in {"Transfer-Encoding": "chunked", **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if end:
            handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.hang_up()

    return answer


def _wait(handler: Handler, seconds: float | None) -> bool:
    """Wait, and say whether the connection is over."""
    if seconds is not None:
        return bool(handler.server.owner.stopping.wait(seconds))
    while not handler.server.owner.stopping.wait(0.02):
        readable, _, _ = select.select([handler.connection], [], [], 0)
        if readable:
            return True
    return True


@contextlib.contextmanager
def unused_port() -> Iterator[int]:
    """Yield a port of loopback that refuses connections: it is bound, and nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]
