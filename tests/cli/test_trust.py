"""`secure-fetch trust`: what is trusted from now on, shown, and no longer."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from secure_fetch.cli.settings import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from .corp import Cli, Corp


def entries(cli: Cli) -> Mapping[str, Any]:
    return read_file(cli.config, "").repositories


def add(cli: Cli, corp: Corp, *more: object, name: str = "corp") -> Any:
    return cli("trust", "add", name, "--index-url", corp.index_url, "--root", corp.root, *more)


def test_without_a_fingerprint_it_is_shown_with_the_keys_and_the_advice_to_compare(cli: Cli, corp: Corp) -> None:
    ended = add(cli, corp)
    assert ended.code == 0
    assert f"Fingerprint: {corp.fingerprint}" in ended.out
    assert "another way than you got the file" in ended.out
    key = corp.sim.signers["root"][0].public_key.keyid
    assert f"root: 1 of 1 key(s) {key[:8]}" in ended.out
    assert entries(cli) == {"corp": {"index-url": corp.index_url, "root": "roots/corp.json"}}
    assert (cli.config.parent / "roots" / "corp.json").read_bytes() == corp.root.read_bytes()
    assert cli("refresh").code == 0


def test_with_the_right_fingerprint_it_is_added_without_a_word_about_it(cli: Cli, corp: Corp) -> None:
    ended = add(cli, corp, "--fingerprint", corp.fingerprint.upper().replace("SHA256", "sha256"), "--json")
    assert ended.code == 0
    assert ended.json["compared"] is True
    assert ended.json["fingerprint"] == corp.fingerprint
    assert ended.json["root"]["version"] == 1
    assert ended.json["root"]["roles"]["root"]["threshold"] == 1
    assert "Fingerprint" not in add(cli, corp, "--fingerprint", corp.fingerprint, name="other").out


def test_another_fingerprint_adds_nothing(cli: Cli, corp: Corp) -> None:
    wrong = "sha256:" + "0" * 64
    ended = add(cli, corp, "--fingerprint", wrong)
    assert ended.code == 1
    assert corp.fingerprint in ended.err
    assert wrong in ended.err
    assert "Nothing was added." in ended.err
    assert list(cli.home.iterdir()) == []
    assert add(cli, corp, "--fingerprint", wrong, "--json").error["kind"] == "VerificationError"


@pytest.mark.parametrize("text", ["sha256:12", "md5:" + "0" * 32, "x"])
def test_what_is_no_fingerprint(cli: Cli, corp: Corp, text: str) -> None:
    ended = add(cli, corp, "--fingerprint", text)
    assert ended.code == 2
    assert "64 hexadecimal digits" in ended.err


def test_every_option_lands_in_the_file(cli: Cli, corp: Corp) -> None:
    ended = add(
        *(cli, corp, "--metadata-url", f"{corp.base}metadata/", "--metadata-url", "https://two.example/metadata/"),
        *("--targets-url", corp.base, "--layout", "flat", "--projects", "corp-*", "flask", "--hash-prefix-targets"),
    )
    assert ended.code == 0
    assert entries(cli)["corp"] == {
        "index-url": corp.index_url,
        "metadata-url": [f"{corp.base}metadata/", "https://two.example/metadata/"],
        "targets-url": [corp.base],
        "layout": "flat",
        "projects": ["corp-*", "flask"],
        "hash-prefix-targets": True,
        "root": "roots/corp.json",
    }
    assert add(cli, corp, "--no-hash-prefix-targets", name="other").code == 0
    assert entries(cli)["other"]["hash-prefix-targets"] is False


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@index.example/simple/",
        "https://secret@index.example/simple/",
        "https://:secret@index.example/simple/",
        "https://${USER}x:${PASSWORD}secret@index.example/simple/",
    ],
)
def test_credentials_are_not_stored(cli: Cli, corp: Corp, url: str) -> None:
    ended = cli("trust", "add", "corp", "--root", corp.root, "--index-url", url)
    assert ended.code == 2
    assert "credentials are never stored" in ended.err
    assert "netrc or keyring" in ended.err
    assert "https://${INDEX_USER}:${INDEX_PASSWORD}@index.example/simple/" in ended.err
    assert "secret" not in ended.err
    assert not cli.config.exists()


def test_variables_in_place_of_credentials_are_stored_as_they_are(cli: Cli, corp: Corp) -> None:
    url = "https://${INDEX_USER}:${INDEX_PASSWORD}@index.example/simple/"
    assert cli("trust", "add", "corp", "--root", corp.root, "--index-url", url).code == 0
    assert entries(cli)["corp"]["index-url"] == url
    checked = cli("trust", "add", "other", "--root", corp.root, "--index-url", url, "--check")
    assert checked.code == 2
    assert "the environment variable INDEX_USER is not set" in checked.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--index-url", "https://index.example/"], "does not end in /simple/"),
        (
            ["--index-url", "index.example/simple/"],
            "error: secure-fetch trust add, repository corp: `index-url` is neither an http, https nor file URL",
        ),
        (["--index-url", "https://index.example/simple/?a=b"], "does not end in /simple/"),
        (["--metadata-url", "https://x.example/?x", "--targets-url", "https://x.example/"], "URL without a query"),
        (["--metadata-url", "https://index.example/m/"], "targets-url"),
        ([], "index-url"),
        (["--index-url", "https://index.example/simple/", "--layout", "oval"], "oval"),
    ],
)
def test_what_is_no_repository_is_refused(cli: Cli, corp: Corp, options: list[str], said: str) -> None:
    ended = cli("trust", "add", "corp", "--root", corp.root, *options)
    assert ended.code == 2
    assert said in ended.err
    assert not cli.config.exists()


def test_a_name_that_is_none(cli: Cli, corp: Corp) -> None:
    assert "not a name for a repository" in add(cli, corp, name="../x").err


def test_a_name_that_is_taken(trusting: Cli, corp: Corp) -> None:
    before = trusting.config.read_bytes()
    ended = add(trusting, corp)
    assert ended.code == 2
    assert f"There is a repository corp already, in {trusting.config}" in ended.err
    assert "secure-fetch trust remove corp" in ended.err
    assert trusting.config.read_bytes() == before


def test_a_root_that_cannot_be_read(cli: Cli, corp: Corp, tmp_path: Path) -> None:
    ended = cli("trust", "add", "corp", "--index-url", corp.index_url, "--root", tmp_path / "no.json")
    assert ended.code == 2
    assert "no.json cannot be read: no such file" in ended.err
    assert "1.root.json" in ended.err


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"signatures": [], "signed": {}}'])
def test_a_root_that_is_none(cli: Cli, corp: Corp, data: bytes) -> None:
    corp.root.write_bytes(data)
    ended = add(cli, corp)
    assert ended.code == 1
    assert "is no root to trust" in ended.err
    assert not cli.config.exists()


def test_a_root_that_its_own_keys_did_not_sign(cli: Cli, corp: Corp) -> None:
    signed = json.loads(corp.root.read_bytes())
    signed["signed"]["version"] = 2
    corp.root.write_text(json.dumps(signed), encoding="utf-8")
    ended = add(cli, corp, "--json")
    assert ended.code == 1
    assert ended.error["kind"] == "SignatureError"


def test_an_expired_root_is_added_with_a_warning(cli: Cli, corp: Corp) -> None:
    corp.sim.root.expires = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=3, hours=1)
    corp.root.write_bytes(corp.sim.sign("root"))
    ended = add(cli, corp)
    assert ended.code == 0
    assert "warning: This root expired 3 days ago." in ended.err


def test_with_check_it_is_added_only_if_the_index_is_well(cli: Cli, corp: Corp) -> None:
    timestamp = corp.folder / "metadata" / "timestamp.json"
    good = timestamp.read_bytes()
    timestamp.write_bytes(good.replace(b'"version":', b'"version":1'))
    assert add(cli, corp, "--check").code == 1
    assert not cli.config.exists()
    timestamp.write_bytes(good)
    ended = add(cli, corp, "--check", "--json")
    assert (ended.code, ended.json["checked"]) == (0, True)


def test_the_network_is_not_touched_without_check(cli: Cli, corp: Corp) -> None:
    ended = cli("trust", "add", "corp", "--index-url", "http://127.0.0.1:1/simple/", "--root", corp.root)
    assert ended.code == 0


def test_a_configuration_that_cannot_be_written(cli: Cli, corp: Corp) -> None:
    (cli.home / "config").write_text("in the way", encoding="utf-8")
    ended = add(cli, corp, "--config", cli.home / "config" / "x.toml")
    assert ended.code in (2, 3)
    assert "config" in ended.err


def test_no_root_stays_behind_where_the_configuration_cannot_take_it(cli: Cli, corp: Corp) -> None:
    cli.config.parent.mkdir(parents=True)
    cli.config.write_text("repositories = {}\n", encoding="utf-8")
    ended = add(cli, corp)
    assert ended.code == 2
    assert "Add this by hand" in ended.err
    assert list((cli.config.parent / "roots").iterdir()) == []


def test_list(trusting: Cli, corp: Corp) -> None:
    (trusting.home / "system" / "secure-fetch").mkdir(parents=True)
    system = trusting.home / "system" / "secure-fetch" / "config.toml"
    text = corp.config.replace("corp", "wide") + 'projects = ["a", "b-*"]\n'
    system.write_text(text + corp.config.replace("index/simple", "hidden/simple"), encoding="utf-8")
    ended = trusting("trust", "list")
    assert ended.code == 0
    assert corp.index_url in ended.out
    assert "a b-*" in ended.out
    assert "hidden" not in ended.out  # the user's file is stronger
    found = {row["name"]: row for row in trusting("trust", "list", "--json").json["repositories"]}
    assert found["corp"] == {
        "name": "corp",
        "url": corp.index_url,
        "projects": ["*"],
        "file": str(trusting.config),
    }
    assert found["wide"]["file"] == str(system)


@pytest.mark.parametrize(("projects", "warned"), [(None, True), (["corp-*"], False), (["a", "*"], True)])
def test_a_repository_that_would_never_be_asked(
    cli: Cli, corp: Corp, projects: list[str] | None, *, warned: bool
) -> None:
    limit = [] if projects is None else ["--projects", *projects]
    assert cli("trust", "add", "first", "--index-url", corp.index_url, "--root", corp.root, *limit).err == ""
    ended = cli("trust", "add", "second", "--index-url", corp.index_url, "--root", corp.root)
    assert ended.code == 0
    assert ("first is asked first and may supply every project, so second is never asked." in ended.err) == warned


def test_list_of_nothing_says_what_to_do(cli: Cli) -> None:
    ended = cli("trust", "list")
    assert ended.code == 0
    assert "secure-fetch trust add NAME" in ended.out
    assert cli("trust", "list", "--json").json == {"repositories": []}


def test_list_shows_no_credentials(trusting: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDEX_PASSWORD", "secret")
    text = trusting.config.read_text("utf-8").splitlines()[2]
    trusting.config.write_text(
        f'[repositories.corp]\nindex-url = "https://user:${{INDEX_PASSWORD}}@index.example/simple/"\n{text}\n',
        encoding="utf-8",
    )
    for arguments in (["list"], ["list", "--json"], ["show", "corp"], ["show", "corp", "--json"]):
        ended = trusting("trust", *arguments)
        assert ended.code == 0
        assert "https://index.example/simple/" in ended.out
        assert "secret" not in ended.out


def test_show_tells_of_root_keys_expiry_and_of_what_is_held(trusting: Cli, corp: Corp) -> None:
    before = trusting("trust", "show", "corp")
    assert "never updated" in before.out
    assert "timestamp version" not in before.out
    assert trusting("trust", "show", "corp", "--json").json["held"]["timestamp"] is None
    corp.sim.rotate("targets")
    corp.sim.write("targets")
    corp.publish()
    trusting("refresh")
    ended = trusting("trust", "show", "corp")
    key = corp.sim.signers["targets"][0].public_key.keyid
    for said in (
        f"configured root: version 1, {corp.fingerprint}",
        "root now: version 2, expires in 20 days",
        f"{key[:8]} ed25519",
        "targets: 1 of 1 key(s)",
        "timestamp version 5, expires in 23 hours",
        "last updated less than a minute ago",
        str(trusting.state / "corp"),
    ):
        assert said in ended.out
    found = trusting("trust", "show", "corp", "--json").json
    assert found["configured_root"] == {"version": 1, "fingerprint": corp.fingerprint}
    assert found["root"]["version"] == 2
    assert found["held"]["highest_root"] == 2
    assert found["held"]["timestamp"]["version"] == 5
    assert found["root"]["roles"]["targets"] == {"threshold": 1, "keys": [{"keyid": key, "scheme": "ed25519"}]}


def test_show_believes_nothing_that_lies_on_the_disk(trusting: Cli, corp: Corp) -> None:
    corp.sim.rotate("targets")
    corp.sim.write("targets")
    corp.publish()
    trusting("refresh")
    folder = trusting.state / "corp" / "v1"
    for path in [*folder.glob("root/2-*.json"), *folder.glob("timestamp/*.json")]:
        path.write_bytes(path.read_bytes().replace(b'"version":', b'"version":1'))
    found = trusting("trust", "show", "corp", "--json").json
    assert found["root"]["version"] == 1
    assert found["held"]["timestamp"] is None
    assert found["held"]["highest_root"] == 2


def test_show_of_nobody(trusting: Cli) -> None:
    ended = trusting("trust", "show", "crop")
    assert ended.code == 2
    assert "corp" in ended.err


def test_remove_keeps_the_memory_unless_told_otherwise(cli: Cli, corp: Corp) -> None:
    add(cli, corp)
    cli("refresh")
    ended = cli("trust", "remove", "corp")
    assert ended.code == 0
    assert "--forget drops them" in ended.out
    assert entries(cli) == {}
    assert not (cli.config.parent / "roots" / "corp.json").exists()
    assert (cli.state / "corp").exists()
    again = cli("trust", "remove", "corp")
    assert again.code == 2
    assert "There is no repository 'corp'." in again.err
    forgotten = cli("trust", "remove", "corp", "--forget", "--json")
    assert forgotten.json == {"name": "corp", "removed": False, "forgotten": True}
    assert not (cli.state / "corp").exists()
    assert cli("trust", "remove", "corp", "--forget").code == 2


def test_remove_and_forget_at_once(cli: Cli, corp: Corp) -> None:
    add(cli, corp)
    cli("refresh")
    ended = cli("trust", "remove", "corp", "--forget")
    assert "forgotten" in ended.out
    assert not (cli.state / "corp").exists()
    add(cli, corp)
    assert cli("trust", "remove", "corp", "--forget", "--json").json["forgotten"] is False


def test_remove_leaves_a_root_that_lies_elsewhere(trusting: Cli, corp: Corp) -> None:
    assert trusting("trust", "remove", "corp").code == 0
    assert corp.root.exists()


def test_remove_works_where_the_root_is_lost(cli: Cli, corp: Corp) -> None:
    add(cli, corp)
    (cli.config.parent / "roots" / "corp.json").unlink()
    assert cli("trust", "list").code == 2
    assert cli("trust", "remove", "corp").code == 0


def test_remove_leaves_the_system_alone_and_says_when_that_counts_now(trusting: Cli, corp: Corp) -> None:
    system = trusting.home / "system" / "secure-fetch" / "config.toml"
    system.parent.mkdir(parents=True)
    system.write_text(corp.config, encoding="utf-8")
    ended = trusting("trust", "remove", "corp")
    assert ended.code == 0
    assert f"also configured in {system}" in ended.err
    refused = trusting("trust", "remove", "corp")
    assert refused.code == 2
    assert "not yours to change" in refused.err
    assert system.read_text("utf-8") == corp.config


def test_remove_never_leaves_its_folder(cli: Cli) -> None:
    cli.state.mkdir(parents=True)
    for name in ("..", "../secure-fetch", ".", "a/b"):
        assert "not a name for a repository" in cli("trust", "remove", name, "--forget").err


def test_memory_that_cannot_be_deleted(trusting: Cli) -> None:
    trusting.state.mkdir(parents=True)
    (trusting.state / "corp").write_text("not a folder", encoding="utf-8")
    ended = trusting("trust", "remove", "corp", "--forget")
    assert ended.code == 3
    assert str(trusting.state / "corp") in ended.err


def test_the_fingerprint_is_that_of_the_file(corp: Corp) -> None:
    assert corp.fingerprint == "sha256:" + hashlib.sha256(corp.root.read_bytes()).hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_what_add_writes_is_private(cli: Cli, corp: Corp) -> None:
    add(cli, corp)
    for path in (cli.config, cli.config.parent / "roots" / "corp.json"):
        assert path.stat().st_mode & 0o077 == 0
