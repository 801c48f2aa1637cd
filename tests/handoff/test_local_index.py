"""The verifying index as an HTTP application: what it says to an installer, and what it keeps back."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from wsgiref.validate import validator

import pytest

from secure_fetch.errors import ConfigurationError, HashError, NotFoundError, NotSignedYetError, TransportError
from secure_fetch.handoff.local_index import HTML, JSON, LocalIndex, Refusal
from secure_fetch.index.pages import parse
from tests import servers

from .distributions import sdist, wheel
from .signed_index import SignedIndex, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secure_fetch.client import Client
    from tests.servers import Server

PIP_ACCEPTS = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"


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


@pytest.fixture
def local(client: Client) -> LocalIndex:
    return LocalIndex(lambda _: client)


def read_only(index: SignedIndex, name: str, **page: Any) -> bytes:
    """Add one wheel with these fields on its page, publish, and return its bytes."""
    entry = index.add(wheel(name), page=page)
    index.publish()
    return entry.data


def test_a_page_has_every_field_of_the_signed_one_and_links_to_here(index: SignedIndex, local: LocalIndex) -> None:
    data = read_only(
        index,
        "app",
        **{
            "requires-python": ">=3.8",
            "yanked": "bad <release>",
            "size": 886,
            "upload-time": "2026-01-02T03:04:05.678Z",
            "provenance": "https://index.example/attestation",
            "gpg-sig": False,
        },
    )
    index.page_fields["app"] = {
        "versions": ["1.0"],
        "project-status": {"status": "deprecated", "reason": "use lib"},
        "alternate-locations": ["https://index.example/simple/app/"],
    }
    index.publish()
    answer = Answer(local, "/simple/app/", accept=JSON)
    assert answer.status == "200"
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Vary"] == "Accept"
    page = answer.json()
    assert page["name"] == "app"
    assert page["versions"] == ["1.0"]
    assert page["project-status"] == {"status": "deprecated", "reason": "use lib"}
    assert page["alternate-locations"] == ["https://index.example/simple/app/"]
    sidecar = sha256(index.projects["app"][0].sidecar or b"")
    assert page["files"] == [
        {
            "filename": "app-1.0-py3-none-any.whl",
            "url": "../../files/app/app-1.0-py3-none-any.whl",
            "hashes": {"sha256": sha256(data)},
            "core-metadata": {"sha256": sidecar},
            "requires-python": ">=3.8",
            "yanked": "bad <release>",
            "size": 886,
            "upload-time": "2026-01-02T03:04:05.678Z",
            "provenance": "https://index.example/attestation",
            "gpg-sig": False,
        }
    ]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [(PIP_ACCEPTS, JSON), (HTML, f"{HTML}; charset=utf-8"), ("text/html", "text/html; charset=utf-8")],
)
def test_the_page_comes_as_the_client_prefers(index: SignedIndex, local: LocalIndex, accept: str, kind: str) -> None:
    read_only(index, "app")
    answer = Answer(local, "/simple/app/", accept=accept)
    assert answer.headers["Content-Type"] == kind
    page = parse(
        answer.body,
        project="app",
        url="http://127.0.0.1/simple/app/",
        content_type="json" if kind == JSON else "html",
    )
    assert page.files[0].url == "http://127.0.0.1/files/app/app-1.0-py3-none-any.whl"
    assert page.files[0].hashes == {"sha256": sha256(index.projects["app"][0].data)}


def test_what_no_form_satisfies_is_not_acceptable(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "app")
    answer = Answer(local, "/simple/app/", accept="image/png")
    assert answer.status == "406"
    assert JSON in answer.reason


def test_a_page_that_did_not_change_is_not_sent_again(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "app")
    tag = Answer(local, "/simple/app/", accept=JSON).headers["ETag"]
    again = Answer(local, "/simple/app/", accept=JSON, if_none_match=tag)
    assert (again.status, again.body) == ("304", b"")
    assert again.headers["ETag"] == tag
    assert "Content-Length" not in again.headers
    other_form = Answer(local, "/simple/app/", accept=HTML, if_none_match=tag)
    assert other_form.status == "200"


def test_a_file_is_handed_over_and_put_on_record(index: SignedIndex, local: LocalIndex) -> None:
    data = read_only(index, "app")
    answer = Answer(local, "/files/app/app-1.0-py3-none-any.whl")
    assert (answer.status, answer.body) == ("200", data)
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    Answer(local, "/files/app/app-1.0-py3-none-any.whl")
    (handed,) = local.handed
    assert (handed.project, handed.filename, handed.sha256) == ("app", "app-1.0-py3-none-any.whl", sha256(data))
    assert handed.length == len(data)
    assert handed.target.chain[0].role == "root"
    assert local.refusals == ()


def test_a_head_request_tells_the_same_without_a_body(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "app")
    for path in ("/files/app/app-1.0-py3-none-any.whl", "/simple/app/"):
        whole = Answer(local, path)
        head = Answer(local, path, method="HEAD")
        assert (head.status, head.headers, head.body) == ("200", whole.headers, b"")
        assert int(head.headers["Content-Length"]) == len(whole.body)


@pytest.mark.parametrize(
    ("header", "first", "end"), [("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-50", -50, None)]
)
def test_a_range_of_a_file_is_served_from_the_verified_file(
    index: SignedIndex, local: LocalIndex, header: str, first: int, end: int | None
) -> None:
    data = read_only(index, "app")
    answer = Answer(local, "/files/app/app-1.0-py3-none-any.whl", range=header)
    assert (answer.status, answer.body) == ("206", data[first:end])
    begin = first if first >= 0 else len(data) + first
    assert answer.headers["Content-Range"] == f"bytes {begin}-{begin + len(answer.body) - 1}/{len(data)}"
    head = Answer(local, "/files/app/app-1.0-py3-none-any.whl", method="HEAD", range=header)
    assert (head.status, head.headers["Content-Length"]) == ("206", str(len(answer.body)))


def test_a_range_behind_the_end_cannot_be_satisfied(index: SignedIndex, local: LocalIndex) -> None:
    data = read_only(index, "app")
    answer = Answer(local, "/files/app/app-1.0-py3-none-any.whl", range="bytes=999999-")
    assert answer.status == "416"
    assert answer.headers["Content-Range"] == f"bytes */{len(data)}"


def test_a_range_of_other_bytes_is_the_whole_file(index: SignedIndex, local: LocalIndex) -> None:
    data = read_only(index, "app")
    path = "/files/app/app-1.0-py3-none-any.whl"
    tag = Answer(local, path).headers["ETag"]
    assert Answer(local, path, range="bytes=0-9", if_range=tag).body == data[:10]
    assert Answer(local, path, range="bytes=0-9", if_range='"old"').body == data
    assert Answer(local, path, range="bytes=0-9", if_range="Sat, 01 Jan 2028 00:00:00 GMT").body == data


def test_a_file_that_a_client_has_is_neither_sent_nor_fetched(
    index: SignedIndex, local: LocalIndex, upstream: Server
) -> None:
    data = read_only(index, "app")
    answer = Answer(local, "/files/app/app-1.0-py3-none-any.whl", if_none_match=f'"{sha256(data)}"')
    assert answer.status == "304"
    assert not any(path.endswith(".whl") for path in upstream.paths)


def test_metadata_is_served_beside_its_wheel(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "app")
    answer = Answer(local, "/files/app/app-1.0-py3-none-any.whl.metadata")
    assert answer.body == index.projects["app"][0].sidecar


def test_what_the_page_lacks_is_taken_from_the_targets(index: SignedIndex, local: LocalIndex) -> None:
    entry = index.add(wheel("app"), page={"hashes": {}, "core-metadata": True})
    index.publish()
    page = Answer(local, "/simple/app/", accept=JSON).json()
    assert page["files"][0]["hashes"] == {"sha256": sha256(entry.data)}
    assert page["files"][0]["core-metadata"] == {"sha256": sha256(entry.sidecar or b"")}


def test_metadata_that_nothing_vouches_for_is_not_announced(index: SignedIndex, local: LocalIndex) -> None:
    index.add(wheel("app"), page={"core-metadata": True}, sidecar_signed=False)
    index.publish()
    page = Answer(local, "/simple/app/", accept=JSON).json()
    assert "core-metadata" not in page["files"][0]
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl.metadata").status == "404"


def test_the_pages_own_hash_vouches_for_metadata(index: SignedIndex, local: LocalIndex, upstream: Server) -> None:
    entry = index.add(wheel("app"), sidecar_signed=False)
    index.publish()
    path = "/files/app/app-1.0-py3-none-any.whl.metadata"
    upstream.plan(f"/{entry.path}.metadata", servers.send(b"Metadata-Version: 2.1\nRequires-Dist: evil\n"))
    answer = Answer(LocalIndex(local._clients), path)
    assert answer.status == "403"
    assert "hash" in answer.reason or "bytes" in answer.reason
    assert Answer(local, path).body == entry.sidecar
    assert local.handed[0].target.vouched_by == "page"


def test_a_hash_that_contradicts_the_target_is_refused(index: SignedIndex, local: LocalIndex) -> None:
    index.add(wheel("app"), page={"hashes": {"sha256": "0" * 64}})
    index.add(wheel("lib"), page={"core-metadata": {"sha256": "0" * 64}})
    index.publish()
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl").status == "403"
    assert isinstance(local.refusals[0].error, HashError)
    other = LocalIndex(local._clients)
    assert Answer(other, "/files/lib/lib-1.0-py3-none-any.whl.metadata").status == "403"
    assert isinstance(other.refusals[0].error, HashError)


def test_sha256_is_computed_for_the_record_where_nobody_signed_one(index: SignedIndex, local: LocalIndex) -> None:
    index.algorithms = ["blake2b-256"]
    entry = index.add(wheel("app"), page={"hashes": {}})
    index.publish()
    page = Answer(local, "/simple/app/", accept=JSON).json()
    assert page["files"][0]["hashes"] == {}
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl").body == entry.data
    assert local.handed[0].sha256 == sha256(entry.data)


def test_a_file_that_is_not_signed_yet_stays_on_its_page_and_is_refused(index: SignedIndex, local: LocalIndex) -> None:
    index.add(wheel("app", "1.0"))
    index.add(wheel("app", "2.0"), signed=False)
    index.publish()
    names = [entry["filename"] for entry in Answer(local, "/simple/app/", accept=JSON).json()["files"]]
    assert names == ["app-1.0-py3-none-any.whl", "app-2.0-py3-none-any.whl"]
    answer = Answer(local, "/files/app/app-2.0-py3-none-any.whl")
    assert answer.status == "403"
    assert "not signed yet" in answer.reason
    assert "try again shortly" in answer.reason
    assert isinstance(local.refusals[0].error, NotSignedYetError)
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl").status == "200"


def test_after_an_attack_nothing_more_is_handed_over(index: SignedIndex, local: LocalIndex, upstream: Server) -> None:
    lib = index.add(wheel("lib"))
    read_only(index, "app")
    upstream.plan(f"/{lib.path}", servers.send(b"x" * len(lib.data)))
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl").status == "200"
    refused = Answer(local, "/files/lib/lib-1.0-py3-none-any.whl")
    assert refused.status == "403"
    for path in ("/files/lib/lib-1.0-py3-none-any.whl", "/simple/app/", "/files/app/app-1.0-py3-none-any.whl"):
        after = Answer(local, path)
        assert (after.status, after.reason) == ("403", refused.reason)
    assert len(local.refusals) == 1


def test_a_service_goes_on_after_an_attack(index: SignedIndex, client: Client, upstream: Server) -> None:
    data = read_only(index, "app")
    upstream.plan(f"/{index.projects['app'][0].path}", servers.send(b"x" * len(data)))
    local = LocalIndex(lambda _: client, stop=False)
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl").status == "403"
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl").body == data


def test_trouble_with_the_network_is_no_reason_to_take_something_else(
    index: SignedIndex, local: LocalIndex, upstream: Server
) -> None:
    read_only(index, "app")
    upstream.always(f"/{index.page_path('app')}", servers.status(500))
    seen: list[Refusal] = []
    local._on_refusal = seen.append
    answer = Answer(local, "/simple/app/")
    assert answer.status == "403"
    assert isinstance(seen[0].error, TransportError)
    assert seen[0].what == "app"


def test_what_is_not_there_is_not_found(index: SignedIndex, client: Client) -> None:
    read_only(index, "app")

    def clients(name: str) -> Client:
        if name == "elsewhere":
            raise NotFoundError("The project elsewhere", where="any repository that may supply it")
        return client

    local = LocalIndex(clients)
    for path in (
        "/simple/nothing/",
        "/simple/elsewhere/",
        "/files/elsewhere/elsewhere-1.0.tar.gz",
        "/files/app/other-1.0.tar.gz",
        "/files/app/other-1.0.tar.gz.metadata",
        "/files/app/",
        "/files/app/../app/app-1.0-py3-none-any.whl",
        "/simple/",
        "/simple//",
        "/",
        "//simple/app/",
        "/simple/..%2Fapp/",
        "/simple/\u00ff/",
        "/simple/a b/",
        "/packages/app",
    ):
        assert Answer(local, path).status == "404", path
    assert all(isinstance(refusal.error, NotFoundError | ConfigurationError) or refusal for refusal in local.refusals)
    assert Answer(local, "/simple/app/").status == "200"


def test_other_methods_are_not_allowed(local: LocalIndex) -> None:
    answer = Answer(local, "/simple/app/", method="POST")
    assert answer.status == "405"
    assert answer.headers["Allow"] == "GET, HEAD"


def test_a_missing_slash_leads_to_the_page_and_nowhere_else(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "app")
    answer = Answer(local, "/simple/App")
    assert answer.status == "301"
    assert urlsplit(urljoin("http://127.0.0.1/simple/App", answer.headers["Location"])).path == "/simple/app/"
    assert Answer(local, "/simple//evil.example").status == "404"
    assert Answer(local, "/simple/\r\nX: 1").status == "404"


def test_any_spelling_of_a_name_leads_to_the_page(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "my-app")
    assert Answer(local, "/simple/My_App/", accept=JSON).json()["name"] == "my-app"


def test_hostile_names_break_no_status_line(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "app")
    answer = Answer(local, "/files/app/x\r\nSet-Cookie: a=\xe2\x98\x83.whl")
    assert answer.status == "404"
    assert "\n" not in answer.reason
    answer.reason.encode("latin-1")


def test_two_who_want_one_file_cost_one_download(index: SignedIndex, local: LocalIndex, upstream: Server) -> None:
    data = read_only(index, "app")
    path = f"/{index.projects['app'][0].path}"
    begun = threading.Event()

    def slow(handler: servers.Handler) -> None:
        begun.set()
        servers._wait(handler, 0.2)
        servers.file_answer(handler)

    upstream.plan(path, slow)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: Answer(local, "/files/app/app-1.0-py3-none-any.whl").body, range(4)))
    assert begun.is_set()
    assert answers == [data] * 4
    assert upstream.paths.count(path) == 1
    assert len(local.handed) == 1


def test_a_page_is_read_once_for_all_of_its_files(index: SignedIndex, local: LocalIndex, client: Client) -> None:
    index.add(sdist("app", needs="lib"))
    read_only(index, "app")
    asked: list[str] = []
    project = client.project

    def counted(name: str) -> Any:
        asked.append(name)
        return project(name)

    client.project = counted  # type: ignore[method-assign]
    Answer(local, "/simple/app/")
    Answer(local, "/files/app/app-1.0-py3-none-any.whl")
    Answer(local, "/files/app/app-1.0.tar.gz")
    assert asked == ["app"]
    index.publish()
    client.refresh()
    Answer(local, "/files/app/app-1.0.tar.gz")
    assert asked == ["app", "app"]


def test_remembered_pages_do_not_grow_without_end(
    index: SignedIndex, local: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secure_fetch.handoff.local_index._MOST_PAGES", 2)
    for name in ("a", "b", "c"):
        index.add(wheel(name))
    index.publish()
    for name in ("a", "b", "c"):
        Answer(local, f"/simple/{name}/")
    assert list(local._pages) == ["c"]
