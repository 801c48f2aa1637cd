"""HTTPTransport over TLS: private authorities, client certificates, the system's trust store, proxies."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import ConfigurationError, TransportError
from secure_fetch.transport import HTTPTransport
from tests.authority import Authority
from tests.forward_proxy import Proxy
from tests.quick import clean_environment, get, http, texts, within  # noqa: F401 - a fixture for every test here
from tests.servers import Server, redirect, send, unused_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    with Server(tls=authority.context()) as running:
        running.always("/x", send(b"secret"))
        running.always("/a%2fb", send(b"quoted"))
        yield running


@pytest.fixture
def plain() -> Iterator[Server]:
    with Server() as running:
        running.always("/x?q=%7e", send(b"plain"))
        yield running


@pytest.mark.parametrize("truststore", [True, False])
def test_an_unknown_authority_is_refused_at_once(server: Server, truststore: bool) -> None:
    with http(truststore=truststore) as transport, pytest.raises(TransportError, match="not trusted here") as caught:
        get(transport, server.url + "x")
    assert "--cert" in caught.value.hint
    assert "trust store" in caught.value.hint
    assert caught.value.__context__ is None
    assert len(server.connections) == 1
    assert server.log == []


def test_a_private_authority_in_a_file(server: Server, authority: Authority) -> None:
    with http(ca=authority.file) as transport:
        assert get(transport, server.url + "x") == b"secret"
        assert get(transport, server.url + "a%2fb") == b"quoted"
    assert len(server.connections) == 1


def test_a_private_authority_in_a_folder(server: Server, authority: Authority, tmp_path: Path) -> None:
    try:
        command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.file)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("the command openssl, which names files for such a folder, is not installed")
    (tmp_path / f"{done.stdout.strip()}.0").write_bytes(authority.file.read_bytes())
    with http(ca=str(tmp_path)) as transport:
        assert get(transport, server.url + "x") == b"secret"


@pytest.mark.parametrize("truststore", [True, False])
def test_the_authorities_of_the_environment(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch, truststore: bool
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with http(truststore=truststore) as transport:
        assert get(transport, server.url + "x") == b"secret"


def test_the_given_authority_wins_over_the_environment(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path).file))
    with http(ca=authority.file) as transport:
        assert get(transport, server.url + "x") == b"secret"
    with http() as transport, pytest.raises(TransportError, match="not trusted"):
        get(transport, server.url + "x")


def test_authorities_of_the_environment_that_are_not_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-file.pem")
    with http() as transport, pytest.raises(TransportError, match=r"no-such-file\.pem") as caught:
        get(transport, server.url + "x")
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


def test_authorities_of_the_environment_that_are_none(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "x.pem"))
    with http(truststore=False) as transport, pytest.raises(TransportError, match="no TLS connection") as caught:
        get(transport, server.url + "x")
    assert caught.value.hint


@contextmanager
def system_trusts(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let OpenSSL's default file, which is the system's trust store on Linux, be this authority."""
    if os.name == "nt" or os.uname().sysname == "Darwin":
        pytest.skip("only OpenSSL's trust store can be replaced for a test")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    yield


def test_the_systems_trust_store_counts(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with system_trusts(authority, monkeypatch):
        with http() as transport:
            assert get(transport, server.url + "x") == b"secret"
        with http(truststore=False) as transport, pytest.raises(TransportError, match="not trusted"):
            get(transport, server.url + "x")
        with http(ca=Authority(tmp_path).file) as transport, pytest.raises(TransportError, match="not trusted"):
            get(transport, server.url + "x")


def test_a_certificate_for_another_name(authority: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("index.example"))
    wrong = pytest.raises(TransportError, match=r"not trusted here .*127")
    with Server(tls=context) as server, http(ca=authority.file) as transport, wrong:
        get(transport, server.url + "x")


def test_a_server_that_speaks_no_tls(plain: Server, authority: Authority) -> None:
    with http(ca=authority.file) as transport, pytest.raises(TransportError, match="no TLS connection") as caught:
        get(transport, plain.url.replace("http:", "https:") + "x")
    assert caught.value.hint


def test_a_handshake_that_never_ends(authority: Authority) -> None:
    with socket.socket() as listener, http(ca=authority.file, connect_timeout=0.2, retries=0) as transport, within(3):
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(TransportError, match="in time"):
            get(transport, f"https://127.0.0.1:{listener.getsockname()[1]}/x")


def test_from_https_never_to_http(server: Server, plain: Server, authority: Authority) -> None:
    server.always("/away", redirect(plain.url + "x?q=%7e"))
    with http(ca=authority.file) as transport, pytest.raises(TransportError, match="not encrypted") as caught:
        get(transport, server.url + "away")
    assert "%7e" not in caught.value.message
    assert plain.log == []


def test_from_http_to_https(server: Server, plain: Server, authority: Authority) -> None:
    plain.always("/up", redirect(server.url + "x"))
    with http(ca=authority.file) as transport:
        assert get(transport, plain.url.replace("://", "://me:pw@") + "up") == b"secret"
    assert "authorization" in plain.log[0].headers
    assert "authorization" not in server.log[0].headers


@pytest.mark.parametrize("form", ["two files", "one file"])
def test_a_client_certificate(authority: Authority, tmp_path: Path, form: str) -> None:
    cert, key = authority.issue("client", client=True)
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    with Server(tls=authority.context(clients=True)) as server:
        server.always("/x", send(b"secret"))
        given = (str(cert), str(key)) if form == "two files" else str(both)
        with http(ca=authority.file, client_cert=given) as transport:
            assert get(transport, server.url + "x") == b"secret"


def test_a_missing_client_certificate(authority: Authority) -> None:
    with Server(tls=authority.context(clients=True)) as server:
        with http(ca=authority.file, retries=0) as transport, pytest.raises(TransportError):
            get(transport, server.url + "x")
        assert server.log == []


def test_certificates_that_cannot_be_read(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("locked", client=True, passphrase=b"s3cr3t")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    for options in (
        {"ca": tmp_path / "missing.pem"},
        {"ca": nothing},
        {"client_cert": str(tmp_path / "missing.pem")},
        {"client_cert": str(nothing)},
        {"client_cert": (str(cert), str(key))},
    ):
        with pytest.raises(ConfigurationError, match="cannot be read") as caught:
            HTTPTransport(**options)
        assert caught.value.hint


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(hosts={"index.example": "127.0.0.1"}) as running:
        yield running


def test_a_proxy_for_http(plain: Server, proxy: Proxy) -> None:
    with http(proxies={"http": proxy.url}) as transport:
        assert get(transport, f"http://me:pw@index.example:{plain.port}/x?q=%7e") == b"plain"
    assert proxy.paths == [f"http://index.example:{plain.port}/x?q=%7e"]
    assert plain.paths == ["/x?q=%7e"]
    assert "authorization" in plain.log[0].headers


@pytest.mark.parametrize("truststore", [True, False])
def test_a_proxy_for_https_sees_only_the_host(
    server: Server, proxy: Proxy, authority: Authority, truststore: bool
) -> None:
    with http(proxies={"https": proxy.url}, ca=authority.file, truststore=truststore) as transport:
        assert get(transport, server.url + "a%2fb") == b"quoted"
    assert proxy.paths == [f"127.0.0.1:{server.port}"]
    assert "authorization" not in proxy.log[0].headers


def test_a_proxy_and_the_systems_trust_store(
    server: Server, proxy: Proxy, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with system_trusts(authority, monkeypatch), http(proxies={"https": proxy.url}) as transport:
        assert get(transport, server.url + "x") == b"secret"
    assert len(proxy.log) == 1


def test_a_proxy_that_speaks_tls_itself(
    server: Server, proxy: Proxy, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.serve_tls(authority.context())
    with system_trusts(authority, monkeypatch), http(proxies={"https": proxy.url}) as transport:
        assert get(transport, server.url + "x") == b"secret"
    assert len(proxy.log) == 1


def test_the_proxy_of_the_environment(plain: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    with http() as transport:
        get(transport, f"http://index.example:{plain.port}/x?q=%7e")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        get(transport, plain.url + "x?q=%7e")
    assert len(proxy.log) == 1


def test_a_proxy_with_a_password(plain: Server, server: Server, proxy: Proxy, authority: Authority) -> None:
    proxy.users = {"me": "pw:s3cr3t"}
    url = proxy.url.replace("://", "://me:pw%3As3cr3t@")
    with http(proxies={"http": url, "https": url}, ca=authority.file) as transport:
        assert get(transport, plain.url + "x?q=%7e") == b"plain"
        assert get(transport, server.url + "x") == b"secret"
    assert "proxy-authorization" not in plain.log[0].headers
    assert "proxy-authorization" not in server.log[0].headers


@pytest.mark.parametrize("userinfo", ["", "me:s3cr3t@"])
def test_a_proxy_that_refuses(plain: Server, server: Server, proxy: Proxy, authority: Authority, userinfo: str) -> None:
    proxy.users = {"me": "other"}
    url = proxy.url.replace("://", f"://{userinfo}")
    with http(proxies={"http": url, "https": url}, ca=authority.file) as transport:
        for target in (plain.url, server.url):
            with pytest.raises(TransportError, match="407") as caught:
                get(transport, target + "x")
            assert "proxy" in caught.value.hint
            assert "s3cr3t" not in texts(caught.value)
    assert len(proxy.log) == 2


def test_a_proxy_that_is_not_there(plain: Server, server: Server, authority: Authority) -> None:
    with unused_port() as port:
        url = f"http://me:s3cr3t@127.0.0.1:{port}"
        with http(proxies={"http": url, "https": url}, ca=authority.file, retries=0) as transport:
            for target in (plain.url, server.url):
                with pytest.raises(TransportError, match="the proxy could not be used") as caught:
                    get(transport, target + "x")
                assert "s3cr3t" not in texts(caught.value)


@pytest.mark.parametrize("url", ["http://me:s3cr3t@[x", "http://me:s3cr3t@:x:y/", "socks5://me:s3cr3t@127.0.0.1:1"])
def test_a_proxy_that_is_no_url(plain: Server, url: str) -> None:
    with http(proxies={"http": url}, retries=0) as transport, pytest.raises(TransportError) as caught:
        get(transport, plain.url + "x")
    assert "s3cr3t" not in texts(caught.value)
