"""Project pages, and the files on them: vouched for by targets of their own, or by the page."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from secure_fetch.errors import (
    ChangedError,
    ConfigurationError,
    HashError,
    LimitError,
    MalformedError,
    NotFoundError,
    NotSignedYetError,
    SecureFetchError,
    UsageError,
    WithheldError,
)
from secure_fetch.index.pages import PageFile, ProjectPage, render_html
from secure_fetch.trust import Limits

from .clients import INDEX_URL, ROOT_URL, WHEEL, add_project, client, index
from .quick import texts
from .simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

    from secure_fetch import Client

DATA = b"the wheel of flask"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def corp() -> Simulator:
    simulator = index()
    add_project(simulator, "flask", {WHEEL: DATA})
    simulator.publish()
    return simulator


@pytest.mark.parametrize("formats", [("json", "html"), ("json",), ("html",)])
def test_a_page_is_found_in_either_format(formats: tuple[str, ...], tmp_path: Path) -> None:
    simulator = index()
    paths = add_project(simulator, "flask", {WHEEL: DATA}, formats=formats)
    simulator.publish()
    with client(simulator, tmp_path) as one:
        page = one.project("flask")
    assert (page.name, page.url) == ("flask", INDEX_URL + "flask/")
    assert [(file.filename, file.url) for file in page.files] == [(WHEEL, ROOT_URL + paths[WHEEL])]


def test_a_project_goes_by_its_normalised_name(tmp_path: Path) -> None:
    simulator = index()
    add_project(simulator, "zope-interface", {})
    simulator.publish()
    with client(simulator, tmp_path) as one:
        assert one.project("Zope.Interface").name == "zope-interface"


def test_a_project_that_is_not_there_is_not_found(corp: Simulator, tmp_path: Path) -> None:
    with (
        client(corp, tmp_path) as one,
        pytest.raises(NotFoundError, match="flaks is not in the repository corp") as caught,
    ):
        one.project("flaks")
    assert caught.value.exit_code == 2
    assert "spelling" in caught.value.hint


@pytest.mark.parametrize("name", ["", "../flask", "fl ask", "flask/../x", "-"])
def test_what_is_no_name_of_a_project_is_refused(name: str, corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one, pytest.raises(UsageError):
        one.project(name)


def test_the_page_of_another_project_is_refused(corp: Simulator, tmp_path: Path) -> None:
    page = corp.served[
        corp.target_url("simple/flask/index.json", corp.targets.targets["simple/flask/index.json"].hashes["sha256"])
    ]
    corp.add_target("simple/django/index.json", page)
    corp.publish()
    with client(corp, tmp_path) as one, pytest.raises(MalformedError):
        one.project("django")


def test_a_page_larger_than_the_limit_is_refused_before_it_is_fetched(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path, limits=Limits(page_length=100)) as one:
        one.refresh()
        corp.requests.clear()
        with pytest.raises(LimitError, match="page of flask"):
            one.project("flask")
    assert corp.requests == []


def test_a_page_that_is_withheld_is_not_looked_for_in_another_format(corp: Simulator, tmp_path: Path) -> None:
    path = "simple/flask/index.json"
    corp.withhold(corp.target_url(path, corp.targets.targets[path].hashes["sha256"]))
    with client(corp, tmp_path) as one, pytest.raises(WithheldError):
        one.project("flask")


def test_the_url_of_a_page_holds_no_credentials(corp: Simulator, tmp_path: Path) -> None:
    secret = INDEX_URL.replace("https://", "https://user:hunter2@")
    with client(corp, tmp_path, index_url=secret) as one:
        page = one.project("flask")
        assert one.locate(page, WHEEL).hashes == {"sha256": SHA256}
    assert "hunter2" not in repr(page)


def test_without_an_index_url_pages_lie_below_the_targets_url(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path, index_url=None) as one:
        page = one.project("flask")
        assert page.url == INDEX_URL + "flask/"
        assert one.locate(page, WHEEL).length == len(DATA)


def test_an_index_url_of_any_form_will_do_where_the_others_are_given(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path, index_url=ROOT_URL + "pages") as one:
        assert one.locate(one.project("flask"), WHEEL).length == len(DATA)


# Files with targets of their own


def test_a_file_that_the_page_does_not_have_is_not_found(corp: Simulator, tmp_path: Path) -> None:
    with client(corp, tmp_path) as one:
        page = one.project("flask")
        with pytest.raises(NotFoundError, match="page of flask"):
            one.locate(page, "flask-2.0.tar.gz")


def test_a_file_on_a_page_that_no_role_vouches_for_is_not_signed_yet(tmp_path: Path) -> None:
    simulator = index()
    add_project(simulator, "flask", {WHEEL: DATA}, signed=False)
    simulator.publish()
    with client(simulator, tmp_path) as one:
        page = one.project("flask")
        simulator.requests.clear()
        with pytest.raises(NotSignedYetError, match=WHEEL) as caught:
            one.locate(page, WHEEL)
    assert caught.value.exit_code == 1
    assert "try again shortly" in caught.value.hint
    assert simulator.asked == []


def test_a_page_and_a_target_that_disagree_are_refused(tmp_path: Path) -> None:
    simulator = index()
    path = add_project(simulator, "flask", {WHEEL: DATA})[WHEEL]
    simulator.add_target(path, DATA + b"!")
    simulator.publish()
    with client(simulator, tmp_path) as one, pytest.raises(HashError) as caught:
        one.locate(one.project("flask"), WHEEL)
    assert caught.value.actual == SHA256


def test_a_link_that_leads_out_of_the_index_is_refused(tmp_path: Path) -> None:
    simulator = index()
    page = ProjectPage(
        name="flask",
        url=f"{INDEX_URL}flask/",
        files=(PageFile(filename=WHEEL, url=f"https://evil.example/{WHEEL}", hashes={"sha256": SHA256}),),
    )
    simulator.add_target("simple/flask/index.html", render_html(page))
    simulator.publish()
    with client(simulator, tmp_path) as one, pytest.raises(MalformedError, match="does not lie under"):
        one.locate(one.project("flask"), WHEEL)


# Files that only a page vouches for


def warehouse(files: dict[str, dict[str, str]], *, name: str = "flask") -> Simulator:
    """Return an index in the draft layout, with a page that has these files and hashes."""
    simulator = Simulator(targets_url=INDEX_URL)
    publish_page(simulator, files, name=name)
    return simulator


def publish_page(simulator: Simulator, files: dict[str, dict[str, str]], *, name: str = "flask") -> None:
    page = ProjectPage(
        name=name,
        url=f"{INDEX_URL}{name}/",
        files=tuple(
            PageFile(filename=file, url=f"https://files.example/{file}", hashes=hashes)
            for file, hashes in files.items()
        ),
    )
    data = render_html(page)
    simulator.add_target(name, data, algorithms=["blake2b-256"])
    digest = simulator.targets.targets[name].hashes["blake2b-256"]
    simulator.served[f"{INDEX_URL}{name}/{digest}.{name}.html"] = data
    for file in files:
        simulator.served[f"https://files.example/{file}"] = DATA
    simulator.publish()


def draft(simulator: Simulator, folder: Path) -> Client:
    return client(simulator, folder, layout="warehouse")


def test_a_page_vouches_for_a_file_by_its_hash(tmp_path: Path) -> None:
    simulator = warehouse({WHEEL: {"sha256": SHA256}})
    with draft(simulator, tmp_path) as one:
        target = one.locate(one.project("flask"), WHEEL)
        assert (target.vouched_by, target.length, target.hashes, target.page) == (
            "page",
            None,
            {"sha256": SHA256},
            "flask",
        )
        assert [link.role for link in target.chain] == ["root", "timestamp", "snapshot", "targets"]
        file = one.download(target, tmp_path / "out")
        assert file.path.read_bytes() == DATA
        assert (file.vouched_by, file.length, file.chain) == ("page", len(DATA), target.chain)
        simulator.tamper(f"https://files.example/{WHEEL}", lambda data: data + b"!")
    with draft(simulator, tmp_path / "new") as one, pytest.raises(HashError):
        one.download(target, tmp_path / "out2")


@pytest.mark.parametrize(
    "hashes", [{}, {"md5": "0" * 32}, {"sha1": "0" * 40}, {"sha224": "0" * 56}, {"shake_128": "0" * 64}]
)
def test_a_page_without_a_strong_hash_vouches_for_nothing(hashes: dict[str, str], tmp_path: Path) -> None:
    simulator = warehouse({WHEEL: hashes})
    with draft(simulator, tmp_path) as one:
        page = one.project("flask")
        with pytest.raises(NotSignedYetError, match="exactly one strong hash"):
            one.locate(page, WHEEL)


def test_a_page_vouches_only_for_files_of_its_own_project(tmp_path: Path) -> None:
    simulator = warehouse({"django-1.0-py3-none-any.whl": {"sha256": SHA256}})
    with draft(simulator, tmp_path) as one:
        page = one.project("flask")
        with pytest.raises(NotSignedYetError, match=r"should be the project's"):
            one.locate(page, "django-1.0-py3-none-any.whl")


def test_a_file_vouched_for_by_a_page_is_bounded_by_the_clients_own_limit(tmp_path: Path) -> None:
    simulator = warehouse({WHEEL: {"sha256": SHA256}})
    with client(simulator, tmp_path, layout="warehouse", limits=Limits(file_length=1_000)) as one:
        target = one.locate(one.project("flask"), WHEEL)
        simulator.tamper(f"https://files.example/{WHEEL}", lambda data: data * 100)
        with pytest.raises(LimitError, match="1000 bytes"):
            one.download(target, tmp_path / "out")


@pytest.mark.parametrize(
    "after", [{}, {WHEEL: {"sha256": "0" * 64}}, {WHEEL: {}}, {"flask-2.0.tar.gz": {"sha256": SHA256}}]
)
def test_a_file_that_its_page_does_not_vouch_for_any_more_is_not_handed_out(
    after: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    simulator = warehouse({WHEEL: {"sha256": SHA256}})
    with draft(simulator, tmp_path) as one:
        page = one.project("flask")
        target = one.locate(page, WHEEL)
        publish_page(simulator, after)
        one.refresh()
        with pytest.raises(ChangedError):
            one.download(target, tmp_path / "out")
        with pytest.raises(ChangedError):  # the old page is worth nothing, though it was verified once
            one.locate(page, WHEEL)
    assert not (tmp_path / "out").exists()


def test_a_project_that_is_gone_vouches_for_nothing_any_more(tmp_path: Path) -> None:
    simulator = warehouse({WHEEL: {"sha256": SHA256}})
    with draft(simulator, tmp_path) as one:
        target = one.locate(one.project("flask"), WHEEL)
        del simulator.targets.targets["flask"]
        simulator.publish()
        one.refresh()
        with pytest.raises(ChangedError):
            one.download(target, tmp_path / "out")


def test_a_page_that_was_made_up_vouches_for_nothing(tmp_path: Path) -> None:
    simulator = warehouse({WHEEL: {"sha256": SHA256}})
    made_up = ProjectPage(
        name="flask",
        url=f"{INDEX_URL}flask/",
        files=(PageFile(filename=WHEEL, url=f"https://files.example/{WHEEL}", hashes={"sha256": "0" * 64}),),
    )
    with draft(simulator, tmp_path) as one, pytest.raises(ChangedError):
        one.locate(made_up, WHEEL)


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="layout"):
        client(index(), tmp_path, layout="other")


def test_no_error_shows_a_password(tmp_path: Path) -> None:
    secret = "https://user:hunter2@index.example/"
    simulator = Simulator(metadata_url=secret + "metadata/", targets_url=secret)
    add_project(simulator, "flask", {WHEEL: DATA})
    simulator.publish()
    one = client(simulator, tmp_path, index_url=secret + "simple/")
    assert "hunter2" not in repr(one.repository)
    for url in [*simulator.served]:
        simulator.tamper(url, lambda data: data[:-1])
        with (
            pytest.raises(SecureFetchError) as caught,
            client(simulator, tmp_path, index_url=secret + "simple/") as one,
        ):
            one.download(one.locate(one.project("flask"), WHEEL), tmp_path / "out")
        assert "hunter2" not in texts(caught.value)
        simulator.restore()
