"""`secure-fetch explain`: who vouches for a file, however it is named."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.cli import words
from secure_fetch.cli.explain import _branches
from secure_fetch.targets import Link

from .corp import Corp

if TYPE_CHECKING:
    from pathlib import Path

    from .corp import Cli, Ended

NEW = "flask-3.0-py3-none-any.whl"
OLD = "flask-2.0-py3-none-any.whl"


def path_of(data: bytes, name: str) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{name}"


NEW_PATH = path_of(b"new" * 500, NEW)
OLD_PATH = path_of(b"old", OLD)


def found(ended: Ended) -> Any:
    assert ended.code == 0, ended
    return ended.json


def test_the_chain_is_drawn_as_a_tree(trusting: Cli, corp: Corp) -> None:
    ended = trusting("explain", "flask")
    assert ended.code == 0
    lines = ended.out.splitlines()
    role = corp.sim.role_for(NEW_PATH)
    key = corp.sim.signers[role][0].public_key.keyid[:8]
    assert lines[0] == f"{NEW} is vouched for by corp."
    assert lines[1].startswith("root version 1, expires in 20 days, signed by ")
    assert lines[2].startswith("├── timestamp version 4, expires in 23 hours, signed by ")
    assert lines[3].startswith("├── snapshot version 4, ")
    assert lines[4].startswith("└── targets version 2, ")
    assert lines[5] == f"    └── {role} version 2, expires in 20 days, signed by {key} (1 of 1 key(s) needed)"
    assert lines[6] == f"        └── {NEW_PATH}, 1.5 kB"
    assert lines[7] == f"            └── sha256 {hashlib.sha256(b'new' * 500).hexdigest()}"


def test_the_same_as_json(trusting: Cli, corp: Corp) -> None:
    value = found(trusting("explain", "flask", "--json"))
    assert value["repository"] == "corp"
    assert value["path"] == NEW_PATH
    assert value["length"] == 1500
    assert value["vouched_by"] == "target"
    assert value["local"] is None
    assert [link["role"] for link in value["chain"]] == [
        *("root", "timestamp", "snapshot", "targets"),
        corp.sim.role_for(NEW_PATH),
    ]
    assert value["chain"][1]["expires_in"] == "in 23 hours"
    assert value["chain"][4]["delegator"] == "targets"
    assert value["chain"][4]["signed_by"] == [corp.sim.signers["bin-0"][0].public_key.keyid]


@pytest.mark.parametrize(
    ("what", "path"),
    [
        ("flask", NEW_PATH),
        ("Flask[async] < 3 ; python_version > '2'", OLD_PATH),
        (OLD, OLD_PATH),
        (NEW_PATH, NEW_PATH),
        ("simple/flask/index.json", "simple/flask/index.json"),
        ("{index}flask/", "simple/flask/index.json"),
        ("{index}flask", "simple/flask/index.json"),
        ("{base}" + OLD_PATH, OLD_PATH),
        ("{base}" + OLD_PATH + "#sha256=0", OLD_PATH),
        ("flask @ {base}" + OLD_PATH + " ; python_version > '2'", OLD_PATH),
        ("https://elsewhere.example/" + OLD_PATH, OLD_PATH),
    ],
)
def test_a_file_can_be_named_in_many_ways(trusting: Cli, corp: Corp, what: str, path: str) -> None:
    text = what.replace("{index}", corp.index_url).replace("{base}", corp.base)
    assert found(trusting("explain", text, "--json"))["path"] == path


@pytest.mark.parametrize("quiet", [False, True])
def test_a_local_file_is_compared(trusting: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    (tmp_path / NEW).write_bytes(b"new" * 500)
    monkeypatch.chdir(tmp_path)
    for text in (NEW, f"./{NEW}", str(tmp_path / NEW)):
        ended = trusting("explain", text, *(["-q"] if quiet else []))
        assert ended.code == 0
        assert ("is, byte for byte, the file that corp vouches for." in ended.out) != quiet
    value = found(trusting("explain", NEW, "--json"))
    assert value["local"] == {"path": NEW, "matches": True}


@pytest.mark.parametrize(("data", "kind"), [(b"NEW" * 500, "HashError"), (b"new", "LengthError"), (b"", "LengthError")])
def test_a_local_file_that_is_another(trusting: Cli, tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / NEW).write_bytes(data)
    ended = trusting("explain", tmp_path / NEW, "--json")
    assert ended.code == 1
    assert ended.error["kind"] == kind
    assert NEW in ended.error["message"]
    assert "Do not use it" in ended.error["hint"]


def test_a_local_file_that_cannot_be_read(trusting: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / NEW
    path.write_bytes(b"new" * 500)
    real = type(path).open

    def refuse(self: Path, *args: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **options)

    monkeypatch.setattr(type(path), "open", refuse)
    ended = trusting("explain", path)
    assert ended.code == 3
    assert "permission denied" in ended.err


def test_a_sidecar(trusting: Cli, corp: Corp, tmp_path: Path) -> None:
    corp.sim.add_target(f"{NEW_PATH}.metadata", b"Metadata-Version: 2.1\n")
    corp.publish()
    (tmp_path / f"{NEW}.metadata").write_bytes(b"Metadata-Version: 2.1\n")
    for text in (tmp_path / f"{NEW}.metadata", f"{corp.base}{NEW_PATH}.metadata"):
        assert found(trusting("explain", text, "--json"))["path"] == f"{NEW_PATH}.metadata"
    assert trusting("explain", f"{OLD}.metadata").code == 2


def test_a_yanked_file_is_said_to_be(trusting: Cli, corp: Corp) -> None:
    corp.add("flask-4.0-py3-none-any.whl", b"bad", yanked="broken \u202e!")
    corp.add("flask-5.0-py3-none-any.whl", b"worse", yanked=True)
    corp.publish()
    ended = trusting("explain", "flask==4.0")
    assert "It was yanked: broken \\u202e!." in ended.out
    assert "It was yanked." in trusting("explain", "flask==5.0").out
    assert found(trusting("explain", "flask==4.0", "--json"))["yanked"] == "broken \u202e!"
    assert found(trusting("explain", "flask", "--json"))["path"] == NEW_PATH


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("flassk", 2, "The project flassk is not in the repository corp. Check its spelling"),
        ("flask==9", 2, "the nearest of 2 are 2.0, 3.0"),
        ("flask-9-py3-none-any.whl", 2, "is not in the page of flask"),
        ("packages/x/flask-9-py3-none-any.whl", 2, "is not in what the repository corp vouches for"),
        ("packages/../x", 2, "is not the path of a target"),
        ("not a requirement", 2, "neither a file nor a requirement"),
        ("", 2, "neither a file nor a requirement"),
        ("./no.whl", 2, "There is no file ./no.whl"),
        ("/no/such.whl", 2, "There is no file /no/such.whl"),
        ("https://elsewhere.example/a", 2, "is not in any trusted repository"),
        ("https://u:secret@elsewhere.example/a%2Fb", 2, "is not a URL of a file"),
        ("https://elsewhere.example/flask-2.0-py3-none-any.whl", 2, "is not the URL of a target"),
        ("{index}flassk/", 2, "The project flassk is not in the repository corp"),
        ("{index}flask/x/y", 2, "is not in what the repository corp vouches for"),
        ("x" * 5000, 2, ""),
        ("a\0b", 2, "a\\x00b"),
    ],
)
def test_what_is_not_vouched_for_is_an_error_with_a_next_step(
    trusting: Cli, corp: Corp, what: str, code: int, said: str
) -> None:
    ended = trusting("explain", what.replace("{index}", corp.index_url))
    assert ended.code == code
    assert said in " ".join(ended.err.split())
    assert "secret" not in ended.err
    assert len(ended.err.splitlines()) >= 2


def test_a_file_on_the_page_that_is_not_signed_yet(trusting: Cli, corp: Corp) -> None:
    corp.add("flask-4.0-py3-none-any.whl", b"fresh", signed=False)
    corp.publish()
    ended = trusting("explain", "flask", "--json")
    assert ended.code == 1
    assert ended.error["kind"] == "NotSignedYetError"
    assert "try again shortly" in ended.error["hint"]


def test_a_local_file_that_is_no_distribution(trusting: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    ended = trusting("explain", tmp_path / "notes.txt")
    assert ended.code == 2
    assert "neither a wheel nor an sdist" in ended.err


def test_a_file_named_like_a_project_is_not_meant(
    trusting: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flask").write_text("x", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert found(trusting("explain", "flask", "--json"))["path"] == NEW_PATH


def test_nothing_trusted_yet(cli: Cli) -> None:
    for text in ("flask", "simple/x", "a/b"):
        ended = cli("explain", text)
        assert ended.code == 2
        assert "No repository is trusted yet." in ended.err


def test_with_several_repositories_the_project_decides(trusting: Cli, corp: Corp, tmp_path: Path) -> None:
    other = Corp(tmp_path / "other", bins=False)
    other.add("flask-9.0-py3-none-any.whl", b"evil")
    other.sim.add_target("notes/x.txt", b"x")
    other.publish()
    trusting.config.write_text(corp.config + other.config.replace("corp", "other"), encoding="utf-8")
    assert found(trusting("explain", "flask", "--json"))["repository"] == "corp"
    value = found(trusting("explain", "flask", "--repository", "other", "--json"))
    assert value["path"].endswith("flask-9.0-py3-none-any.whl")
    ended = trusting("explain", "notes/x.txt")
    assert ended.code == 2
    assert "Add --repository NAME; there are corp, other." in ended.err
    for text, options in (("notes/x.txt", ["--repository", "other"]), (f"{other.base}notes/x.txt", [])):
        assert found(trusting("explain", text, *options, "--json"))["path"] == "notes/x.txt"
    assert trusting("explain", "flask", "--repository", "nobody").code == 2


@pytest.fixture
def warehouse(cli: Cli, corp: Corp) -> Corp:
    """Trust an index whose files are vouched for by their hash on a signed page alone."""
    digest = hashlib.sha256(b"new").hexdigest()
    html = f'<a href="https://files.example/{NEW}#sha256={digest}">{NEW}</a>'.encode()
    corp.sim.add_target("flask", html, algorithms=["blake2b-256"])
    page = corp.sim.roles[corp.sim.role_for("flask")].targets["flask"]
    corp.sim.served[f"{corp.base}flask/{page.hashes['blake2b-256']}.flask.html"] = html
    for url in [url for url in corp.sim.served if url.endswith(".flask")]:
        del corp.sim.served[url]
    corp.publish()
    cli.config.parent.mkdir(parents=True)
    cli.config.write_text(corp.config + 'layout = "warehouse"\n', encoding="utf-8")
    return corp


def test_a_file_that_a_page_vouches_for(cli: Cli, warehouse: Corp, tmp_path: Path) -> None:
    ended = cli("explain", "flask")
    assert ended.code == 0
    assert "the page of flask, which is signed and names" in ended.out
    (tmp_path / NEW).write_bytes(b"new")
    for text in ("flask", NEW, tmp_path / NEW, f"https://files.example/{NEW}"):
        value = found(cli("explain", text, "--json"))
        assert (value["vouched_by"], value["page"], value["length"]) == ("page", "flask", None)
    assert found(cli("explain", f"{warehouse.index_url}flask/", "--json"))["path"] == "flask"
    (tmp_path / NEW).write_bytes(b"old")
    assert cli("explain", tmp_path / NEW).code == 1


@pytest.mark.parametrize("text", [f"{NEW}.metadata", f"https://files.example/{NEW}.metadata"])
def test_a_sidecar_that_no_page_vouches_for(cli: Cli, warehouse: Corp, text: str) -> None:
    assert cli("explain", text).code == 2


def test_a_url_of_no_distribution_where_files_are_no_targets(cli: Cli, warehouse: Corp) -> None:
    ended = cli("explain", f"{warehouse.base}x/notes.txt")
    assert ended.code == 2
    assert "neither a wheel nor an sdist" in ended.err


def test_a_repository_without_an_index_url(trusting: Cli, corp: Corp) -> None:
    text = corp.config.replace(
        f'index-url = "{corp.index_url}"', f'metadata-url = "{corp.base}metadata/"\ntargets-url = "{corp.base}"'
    )
    trusting.config.write_text(text, encoding="utf-8")
    assert found(trusting("explain", f"{corp.base}{NEW_PATH}", "--json"))["path"] == NEW_PATH
    assert found(trusting("explain", "flask", "--json"))["path"] == NEW_PATH


def test_an_index_url_of_another_form(trusting: Cli, corp: Corp) -> None:
    text = corp.config.replace(
        f'index-url = "{corp.index_url}"',
        f'index-url = "{corp.base}pypi/"\nmetadata-url = "{corp.base}metadata/"\ntargets-url = "{corp.base}"',
    )
    trusting.config.write_text(text, encoding="utf-8")
    assert found(trusting("explain", f"{corp.base}pypi/flask/", "--json"))["path"] == "simple/flask/index.json"


def test_a_chain_with_a_gap_is_drawn_all_the_same(trusting: Cli, corp: Corp) -> None:
    def link(role: str, delegator: str) -> Link:
        expires = words.now() + timedelta(hours=5)
        return Link(role=role, version=1, expires=expires, delegator=delegator, signed_by=("k",), threshold=1, keys=1)

    class Fake:
        path, length, hashes, vouched_by, page = "x", None, {"sha256": "00"}, "target", None
        chain = (link("root", "root"), link("a", "nobody"), link("a", "a"))

    label, below = _branches(Fake(), words.now())  # type: ignore[arg-type]
    assert label.startswith("root")
    assert json.dumps(below).count("version 1") == 2
