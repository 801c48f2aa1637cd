"""A real forward proxy on loopback for tests."""

from __future__ import annotations

import select
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .servers import Running, Talker

if TYPE_CHECKING:
    from collections.abc import Mapping


class Proxy(Running):
    """A forward proxy: GET with a whole URL, CONNECT. `users` may use it; `hosts` maps names to addresses."""

    def __init__(self, *, users: Mapping[str, str] | None = None, hosts: Mapping[str, str] | None = None) -> None:
        super().__init__(_ProxyHandler)
        self.users = dict(users or {})
        self.hosts = dict(hosts or {})


class _ProxyHandler(Talker):
    def _admitted(self) -> bool:
        owner: Proxy = self.server.owner
        owner.note(self)
        self.hang_up()
        if not owner.users or owner.allowed(self.headers.get("Proxy-Authorization")):
            return True
        self.send_response(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _connect(self, host: str, port: int) -> socket.socket:
        return socket.create_connection((self.server.owner.hosts.get(host, host), port), timeout=10)

    def do_CONNECT(self) -> None:  # noqa: N802 - the name that http.server looks for
        if not self._admitted():
            return
        host, _, port = self.path.rpartition(":")
        with self._connect(host, int(port)) as upstream:
            self.send_response(200)
            self.end_headers()
            self._pump(upstream)

    def do_GET(self) -> None:  # noqa: N802 - as above
        if not self._admitted():
            return
        parts = urlsplit(self.path)
        with self._connect(parts.hostname or "", parts.port or 80) as upstream:
            target = self.path.split(parts.netloc, 1)[1] or "/"
            head = [f"GET {target} HTTP/1.1"]
            head += [
                f"{name}: {value}"
                for name, value in self.headers.items()
                if "Connection" not in name and "Proxy" not in name
            ]
            upstream.sendall("\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1"))
            while data := upstream.recv(65536):
                self.connection.sendall(data)

    def _pump(self, upstream: socket.socket) -> None:
        """Pass bytes both ways until one side is done."""
        ends = {self.connection: upstream, upstream: self.connection}
        while not self.server.owner.stopping.is_set():
            readable, _, _ = select.select(list(ends), [], [], 0.05)
            for end in readable:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)
