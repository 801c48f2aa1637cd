"""HTTPTransport on a session from outside, as pip brings one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from secure_fetch.errors import AbsentError, ConfigurationError, TransportError
from secure_fetch.transport import HTTPTransport
from tests.quick import clean_environment, get, http  # noqa: F401 - a fixture for every test here
from tests.servers import Server, redirect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests import PreparedRequest

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


class Recording(requests.adapters.HTTPAdapter):
    """What pip mounts: an adapter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def send(self, request: PreparedRequest, *args: object, **options: object) -> requests.Response:
        self.asked.append(str(request.url))
        return super().send(request, *args, **options)  # type: ignore[arg-type]


def test_a_session_from_outside_is_used_as_it_is(server: Server) -> None:
    server.always("/a", redirect("/file.whl"))
    server.users = {"me": "secret"}
    server.compress = True
    with requests.Session() as session:
        adapter = Recording()
        session.mount("http://", adapter)
        session.auth = ("me", "secret")
        session.headers["User-Agent"] = "pip/99"
        with http(session=session) as transport:
            assert get(transport, server.url + "a") == DATA
            assert get(transport, server.url + "page.json") == b'{"a": 1}' * 1000
        assert adapter.asked == [server.url + "a", server.url + "file.whl", server.url + "page.json"]
        assert {seen.headers["user-agent"] for seen in server.log} == {"pip/99"}
        assert session.get(server.url + "empty", timeout=5).status_code == 200  # still open


def test_the_credentials_of_a_session_from_outside_stay_with_its_host(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path) as other, requests.Session() as session:
        other.always("/x", redirect(server.url + "file.whl"))
        session.auth = ("me", "secret")
        session.headers["Authorization"] = "Bearer secret"
        with http(session=session) as transport:
            assert get(transport, other.url + "x") == DATA
        assert "authorization" in other.log[0].headers
        assert "authorization" not in server.log[0].headers


def test_a_session_from_outside_brings_its_own_settings() -> None:
    with requests.Session() as session, pytest.raises(ConfigurationError, match="session"):
        HTTPTransport(session=session, proxies={"http": "http://127.0.0.1:1"})


class Reader:
    """A body that knows nothing but read, as an adapter for local files has it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, amount: int) -> bytes:
        data, self._data = self._data[:amount], self._data[amount:]
        return data

    def close(self) -> None:
        self._data = b""


class Local(requests.adapters.BaseAdapter):
    def send(self, request: PreparedRequest, *args: object, **options: object) -> requests.Response:
        response = requests.Response()
        response.status_code = 200 if str(request.url).endswith("x") else 404
        response.headers["Content-Length"] = str(len(DATA))
        response.raw = Reader(DATA[:-1] if "short" in str(request.url) else DATA)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is open."""


def test_a_session_whose_adapter_answers_by_itself() -> None:
    with requests.Session() as session:
        session.mount("https://index.example/", Local())
        with http(session=session) as transport:
            assert get(transport, "https://index.example/x") == DATA
            with pytest.raises(AbsentError):
                get(transport, "https://index.example/y")
            with pytest.raises(TransportError, match="broke"):
                get(transport, "https://index.example/short/x")
