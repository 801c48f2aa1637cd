"""A port of loopback for one installer: who is let in, what happens to everything else, and that nothing stays."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from secure_fetch.errors import StoreError, UsageError, VerificationError
from secure_fetch.handoff.local_index import LocalIndex
from secure_fetch.handoff.server import Guard, Served, serve

from .distributions import wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secure_fetch.client import Client

    from .signed_index import SignedIndex


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


Strays = list[tuple[str, VerificationError]]


@pytest.fixture
def strays() -> Strays:
    return []


@pytest.fixture
def served(strays: Strays) -> Iterator[Served]:
    with serve(application, on_stray=lambda url, error: strays.append((url, error))) as served:
        yield served


def ask(served: Served, target: str, *, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    """Send one request, its target byte for byte, and return status and reason."""
    parts = urlsplit(served.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", host if host is not None else parts.netloc)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.reason


def token(served: Served) -> str:
    return urlsplit(served.url).path.strip("/")


def test_who_knows_the_token_is_let_in(served: Served, strays: Strays) -> None:
    assert len(token(served)) > 20
    assert ask(served, f"/{token(served)}/simple/") == (200, "OK")
    assert strays == []


@pytest.mark.parametrize(
    "target", ["/", "/simple/", "/x/simple/", "/{0}", "/{0}x/", "/%C3%A4/", "//{0}//", "/{1}/simple/"]
)
def test_who_does_not_is_told_nothing(served: Served, target: str) -> None:
    target = target.format(token(served), token(served)[:-1])
    expected = 200 if target == f"//{token(served)}//" else 404  # the server folds leading slashes
    assert ask(served, target)[0] == expected


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", "", "[::1]:{port}"]
)
def test_another_name_for_this_server_is_refused(served: Served, host: str) -> None:
    host = host.format(port=urlsplit(served.url).port)
    assert ask(served, f"/{token(served)}/simple/", host=host)[0] == 421


def test_localhost_is_a_name_of_this_server(served: Served) -> None:
    assert ask(served, f"/{token(served)}/", host=f"LocalHost:{urlsplit(served.url).port}")[0] == 200


def test_a_proxy_request_for_this_server_is_answered(served: Served, strays: Strays) -> None:
    assert ask(served, f"{served.url}simple/") == (200, "OK")
    assert strays == []


@pytest.mark.parametrize(
    ("method", "target", "reported"),
    [
        ("CONNECT", "evil.example:443", "https://evil.example:443/"),
        ("GET", "http://evil.example/x.whl", "http://evil.example/x.whl"),
        ("GET", "http://me:secret@evil.example/x.whl?key=secret", "http://evil.example/x.whl?…"),
        ("GET", "http://127.0.0.1:1/x.whl", "http://127.0.0.1:1/x.whl"),
        ("GET", "ftp://127.0.0.1/x", "ftp://127.0.0.1/x"),
    ],
)
def test_whatever_else_is_wanted_is_refused_and_reported(
    served: Served, strays: Strays, method: str, target: str, reported: str
) -> None:
    status, reason = ask(served, target, method=method)
    assert status == 403
    assert "nothing vouches for" in reason
    assert "secret" not in reason
    ((url, error),) = strays
    assert url == reported
    assert isinstance(error, VerificationError)


@pytest.mark.parametrize("framing", ["Content-Length: 500000000", "Transfer-Encoding: chunked"])
def test_nobody_fills_the_disk_with_what_is_sent_here(served: Served, framing: str) -> None:
    """Whoever knows no token may connect as well."""
    parts = urlsplit(served.url)
    with socket.create_connection(("127.0.0.1", parts.port or 0), timeout=10) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\n{framing}\r\n\r\n".encode())
        if "chunked" in framing:
            connection.sendall(b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n" + b"ffff\r\n" + b"x" * 0xFFFF)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_it_works_without_anybody_to_report_to() -> None:
    with serve(application, token="") as served:
        assert served.url == f"{served.proxy}/"
        assert ask(served, "/simple/") == (200, "OK")
        assert ask(served, "http://evil.example/")[0] == 403


def test_nothing_is_let_in_before_the_port_is_known() -> None:
    answers: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1:80"}
    list(Guard(application)(environ, lambda status, headers, _=None: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0].startswith("421 ")


def test_everything_ends_with_the_block(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with caplog.at_level(logging.DEBUG), serve(application) as served:
        parts = urlsplit(served.url)
        idle = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5)
        assert ask(served, parts.path)[0] == 200
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        ask(served, "/")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_port_in_use_is_an_error_of_its_own() -> None:
    with serve(application) as served:
        port = urlsplit(served.url).port or 0
        with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{port}") as caught, serve(application, port=port):
            pass
    assert "--port" in caught.value.hint


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match="is not a port"), serve(application, port=port):
        pass


def test_the_verifying_index_is_served(index: SignedIndex, client: Client) -> None:
    data = index.add(wheel("app", modules={"big.txt": "x" * 3_000_000})).data
    index.publish()
    local = LocalIndex(lambda _: client)
    with serve(local, on_stray=local.refuse) as served:
        parts = urlsplit(served.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        path = f"{parts.path}files/app/app-1.0-py3-none-any.whl"
        for headers, status, expected in (
            ({}, 200, data),
            ({"Range": "bytes=10-2000000"}, 206, data[10:2_000_001]),
            ({"Range": "bytes=99999999-"}, 416, None),
        ):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == status
            assert expected in (None, body)
        connection.request("HEAD", path)
        head = connection.getresponse()
        assert (head.status, head.read(), head.headers["Content-Length"]) == (200, b"", str(len(data)))
        connection.request("GET", f"{parts.path}simple/nothing/")
        missing = connection.getresponse()
        assert missing.status == 404
        assert "nothing is not in the repository corp" in missing.read().decode("latin-1")
        assert "Server" not in missing.headers
        connection.close()
        ask(served, "http://evil.example/")
    assert [refusal.what for refusal in local.refusals] == ["nothing", "http://evil.example/"]
