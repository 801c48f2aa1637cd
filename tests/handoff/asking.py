"""Requests to the verifying index, without a server in between."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

from .distributions import wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secure_fetch.handoff.local_index import LocalIndex

    from .signed_index import SignedIndex


class Answer:
    """The answer to one request, taken through wsgiref's validator."""

    def __init__(self, index: LocalIndex, path: str, *, method: str = "GET", **headers: str) -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        }
        body = validator(index)(environ, self._start)
        try:
            self.body = b"".join(body)
        finally:
            body.close()  # type: ignore[attr-defined] # the validator's iterator has it

    def _start(self, status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        self.status, _, self.reason = status.partition(" ")
        self.headers = dict(headers)
        return lambda data: None

    def json(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.body)
        return found


def read_only(index: SignedIndex, name: str, **page: Any) -> bytes:
    """Add one wheel with these fields on its page, publish, and return its bytes."""
    entry = index.add(wheel(name), page=page)
    index.publish()
    return entry.data
