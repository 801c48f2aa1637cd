"""Credentials for a private index: found where pip finds them, sent to their own origin only, shown nowhere."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from secure_fetch.errors import AbsentError, ConfigurationError, TransportError
from secure_fetch.transport import HTTPTransport
from secure_fetch.transport.credentials import Credentials, Login, separate
from tests.quick import clean_environment, get, http, texts  # noqa: F401 - a fixture for every test here
from tests.servers import Server, hang_up, redirect, send, status
from tests.source_tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "me@corp", "s3cr3t/:#é"
PLAIN = "pl4in"  # Python 3.10 reads no quotes in netrc
QUOTED = "me%40corp:s3cr3t%2F%3A%23%C3%A9"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(users={USER: PASSWORD}) as running:
        running.always("/x", send(b"private"))
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with Server() as running:
        yield running


def with_login(url: str, userinfo: str = QUOTED) -> str:
    return url.replace("://", f"://{userinfo}@")


def write_netrc(path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path.write_text(text, "utf-8")
    monkeypatch.setenv("NETRC", str(path))


def sent(server: Server) -> list[str | None]:
    """Return the user and password of each request."""
    headers = [seen.headers.get("authorization") for seen in server.log]
    return [base64.b64decode(header[6:]).decode("latin-1") if header else None for header in headers]


def test_user_and_password_in_the_url(server: Server) -> None:
    with http() as transport:
        assert get(transport, with_login(server.url) + "x") == b"private"
    assert sent(server) == [f"{USER}:{PASSWORD}"]
    assert server.log[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_they_count_for_the_whole_origin(server: Server) -> None:
    with http(index_urls=[with_login(server.url) + "simple/"]) as transport:
        assert get(transport, server.url + "x") == b"private"
    with http() as transport:
        get(transport, with_login(server.url) + "x")
        assert get(transport, server.url + "x") == b"private"


def test_another_user_for_the_same_host(server: Server) -> None:
    server.users["you"] = "yours"
    with http() as transport:
        get(transport, with_login(server.url) + "x")
        get(transport, with_login(server.url, "you:yours") + "x")
        get(transport, with_login(server.url) + "x")
    assert sent(server) == [f"{USER}:{PASSWORD}", "you:yours", f"{USER}:{PASSWORD}"]


def test_characters_beyond_latin_1() -> None:
    header = Login(user="ü", password="пароль").header()
    assert base64.b64decode(header.removeprefix("Basic ")).decode("utf-8") == "ü:пароль"
    assert base64.b64decode(Login(user="ü", password=None).header()[6:]) == b"\xfc:"


@pytest.mark.parametrize("userinfo", ["", QUOTED.replace("3A", "3a00"), "you:" + QUOTED.partition(":")[2]])
def test_missing_or_wrong_credentials_say_where_they_are_looked_for(
    server: Server, userinfo: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = with_login(server.url, userinfo) + "x" if userinfo else server.url + "x"
    with http(keyring=True) as transport, pytest.raises(TransportError, match="missing or wrong") as caught:
        get(transport, url)
    assert not isinstance(caught.value, AbsentError)
    assert caught.value.status == 401
    assert "netrc" in caught.value.hint
    assert "keyring" in caught.value.hint
    assert "s3cr3t" not in texts(caught.value) + caplog.text
    assert server.paths == ["/x"]


@pytest.mark.parametrize("fault", ["absent", "redirect", "closed", "no such host", "limit", "malformed", "scheme"])
def test_no_error_or_log_shows_a_password(server: Server, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.always("/absent", status(404))
    server.always("/redirect", redirect(with_login(server.url) + "redirect"))
    server.always("/closed", hang_up)
    url = {
        "no such host": f"http://{QUOTED}@no-such-host.invalid/x",
        "limit": with_login(server.url) + "x",
        "malformed": f"http://{QUOTED}@[x/",
        "scheme": f"ftp://{QUOTED}@index.example/",
    }.get(fault, with_login(server.url) + fault)
    with http(retries=1) as transport, pytest.raises(Exception, match=r"127\.0\.0\.1|index|no-such|x/") as caught:
        get(transport, url, max_length=3)
    assert "s3cr3t" not in texts(caught.value) + caplog.text + repr(transport)
    assert "corp" not in texts(caught.value)


def test_no_repr_shows_a_password() -> None:
    clean, login = separate(f"https://{QUOTED}@index.example/simple/")
    assert clean == "https://index.example/simple/"
    assert login == Login(user=USER, password=PASSWORD)
    credentials = Credentials(index_urls=[f"https://{QUOTED}@index.example/simple/"])
    assert "corp" not in repr(login) + repr(credentials)
    assert separate("https://@index.example/") == ("https://index.example/", None)


@pytest.mark.parametrize("url", ["https://u:s3cr3t@[x/", "simple/", "https://u:s3cr3t@host:port/"])
def test_an_index_url_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HTTPTransport(index_urls=[url])
    assert "s3cr3t" not in texts(caught.value).replace(url, "")


def test_credentials_do_not_follow_a_redirect(server: Server, other: Server) -> None:
    server.always("/away", redirect(other.url + "y"))
    server.always("/name", redirect(f"http://localhost:{server.port}/x"))
    other.always("/y", send(b"public"))
    with http() as transport:
        assert get(transport, with_login(server.url) + "away") == b"public"
        with pytest.raises(TransportError, match="missing or wrong"):
            get(transport, with_login(server.url) + "name")
    assert sent(other) == [None]
    assert sent(server)[-1] is None


def test_credentials_in_a_redirect_are_dropped(server: Server, other: Server) -> None:
    other.always("/y", redirect(with_login(server.url) + "x"))
    with http() as transport, pytest.raises(TransportError, match="missing or wrong"):
        get(transport, other.url + "y")
    assert sent(server) == [None]


def test_a_redirect_home_is_sent_the_credentials_of_home(server: Server, other: Server) -> None:
    server.always("/away", redirect(other.url + "back"))
    other.always("/back", redirect(server.url + "x"))
    with http() as transport:
        assert get(transport, with_login(server.url) + "away") == b"private"


def test_netrc(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.users = {USER: PLAIN}
    write_netrc(tmp_path / "netrc", monkeypatch, f"machine 127.0.0.1 login {USER} password {PLAIN}\n")
    with http() as transport:
        assert get(transport, server.url + "x") == b"private"
        assert get(transport, with_login(server.url, "me") + "x") == b"private"


@pytest.mark.parametrize("name", [".netrc", "_netrc"])
def test_netrc_in_the_home_folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    server.users = {USER: PLAIN}
    write_netrc(tmp_path / name, monkeypatch, f"default login {USER} password {PLAIN}\n")
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with http() as transport:
        assert get(transport, server.url + "x") == b"private"


def test_no_home_at_all(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETRC")
    monkeypatch.setattr("pathlib.Path.home", lambda: exec("raise RuntimeError"))  # noqa: S102
    with http() as transport:
        assert get(transport, with_login(server.url) + "x") == b"private"
        with pytest.raises(AbsentError):
            get(transport, with_login(server.url) + "y")
    with http() as transport, pytest.raises(TransportError, match="missing"):
        get(transport, server.url + "x")


def test_the_url_wins_over_netrc(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_netrc(tmp_path / "netrc", monkeypatch, "machine 127.0.0.1 login wrong password wrong\n")
    with http() as transport:
        assert get(transport, with_login(server.url) + "x") == b"private"


@pytest.mark.parametrize(("entry", "expected"), [("machine 127.0.0.1", "a:b"), ("default", None)])
def test_after_a_redirect_netrc_answers_only_with_the_hosts_own_entry(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, expected: str | None
) -> None:
    write_netrc(tmp_path / "netrc", monkeypatch, f"{entry} login a password b\n")
    server.users = {}
    with Server() as other:
        other.always("/y", redirect(server.url + "x"))
        with http() as transport:
            assert get(transport, other.url.replace("127.0.0.1", "localhost") + "y") == b"private"
    assert sent(server) == [expected]
    assert sent(other) == ["a:b" if entry == "default" else None]


@pytest.mark.parametrize("text", ["machine 127.0.0.1 login me passwort s3cr3t\n", "folder"])
def test_a_broken_netrc_is_named_and_not_quoted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    if text == "folder":
        monkeypatch.setenv("NETRC", str(tmp_path))
    else:
        write_netrc(tmp_path / "netrc", monkeypatch, text)
    with http() as transport, pytest.raises(TransportError, match="cannot be read") as caught:
        get(transport, server.url + "x")
    assert str(tmp_path) in caught.value.hint
    assert "s3cr3t" not in texts(caught.value)


IN_KEYRING = """
import json, sys
sys.path.insert(0, sys.argv[1])
import keyring, keyring.backend, keyring.credentials
asked = []

class Memory(keyring.backend.KeyringBackend):
    priority = 1
    entries = json.loads(sys.argv[2])
    def get_password(self, service, username):
        return None
    def set_password(self, service, username, password):
        pass
    def delete_password(self, service, username):
        pass
    def get_credential(self, service, username):
        asked.append([service, username])
        if self.entries == "broken":
            raise OSError("s3cr3t")
        user, password = self.entries.get(service, (None, None))
        if user is None or username not in (None, user):
            return None
        return keyring.credentials.SimpleCredential(user, password)

keyring.set_keyring(Memory())
from secure_fetch.errors import TransportError
from secure_fetch.transport import HTTPTransport, fetch
transport = HTTPTransport(index_urls=json.loads(sys.argv[3]))
got = []
for url in sys.argv[4:]:
    try:
        got.append(fetch(transport, url, max_length=100, deadline=20).decode())
    except TransportError as error:
        got.append(str(error))
transport.close()
print(json.dumps([got, asked]))
"""


def with_keyring(entries: object, index_urls: list[str], *urls: str) -> tuple[list[str], list[list[str | None]]]:
    """Return what was fetched, and what the keyring was asked for, in a process that has these entries."""
    arguments = [str(ROOT), json.dumps(entries), json.dumps(index_urls), *urls]
    done = subprocess.run([sys.executable, "-c", IN_KEYRING, *arguments], check=True, stdout=subprocess.PIPE)
    got, asked = json.loads(done.stdout)
    return got, asked


def test_keyring_by_host_after_a_refusal(server: Server) -> None:
    service = f"127.0.0.1:{server.port}"
    got, asked = with_keyring({service: [USER, PASSWORD]}, [], server.url + "x", server.url + "x")
    assert got == ["private"] * 2
    assert asked == [[service, None]]
    assert sent(server) == [None, f"{USER}:{PASSWORD}", f"{USER}:{PASSWORD}"]


def test_keyring_by_index_url_and_user(server: Server) -> None:
    index_url = server.url + "simple/"
    got, asked = with_keyring(
        {index_url: [USER, PASSWORD]},
        ["https://index.example/", with_login(index_url, "me%40corp")],
        server.url + "x",
        with_login(server.url, "me%40corp") + "x",
    )
    assert got == ["private"] * 2
    assert asked == [[index_url, USER]]


def test_keyring_has_nothing_or_the_wrong_thing(server: Server) -> None:
    service = f"127.0.0.1:{server.port}"
    got, asked = with_keyring({service: [USER, "wrong"]}, [], server.url + "x", with_login(server.url, "you") + "x")
    assert all("missing or wrong" in text for text in got)
    assert asked == [[service, None], [service, "you"]]


def test_a_broken_keyring_is_named_and_ends_nothing(server: Server) -> None:
    got, _ = with_keyring("broken", [], server.url + "x", with_login(server.url) + "x")
    assert "keyring failed: OSError" in got[0]
    assert "s3cr3t" not in got[0]
    assert got[1] == "private"


def test_credentials_found_in_the_middle_of_retries_are_kept(server: Server) -> None:
    service = f"127.0.0.1:{server.port}"
    server.plan("/x", hang_up)
    got, asked = with_keyring({service: [USER, PASSWORD]}, [], with_login(server.url, "me%40corp") + "x")
    assert got == ["private"]
    assert asked == [[service, USER]]


def test_a_session_from_outside_is_given_the_credentials_of_the_url(server: Server) -> None:
    with requests.Session() as session, http(session=session) as transport:
        assert get(transport, with_login(server.url) + "x") == b"private"
        with pytest.raises(TransportError, match="missing or wrong"):
            get(transport, server.url + "x")


def test_403_says_that_other_credentials_may_be_needed(server: Server) -> None:
    server.always("/no", status(403))
    with http() as transport, pytest.raises(AbsentError) as caught:
        get(transport, with_login(server.url) + "no")
    assert "credentials" in caught.value.hint
