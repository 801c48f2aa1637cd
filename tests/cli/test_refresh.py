"""`secure-fetch refresh`: versions and expiry in words, and each repository's own error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .corp import Corp

if TYPE_CHECKING:
    from pathlib import Path

    from .corp import Cli


def test_a_table_of_roles_with_expiry_in_words(trusting: Cli) -> None:
    ended = trusting("refresh")
    assert ended.code == 0
    rows = [line.split() for line in ended.out.splitlines() if line.strip()[:4] == "corp"]
    assert [row[1:3] for row in rows] == [["root", "1"], ["timestamp", "4"], ["snapshot", "4"], ["targets", "2"]]
    assert "in 23 hours" in ended.out
    assert "in 20 days" in ended.out
    assert ended.err == ""


def test_the_same_as_json(trusting: Cli) -> None:
    (row,) = trusting("refresh", "corp", "--json").json["repositories"]
    assert row["name"] == "corp"
    assert row["expires_in"] == "in 23 hours"
    assert row["roles"][1]["role"] == "timestamp"
    assert row["roles"][1]["version"] == 4
    assert row["expires"] == row["roles"][1]["expires"]
    assert row["expires"].endswith("Z")


def test_nothing_trusted_yet(cli: Cli) -> None:
    ended = cli("refresh")
    assert ended.code == 2
    assert "No repository is trusted yet." in ended.err
    assert "secure-fetch trust add" in ended.err


def test_a_misspelt_name(trusting: Cli) -> None:
    ended = trusting("refresh", "crop")
    assert ended.code == 2
    assert "Did you mean corp?" in ended.err


def test_an_index_that_is_down(trusting: Cli, corp: Corp) -> None:
    url = "http://127.0.0.1:1/simple/"
    trusting.config.write_text(
        corp.config.replace(corp.index_url, url) + "[repositories.corp.limits]\nretries = 0\n", encoding="utf-8"
    )
    ended = trusting("refresh")
    assert ended.code == 3
    assert "http://127.0.0.1:1/metadata/2.root.json could not be fetched" in ended.err
    assert "trouble with the network" in ended.err
    assert trusting("refresh", "--json").error["suspicion"] == "network"


@pytest.fixture
def two(trusting: Cli, corp: Corp, tmp_path: Path) -> Corp:
    """Trust another index too."""
    other = Corp(tmp_path / "other", bins=False)
    trusting.config.write_text(corp.config + other.config.replace("corp", "other"), encoding="utf-8")
    return other


def test_all_of_them_are_refreshed(trusting: Cli, two: Corp) -> None:
    ended = trusting("refresh")
    assert ended.code == 0
    assert "Refreshing corp …" in ended.err
    assert "Refreshing other …" in ended.err
    names = [row["name"] for row in trusting("refresh", "--json", "-q").json["repositories"]]
    assert names == ["corp", "other"]


def test_one_that_fails_does_not_stop_the_others(trusting: Cli, two: Corp, corp: Corp) -> None:
    timestamp = corp.folder / "metadata" / "timestamp.json"
    timestamp.write_bytes(timestamp.read_bytes().replace(b'"version":', b'"version":1'))
    ended = trusting("refresh", "-q")
    assert ended.code == 1
    assert "error: timestamp has 0 valid signature(s)" in ended.err
    assert "other" in ended.out
    found = trusting("refresh", "--json")
    assert found.code == 1
    assert [row.get("error", {}).get("kind") for row in found.json["repositories"]] == ["SignatureError", None]


def test_the_gravest_exit_code_counts(trusting: Cli, two: Corp, corp: Corp) -> None:
    (two.folder / "metadata").rename(two.folder / "gone")
    assert trusting("refresh", "-q").code in (1, 3)
    timestamp = corp.folder / "metadata" / "timestamp.json"
    timestamp.write_bytes(timestamp.read_bytes().replace(b'"version":', b'"version":1'))
    assert trusting("refresh", "-q").code == 1


def test_a_rollback_is_told_with_its_versions(trusting: Cli, corp: Corp) -> None:
    timestamp = corp.folder / "metadata" / "timestamp.json"
    old = timestamp.read_bytes()
    corp.publish()
    trusting("refresh")
    timestamp.write_bytes(old)
    ended = trusting("refresh", "--json")
    assert ended.code == 1
    assert ended.error["kind"] == "RollbackError"
    assert (ended.error["held"], ended.error["offered"]) == (5, 4)


@pytest.mark.parametrize(("option", "variable"), [("cache-dir", "CACHE_DIR"), ("state-dir", "STATE_DIR")])
def test_a_folder_that_cannot_be_written(trusting: Cli, option: str, variable: str) -> None:
    (trusting.home / "file").write_text("", encoding="utf-8")
    ended = trusting("refresh", f"--{option}", trusting.home / "file" / "x")
    assert ended.code == 3
    assert str(trusting.home / "file" / "x") in ended.err
    assert f"--{option} or SECURE_FETCH_{variable}" in ended.err
    assert "trouble with the disk" in ended.err
