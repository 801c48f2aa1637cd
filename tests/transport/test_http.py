"""HTTPTransport against a real server: bytes, limits, paths, redirects, many threads."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import AbsentError, LimitError, TransportError
from secure_fetch.transport import fetch
from tests.quick import clean_environment, get, http, texts, within  # noqa: F401 - a fixture for every test here
from tests.servers import Server, announced, chunked, endless, gzip_bomb, redirect, send, status, unused_port
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


DATA = bytes(range(256)) * 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "file.whl").write_bytes(DATA)
    (folder / "page.json").write_bytes(b'{"a": 1}' * 1000)
    (folder / "empty").write_bytes(b"")
    with Server(folder) as running:
        yield running


def test_a_file_arrives_whole_and_as_it_is(server: Server) -> None:
    server.compress = True
    with http() as transport:
        assert fetch(transport, server.url + "file.whl", max_length=len(DATA), deadline=20) == DATA
        assert fetch(transport, server.url + "empty", max_length=0, deadline=20) == b""
    assert server.log[0].headers["accept-encoding"] == "identity"
    assert server.log[0].headers["user-agent"].startswith("secure-fetch")
    assert "authorization" not in server.log[0].headers


def test_metadata_may_come_compressed_and_is_not_taken_from_old_caches(server: Server) -> None:
    server.compress = True
    with http(user_agent="mine/1") as transport:
        assert get(transport, server.url + "page.json") == b'{"a": 1}' * 1000
    assert server.log[0].headers["accept-encoding"] == "gzip"
    assert server.log[0].headers["cache-control"] == "max-age=0"
    assert server.log[0].headers["user-agent"] == "mine/1"


@pytest.mark.parametrize("code", [403, 404])
def test_what_the_server_says_is_absent_is_not_asked_for_again(server: Server, code: int) -> None:
    server.always("/x", status(code, body=b"no"))
    with http() as transport, pytest.raises(AbsentError) as caught:
        get(transport, server.url + "x")
    assert caught.value.status == code
    assert caught.value.url == server.url + "x"
    assert server.paths == ["/x"]


@pytest.mark.parametrize(
    ("code", "text"),
    [(204, "204 No Content"), (304, "304"), (400, "400 Bad Request"), (302, "302 Found"), (410, "410"), (499, "499")],
)
def test_other_answers_are_final(server: Server, code: int, text: str) -> None:
    server.always("/x", status(code))
    with http() as transport, pytest.raises(TransportError, match=text) as caught:
        get(transport, server.url + "x")
    assert not isinstance(caught.value, AbsentError)
    assert caught.value.status == code
    assert server.paths == ["/x"]


def test_a_connection_is_used_again_after_an_answer_without_a_file(server: Server) -> None:
    server.always("/no", status(404, body=b"n" * 5000))
    with http() as transport:
        for _ in range(3):
            with pytest.raises(AbsentError):
                get(transport, server.url + "no")
        assert get(transport, server.url + "file.whl") == DATA
    assert len(server.connections) == 1


def test_an_endless_error_page_is_not_read(server: Server) -> None:
    server.always("/no", endless(code=404))
    server.always("/long", status(404, {"Content-Length": "99999999"}))
    server.always("/short", announced(b"", 5000))
    with http() as transport, within(5):
        for path in ("no", "long"):
            with pytest.raises(AbsentError):
                get(transport, server.url + path)


def test_one_byte_too_many_is_refused_before_it_is_handed_out(server: Server) -> None:
    with http() as transport:
        assert get(transport, server.url + "file.whl", max_length=len(DATA)) == DATA
        with pytest.raises(LimitError) as caught:
            get(transport, server.url + "file.whl", max_length=len(DATA) - 1)
    assert caught.value.limit == len(DATA) - 1
    assert server.url + "file.whl" in caught.value.message


@pytest.mark.parametrize("max_length", [0, 1, 65_535, 65_536, 100_000])
def test_an_endless_body_ends_at_the_limit(server: Server, max_length: int) -> None:
    server.always("/x", endless())
    with http() as transport, within(5), pytest.raises(LimitError):
        get(transport, server.url + "x", max_length=max_length)


def test_an_announced_length_over_the_limit_is_refused_unread(server: Server) -> None:
    server.always("/x", announced(b"a", 10**15))
    with http() as transport, pytest.raises(LimitError):
        next(iter(transport.stream(server.url + "x", max_length=10, deadline=20)))


def test_a_gzip_bomb_ends_at_the_limit(server: Server) -> None:
    server.always("/x.json", gzip_bomb(300_000_000))
    with http() as transport, within(10), pytest.raises(LimitError):
        get(transport, server.url + "x.json", max_length=1_000_000)


def test_compressed_nothing_without_end_ends_at_the_limit(server: Server) -> None:
    server.always("/x.json", endless(gzip.compress(b"") * 1000, headers={"Content-Encoding": "gzip"}))
    with http() as transport, within(10), pytest.raises(LimitError):
        get(transport, server.url + "x.json", max_length=1000)


def test_gzip_of_several_members_with_padding(server: Server) -> None:
    body = gzip.compress(b"one") + gzip.compress(b"two" * 100_000) + bytes(7)
    server.always("/x.json", chunked(body[:5], body[5:30], body[30:], headers={"Content-Encoding": "x-gzip"}))
    server.always("/empty.json", status(200, {"Content-Encoding": "gzip"}))
    with http() as transport:
        assert get(transport, server.url + "x.json") == b"one" + b"two" * 100_000
        assert get(transport, server.url + "empty.json") == b""


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("gzip", b"not gzip", "broken"),
        ("gzip", gzip.compress(DATA)[:-4], "ends too early"),
        ("br", b"abc", "encoding"),
        ("gzip, gzip", b"abc", "encoding"),
    ],
)
def test_what_cannot_be_decoded_is_an_error(server: Server, encoding: str, body: bytes, text: str) -> None:
    server.always("/x.json", status(200, {"Content-Encoding": encoding}, body))
    with http() as transport, pytest.raises(TransportError, match=text):
        get(transport, server.url + "x.json")


def test_an_archive_labelled_as_encoded_stays_compressed(server: Server) -> None:
    packed = gzip.compress(b"tar")
    server.always("/a.tar.gz", status(200, {"Content-Encoding": "gzip"}, packed))
    server.always("/a.whl", status(200, {"Content-Encoding": "gzip"}, packed))
    with http() as transport:
        assert get(transport, server.url + "a.tar.gz") == packed
        assert get(transport, server.url + "a.whl") == b"tar"


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/%2E%2e/x",
        "a/%2e/b",
        "~a/%7Eb/%7eb",
        "%25/%2525",
        "%41%c3%a9",
        "a+b%2Bc=1;d@e:f$&'()*,!",
        "a%2Fb%2fc",
        "a//b/",
        "x?q=%7e&r=%2e%2e/a&s",
    ],
)
def test_paths_arrive_byte_for_byte(server: Server, path: str) -> None:
    server.always("/" + path, send(b"it"))
    with http() as transport:
        assert get(transport, server.url + path) == b"it"
    assert server.paths == ["/" + path]


def test_what_http_cannot_carry_is_quoted(server: Server) -> None:
    server.always("/a%20b%C3%A9%22%5C", send(b"it"))
    with http() as transport:
        assert get(transport, server.url + 'a bé"\\#fragment') == b"it"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server: Server, code: int) -> None:
    server.always("/a/b", redirect("../c?d=1", code, b"moved"))
    server.always("/c?d=1", redirect(server.url + "file.whl", code))
    with http() as transport:
        assert get(transport, server.url + "a/b") == DATA
    assert server.paths == ["/a/b", "/c?d=1", "/file.whl"]
    assert len(server.connections) == 1


def test_redirects_are_counted(server: Server) -> None:
    server.always("/a", redirect("/a"))
    with http(redirects=3) as transport, pytest.raises(TransportError, match="more than 3 times"):
        get(transport, server.url + "a")
    assert server.paths == ["/a"] * 4


def test_the_endless_body_of_a_redirect_is_not_read(server: Server) -> None:
    server.always("/a", endless(code=302, headers={"Location": "/file.whl"}))
    with http() as transport, within(5):
        assert get(transport, server.url + "a") == DATA


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("file:///etc/passwd", "neither http nor https"),
        ("ftp://127.0.0.1/", "neither http nor https"),
        ("data:,x", "neither http nor https"),
        ("http://[broken/", "not a URL"),
        ("http://host:port/", "not a URL"),
        ("https:///x", "not a URL"),
    ],
)
def test_redirects_lead_nowhere_else(server: Server, location: str, text: str) -> None:
    server.always("/a", redirect(location))
    with http() as transport, pytest.raises(TransportError, match=text):
        get(transport, server.url + "a")


def test_a_redirect_may_name_its_target_in_utf_8(server: Server) -> None:
    server.always("/a", redirect("/é".encode().decode("latin-1")))
    server.always("/%C3%A9", send(b"it"))
    with http() as transport:
        assert get(transport, server.url + "a") == b"it"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://index.example/x",
        "file:///x",
        "x",
        "",
        "https://",
        "http://[::1/x",
        "http://host:99999/",
        "http://host:abc/",
        "http://*.example/",
        "http://a..b/\x00",
        "http://\ud800/",
        "http://" + "a" * 300 + "/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with http(retries=0) as transport, pytest.raises(TransportError):
        get(transport, url)


def test_nobody_listens() -> None:
    with unused_port() as port, http() as transport, pytest.raises(TransportError, match="refused") as caught:
        get(transport, f"http://127.0.0.1:{port}/x")
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_name_that_nobody_has() -> None:
    with http(retries=0) as transport, pytest.raises(TransportError, match="could not be resolved") as caught:
        get(transport, "http://no-such-host.invalid/x")
    assert "no-such-host.invalid" in texts(caught.value)


def test_one_transport_serves_many_threads(server: Server) -> None:
    for number in range(48):
        server.always(f"/{number}", send(DATA[number:]))
    meet = threading.Barrier(16)

    def work(thread: int) -> bool:
        meet.wait(timeout=20)
        numbers = range(thread, 48, 16)
        return all(get(transport, f"{server.url}{number}") == DATA[number:] for number in numbers)

    with http() as transport, ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))
    assert sorted(server.paths) == sorted(f"/{number}" for number in range(48))


def test_a_reader_may_stop_in_the_middle(server: Server) -> None:
    with http() as transport:
        chunks = transport.stream(server.url + "file.whl", max_length=len(DATA), deadline=20)
        assert DATA.startswith(next(iter(chunks)))
        with contextlib.closing(chunks):  # type: ignore[type-var] # an iterator that is a generator
            pass
        assert get(transport, server.url + "file.whl") == DATA


def test_after_close_nothing_is_fetched(server: Server) -> None:
    with http() as transport:
        pass
    with pytest.raises(TransportError, match="closed"):
        get(transport, server.url + "file.whl")


ALONE = """
import sys
for name in ("truststore", "keyring", "cryptography", "rich", "tuf"):
    sys.modules[name] = None
sys.path.insert(0, sys.argv[1])
from secure_fetch.transport import HTTPTransport, fetch
transport = HTTPTransport()
sys.stdout.buffer.write(fetch(transport, sys.argv[2], max_length=10**6, deadline=20))
transport.close()
"""


def test_it_runs_without_the_optional_packages(server: Server) -> None:
    server.users = {"me": "secret"}
    arguments = [sys.executable, "-c", ALONE, str(ROOT)]
    environment = os.environ | {"NETRC": os.devnull}
    url = server.url.replace("://", "://me:secret@") + "file.whl"
    done = subprocess.run([*arguments, url], check=True, stdout=subprocess.PIPE, env=environment)
    assert done.stdout == DATA
    refused = subprocess.run(
        [*arguments, server.url + "file.whl"], check=False, stderr=subprocess.PIPE, env=environment, text=True
    )
    assert "keyring is not installed" in refused.stderr
