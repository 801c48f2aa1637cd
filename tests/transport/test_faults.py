"""HTTPTransport when the way is bad: slow servers, broken connections, retries, resumption."""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import hashlib
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import AbsentError, LimitError, TransportError
from tests.quick import clean_environment, get, http, texts, within  # noqa: F401 - a fixture for every test here
from tests.servers import Server, announced, chunked, cut, drip, endless, hang_up, redirect, send, silent, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.servers import Handler

DATA = bytes(range(256)) * 1000
ETAG = f'"{hashlib.sha256(DATA).hexdigest()[:16]}"'
HALF = len(DATA) // 2


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.always("/x", send(DATA))
        yield running


def test_a_body_that_drips_is_cut_by_the_rate(server: Server) -> None:
    server.always("/x", drip(b"x" * 1000, 0.01))
    slow = pytest.raises(TransportError, match="bytes per second, less than 1000")
    with http(minimum_rate=1000, rate_grace=0.2) as transport, within(3), slow as caught:
        get(transport, server.url + "x")
    assert server.paths == ["/x"]
    assert caught.value.suspicion == "network"


def test_the_rate_counts_the_time_of_the_network_and_not_of_the_reader(server: Server) -> None:
    with http(minimum_rate=10**6, rate_grace=0.2) as transport:
        chunks = transport.stream(server.url + "x", max_length=len(DATA), deadline=20)
        data = next(iter(chunks))
        time.sleep(0.3)
        assert data + b"".join(chunks) == DATA


@pytest.mark.parametrize("interval", [0.01, 0.05])
def test_a_body_that_drips_is_cut_by_the_deadline(server: Server, interval: float) -> None:
    server.always("/x", drip(b"x" * 1000, interval))
    with http() as transport, within(3), pytest.raises(TransportError, match=r"not complete after 0.3 seconds"):
        get(transport, server.url + "x", deadline=0.3)


HEADS = {
    "status line": b"",
    "header": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "headers": b"HTTP/1.1 200 OK\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n",
    "chunk line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
}
DRIPS = {"headers": b"A: b\r\n" * 500, "gzip": gzip.compress(b"") * 500, "continue": b"A: b\r\n" * 500}


@pytest.mark.parametrize("place", HEADS)
def test_nothing_drips_past_the_deadline(server: Server, place: str) -> None:
    server.always("/x", drip(DRIPS.get(place, b"1" * 3000), 0.01, head=HEADS[place]))
    with http() as transport, within(3), pytest.raises(TransportError, match="not complete after"):
        get(transport, server.url + "x", deadline=0.3)


@pytest.mark.parametrize("place", ["header", "chunk line"])
def test_nothing_drips_past_the_read_timeout_when_the_deadline_is_far(server: Server, place: str) -> None:
    server.always("/x", drip(b"1" * 3000, 0.01, head=HEADS[place]))
    late = pytest.raises(TransportError, match="did not answer in time")
    with http(connect_timeout=0.1, read_timeout=0.2, retries=0) as transport, within(3), late:
        get(transport, server.url + "x", deadline=1000)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses connections")
def test_a_server_that_cannot_be_reached() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # its queue is full after one or two
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        transport = stack.enter_context(http(connect_timeout=0.2, retries=1))
        stack.enter_context(within(5))
        with pytest.raises(TransportError, match="could not be reached in time"):
            get(transport, f"http://127.0.0.1:{listener.getsockname()[1]}/x")


def test_a_silent_server_is_left_at_the_deadline(server: Server) -> None:
    server.always("/x", silent)
    with http() as transport, within(3), pytest.raises(TransportError, match="not complete after"):
        get(transport, server.url + "x", deadline=0.2)


def test_a_silent_server_is_tried_again(server: Server) -> None:
    server.plan("/x", silent)
    with http(read_timeout=0.2) as transport, within(5):
        assert get(transport, server.url + "x") == DATA
    assert server.paths == ["/x", "/x"]


def test_the_deadline_covers_the_readers_time_too(server: Server) -> None:
    with http() as transport:
        chunks = transport.stream(server.url + "x", max_length=len(DATA), deadline=0.2)
        next(iter(chunks))
        time.sleep(0.25)
        with pytest.raises(TransportError, match="not complete after"):
            next(iter(chunks))


def test_the_end_of_an_unwanted_body_is_not_waited_for(server: Server) -> None:
    server.always("/x", announced(b"", 5000))
    server.plan("/x", drip(b"x" * 500, 0.05, head=b"HTTP/1.1 404 Not Found\r\nContent-Length: 500\r\n\r\n"))
    with http() as transport, within(4), pytest.raises(AbsentError):
        get(transport, server.url + "x")


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server: Server, code: int) -> None:
    server.plan("/x", status(code, body=b"busy"), hang_up)
    with http(retries=2) as transport:
        assert get(transport, server.url + "x") == DATA
    assert server.paths == ["/x"] * 3


def test_retries_come_to_an_end(server: Server) -> None:
    server.always("/x", status(503))
    with http(retries=2) as transport, pytest.raises(TransportError, match="503 Service Unavailable") as caught:
        get(transport, server.url + "x")
    assert caught.value.status == 503
    assert server.paths == ["/x"] * 3


def test_retries_come_to_an_end_in_the_middle_of_a_body_too(server: Server) -> None:
    server.always("/x", cut(DATA, 10))
    with http(retries=2) as transport, pytest.raises(TransportError, match="broke") as caught:
        get(transport, server.url + "x")
    assert server.paths == ["/x"] * 3
    assert caught.value.__context__ is None


def test_a_limit_is_not_a_fault_to_retry(server: Server) -> None:
    server.always("/x", endless())
    with http() as transport, pytest.raises(LimitError):
        get(transport, server.url + "x", max_length=5)
    assert server.paths == ["/x"]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(server: Server, form: str) -> None:
    after = "1" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
    server.plan("/x", status(429, {"Retry-After": after}))
    began = time.monotonic()
    with http() as transport:
        assert get(transport, server.url + "x") == DATA
    assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize("after", ["0", "soon", "-5", "99999999999999", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 5000])
def test_a_strange_or_past_retry_after_is_not_waited_for(server: Server, after: str) -> None:
    server.plan("/x", status(503, {"Retry-After": after}))
    with http() as transport, within(3):
        assert get(transport, server.url + "x") == DATA


@pytest.mark.parametrize(("after", "deadline"), [("60", 5.0), ("3600", 100_000.0)])
def test_a_long_retry_after_is_an_answer(server: Server, after: str, deadline: float) -> None:
    server.always("/x", status(429, {"Retry-After": after}))
    with http() as transport, within(3), pytest.raises(TransportError, match=f"come back in {after} seconds") as caught:
        get(transport, server.url + "x", deadline=deadline)
    assert caught.value.status == 429
    assert server.paths == ["/x"]


def test_closing_ends_the_waiting(server: Server) -> None:
    server.always("/x", status(429, {"Retry-After": "30"}))
    with http() as transport:
        timer = threading.Timer(0.1, transport.close)
        timer.start()
        with within(5), pytest.raises(TransportError, match="closed"):
            get(transport, server.url + "x", deadline=100)
        timer.join()


def test_the_wait_before_a_retry_ends_at_the_deadline(server: Server) -> None:
    server.always("/x", hang_up)
    with http(retries=50) as transport, within(3), pytest.raises(TransportError, match="not complete after"):
        get(transport, server.url + "x", deadline=0.2)


def test_a_broken_download_continues_where_it_broke(server: Server) -> None:
    server.plan("/x", cut(DATA, HALF, {"ETag": ETAG}))
    with http() as transport:
        assert get(transport, server.url + "x") == DATA
    first, second = server.log
    assert "range" not in first.headers
    assert second.headers["if-range"] == ETAG
    start = int(second.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= HALF


def test_it_continues_by_date_where_there_is_no_etag(server: Server) -> None:
    server.etags = False
    date = email.utils.formatdate(0, usegmt=True)
    server.plan("/x", cut(DATA, HALF, {"Last-Modified": date}))
    with http() as transport:
        assert get(transport, server.url + "x") == DATA
    assert server.log[1].headers["if-range"] == date


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"', "Last-Modified": email.utils.formatdate(0, usegmt=True)}])
def test_without_a_strong_validator_it_starts_again(server: Server, headers: Mapping[str, str]) -> None:
    server.plan("/x", cut(DATA, HALF, headers))
    with http() as transport:
        assert get(transport, server.url + "x") == DATA
    assert "range" not in server.log[1].headers


@pytest.mark.parametrize("reason", ["no ranges", "other validator"])
def test_a_whole_answer_to_a_range_is_skipped_to_where_it_broke(server: Server, reason: str) -> None:
    server.ranges = reason != "no ranges"
    server.plan("/x", cut(DATA, HALF, {"ETag": ETAG if reason == "no ranges" else '"other"'}))
    with http() as transport:
        assert get(transport, server.url + "x", max_length=len(DATA)) == DATA
    assert "range" in server.log[1].headers


def test_it_breaks_twice(server: Server) -> None:
    def second(handler: Handler) -> None:
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        rest = {"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}", "ETag": ETAG}
        handler.reply(206, headers={**rest, "Content-Length": str(len(DATA) - start)}, body=DATA[start : start + 5])
        handler.hang_up()

    server.plan("/x", cut(DATA, HALF, {"ETag": ETAG}), second)
    with http(retries=2) as transport:
        assert get(transport, server.url + "x") == DATA
    starts = [int(seen.headers["range"][6:-1]) for seen in server.log[1:]]
    assert starts[1] == starts[0] + 5


@pytest.mark.parametrize(
    "headers", [{"Content-Range": "bytes 5-9/10"}, {"Content-Range": "lines 1-2/3"}, {"Content-Range": "x"}, {}]
)
def test_another_part_than_asked_for_is_not_taken(server: Server, headers: Mapping[str, str]) -> None:
    server.plan("/x", cut(DATA, HALF, {"ETag": ETAG}), status(206, headers, b"wrong"))
    with http() as transport:
        assert get(transport, server.url + "x") == DATA
    assert ["range" in seen.headers for seen in server.log] == [False, True, False]


def test_a_part_that_nobody_asked_for_is_an_error(server: Server) -> None:
    server.always("/x", status(206, {"Content-Range": "bytes 5-9/10"}, b"wrong"))
    with http() as transport, pytest.raises(TransportError, match="another part"):
        get(transport, server.url + "x")


def test_an_unsatisfiable_range_starts_again(server: Server) -> None:
    server.plan("/x", chunked(DATA, end=False, headers={"ETag": ETAG}))
    with http() as transport:
        assert get(transport, server.url + "x") == DATA
    assert [seen.headers.get("range") for seen in server.log] == [None, f"bytes={len(DATA)}-", None]


def test_a_file_that_became_shorter_is_an_error(server: Server) -> None:
    server.plan("/x", cut(DATA, HALF), send(b"short"))
    with http() as transport, pytest.raises(TransportError, match="became shorter"):
        get(transport, server.url + "x")


def test_a_part_of_a_long_file_counts_from_its_start(server: Server) -> None:
    server.plan("/x", cut(DATA[:HALF], HALF - 1, {"ETag": ETAG}))
    with http() as transport, pytest.raises(LimitError):
        get(transport, server.url + "x", max_length=len(DATA) - 1)
    with http() as transport:
        assert get(transport, server.url + "x", max_length=len(DATA)) == DATA


def test_compressed_pages_start_again(server: Server) -> None:
    server.compress = True
    text = b"".join(b"%d " % number for number in range(50_000))
    packed = gzip.compress(text)
    server.always("/x.json", send(text))
    server.plan("/x.json", cut(packed, len(packed) // 2, {"Content-Encoding": "gzip", "ETag": '"a"'}))
    with http() as transport:
        assert get(transport, server.url + "x.json") == text
    assert "range" not in server.log[1].headers


def test_a_redirected_download_asks_the_first_url_again(server: Server) -> None:
    server.always("/signed?key=1", redirect("/x"))
    server.plan("/x", cut(DATA, HALF, {"ETag": ETAG}))
    with http() as transport:
        assert get(transport, server.url + "signed?key=1") == DATA
    assert server.paths == ["/signed?key=1", "/x"] * 2
    assert "range" in server.log[3].headers


@pytest.mark.parametrize(
    "answer",
    [
        announced(b"abc", "abc"),
        announced(b"abc", -1),
        drip(b"", 0, head=b"HTTP/1.1 200 OK\r\n\r\nabc"),
        drip(b"", 0, head=b"HTTP/1.0 200 OK\r\n\r\nabc"),
    ],
)
def test_a_body_without_a_length_ends_with_the_connection(server: Server, answer: Callable[[Handler], None]) -> None:
    server.always("/x", answer)
    with http() as transport:
        assert get(transport, server.url + "x", max_length=3) == b"abc"


def test_a_longer_body_than_announced_ends_as_announced(server: Server) -> None:
    server.always("/x", announced(b"abcdef", 3))
    with http() as transport:
        assert get(transport, server.url + "x") == b"abc"


@pytest.mark.parametrize(
    "head",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\n",
    ],
)
def test_what_is_not_http_is_an_error_without_the_servers_words(server: Server, head: bytes) -> None:
    server.always("/x", drip(b"", 0, head=head))
    with http(retries=0) as transport, pytest.raises(TransportError) as caught:
        get(transport, server.url + "x")
    assert "SSH" not in texts(caught.value)


def test_a_hostile_reason_phrase_is_not_printed(server: Server) -> None:
    server.always("/x", drip(b"", 0, head=b"HTTP/1.1 404 \x1b[2J\xe2\x80\xaeevil\r\nContent-Length: 0\r\n\r\n"))
    with http() as transport, pytest.raises(AbsentError) as caught:
        get(transport, server.url + "x")
    assert "404 Not Found" in str(caught.value)
    assert "evil" not in texts(caught.value)
