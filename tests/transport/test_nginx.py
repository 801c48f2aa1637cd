"""HTTPTransport against nginx: ranges, validators, compression and paths as a common web server has them."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from secure_fetch.errors import AbsentError, TransportError
from tests.quick import clean_environment, get, http  # noqa: F401 - a fixture for every test here
from tests.servers import unused_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = bytes(range(256)) * 8000
TEXT = b'{"signed": "%d"}\n' * 20_000

SETTINGS = """
daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log; worker_rlimit_nofile 256;
events {{ worker_connections 64; }}
http {{
  log_format seen '$request_uri $status "$http_range" "$http_if_range" "$sent_http_content_encoding" $connection';
  access_log {root}/access.log seen;
  types {{ application/json json; application/octet-stream whl; }}
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  gzip on; gzip_types application/json; gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port};
    root {root}/www;
    location /slow/ {{ alias {root}/www/; limit_rate 3000k; send_timeout 1; }}
    location /moved/ {{ return 301 /; }}
    location /closed/ {{ auth_basic "x"; auth_basic_user_file {root}/users; alias {root}/www/; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("nginx is not installed")
        pytest.skip("nginx is not installed")
    root = tmp_path_factory.mktemp("nginx")
    (root / "www").mkdir()
    (root / "www" / "file.whl").write_bytes(DATA)
    (root / "www" / "page.json").write_bytes(TEXT)
    (root / "www" / "a%2eb~.json").write_bytes(b"odd")
    (root / "users").write_text("me:{PLAIN}pw\n")
    with unused_port() as port:
        pass
    (root / "nginx.conf").write_text(SETTINGS.format(root=root, port=port))
    command = [program, "-p", str(root), "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")]
    url = f"http://127.0.0.1:{port}/"
    with subprocess.Popen(command) as process:
        try:
            wait_for(url + "page.json", process)
            yield url, root / "access.log"
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "nginx ended"
        try:
            urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("nginx does not answer")


def test_files_and_compressed_pages(nginx: tuple[str, Path]) -> None:
    url, log = nginx
    with http() as transport:
        assert get(transport, url + "file.whl", max_length=len(DATA)) == DATA
        assert get(transport, url + "page.json", max_length=len(TEXT)) == TEXT
        assert get(transport, url + "a%252eb%7e.json") == b"odd"
        with pytest.raises(AbsentError):
            get(transport, url + "no")
    file, page, odd, missing = log.read_text().splitlines()[-4:]
    assert file.startswith('/file.whl 200 "-" "-" "-"')
    assert page.startswith('/page.json 200 "-" "-" "gzip"')
    assert odd.startswith("/a%252eb%7e.json 200")
    assert {line.split()[-1] for line in (file, page, odd)} == {missing.split()[-1]}  # one connection for all


def test_a_download_that_breaks_continues(nginx: tuple[str, Path]) -> None:
    url, log = nginx
    with http(read_timeout=0.5) as transport:
        # Whatever breaks a connection from outside of this process would need root; so the socket is broken here.
        chunks = iter(transport.stream(url + "slow/file.whl", max_length=len(DATA), deadline=30))
        data = next(chunks)
        break_connections(urlsplit(url).port)
        data += b"".join(chunks)
    assert data == DATA
    for _ in range(200):  # nginx writes its log a moment after the answer
        if '206 "bytes=' in log.read_text():
            return
        time.sleep(0.02)
    pytest.fail(log.read_text())


def break_connections(port: int | None) -> None:
    """Cut this process's connections to a port, as a network would."""
    for found in [each for each in gc.get_objects() if isinstance(each, socket.socket)]:
        with contextlib.suppress(OSError):
            if found.getpeername()[1] == port:
                found.shutdown(socket.SHUT_RDWR)


def test_authentication(nginx: tuple[str, Path]) -> None:
    url, _ = nginx
    with http() as transport:
        assert get(transport, url.replace("://", "://me:pw@") + "closed/page.json", max_length=len(TEXT)) == TEXT
    with http() as transport, pytest.raises(TransportError, match="missing or wrong"):
        get(transport, url + "closed/page.json")


def test_a_redirect(nginx: tuple[str, Path]) -> None:
    url, _ = nginx
    with http() as transport, pytest.raises(AbsentError):
        get(transport, url + "moved/x")
