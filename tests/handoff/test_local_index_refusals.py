"""What the verifying index keeps back, and how it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from secure_fetch.errors import HashError, NotFoundError, NotSignedYetError, TransportError, UsageError
from secure_fetch.handoff.local_index import JSON, LocalIndex, Refusal
from tests import servers

from .asking import Answer, read_only
from .distributions import wheel

if TYPE_CHECKING:
    from secure_fetch.client import Client
    from tests.servers import Server

    from .signed_index import SignedIndex


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
    assert all(isinstance(refusal.error, UsageError) for refusal in local.refusals)
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


def test_hostile_names_break_no_status_line(index: SignedIndex, local: LocalIndex) -> None:
    read_only(index, "app")
    answer = Answer(local, "/files/app/x\r\nSet-Cookie: a=\xe2\x98\x83.whl")
    assert answer.status == "404"
    assert "\n" not in answer.reason
    answer.reason.encode("latin-1")
