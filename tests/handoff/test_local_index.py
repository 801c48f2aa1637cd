"""The verifying index as an HTTP application: the pages and files that an installer gets."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.handoff.local_index import HTML, JSON, LocalIndex
from secure_fetch.index.pages import parse
from tests import servers

from .asking import Answer, read_only
from .distributions import sdist, wheel
from .signed_index import SignedIndex, sha256

if TYPE_CHECKING:
    from secure_fetch.client import Client
    from tests.servers import Server

PIP_ACCEPTS = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"


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


def test_sha256_is_computed_for_the_record_where_nobody_signed_one(index: SignedIndex, local: LocalIndex) -> None:
    index.algorithms = ["blake2b-256"]
    entry = index.add(wheel("app"), page={"hashes": {}})
    index.publish()
    page = Answer(local, "/simple/app/", accept=JSON).json()
    assert page["files"][0]["hashes"] == {}
    assert Answer(local, "/files/app/app-1.0-py3-none-any.whl").body == entry.data
    assert local.handed[0].sha256 == sha256(entry.data)


def test_any_spelling_of_a_name_leads_to_the_page(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "my-app")
    assert Answer(local, "/simple/My_App/", accept=JSON).json()["name"] == "my-app"


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
