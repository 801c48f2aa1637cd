"""`secure-fetch config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from .corp import Cli


def test_list_shows_each_setting_with_its_source(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECURE_FETCH_CACHE_DIR", "/cache\x1b")
    ended = cli("config", "list", "--no-keyring")
    assert ended.code == 0
    lines = {line.split()[0]: line for line in ended.out.splitlines() if line.strip()}
    assert "environment SECURE_FETCH_CACHE_DIR" in lines["cache-dir"]
    assert "/cache\\x1b" in lines["cache-dir"]
    assert "option --no-keyring" in lines["keyring"]
    assert "default" in lines["state-dir"]
    assert "(not there)" in lines["config"]


def test_list_as_json(cli: Cli) -> None:
    cli.config.parent.mkdir(parents=True)
    cli.config.write_text('[settings]\nproxy = "http://user:secret@proxy.example:8080/"\n', encoding="utf-8")
    ended = cli("config", "list", "--json")
    assert "secret" not in ended.out
    assert ended.json["files"][0] == {"kind": "user's file", "path": str(cli.config), "exists": True}
    found = {setting["name"]: (setting["value"], setting["source"]) for setting in ended.json["settings"]}
    assert found["proxy"] == ("http://proxy.example:8080/", f"user's file ({cli.config})")
    assert found["keyring"] == (True, "default")
    assert "secret" not in cli("config", "list").out


def test_path_is_where_trust_add_writes(cli: Cli) -> None:
    assert cli("config", "path", "-q").out == f"{cli.config}\n"
    assert cli("config", "path", "--json").json == {"path": str(cli.config)}
    assert cli("config", "path", "--config", "/x/y.toml").out == "/x/y.toml\n"
