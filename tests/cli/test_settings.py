"""Where a setting comes from, and that none comes from the folder that a command runs in."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import pytest

from secure_fetch.cli.settings import KNOWN, Settings
from secure_fetch.errors import ConfigurationError

if TYPE_CHECKING:
    from .corp import Cli

USER = Path("config/secure-fetch/config.toml")
SYSTEM = Path("system/secure-fetch/config.toml")


def settings(**options: Any) -> Settings:
    return Settings(argparse.Namespace(**options))


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_strongest_source_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().get("proxy").source == "default"
    put(home / SYSTEM, '[settings]\nproxy = "http://system.example"\n')
    assert settings().get("proxy").source == f"system's file ({home / SYSTEM})"
    put(home / USER, '[settings]\nproxy = "http://user.example"\n')
    assert settings().get("proxy").source == f"user's file ({home / USER})"
    monkeypatch.setenv("PIP_PROXY", "http://pip.example")
    assert settings().get("proxy").source == "environment PIP_PROXY"
    monkeypatch.setenv("SECURE_FETCH_PROXY", "http://environment.example")
    assert settings().get("proxy").source == "environment SECURE_FETCH_PROXY"
    option = settings(proxy="http://option.example").get("proxy")
    assert (option.value, option.source) == ("http://option.example", "option --proxy")


def test_an_empty_value_is_no_value(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / USER, '[settings]\ncert = ""\n')
    monkeypatch.setenv("SECURE_FETCH_CERT", "")
    assert settings().get("cert").value is None


def test_certificates_may_come_from_the_variables_of_pip_and_requests(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/requests.pem")
    assert settings().path("cert") == "/requests.pem"
    monkeypatch.setenv("PIP_CERT", "/pip.pem")
    assert settings().path("cert") == "/pip.pem"


def test_nothing_is_read_from_the_current_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    for name in ("config.toml", "secure-fetch/config.toml", ".config/secure-fetch/config.toml", "~/.config/x"):
        put(project / name, '[settings]\nproxy = "http://evil.example"\n')
    monkeypatch.chdir(project)
    assert settings().get("proxy").value is None
    for relative in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(relative, ".")
    assert settings().get("proxy").value is None


def test_a_configuration_that_is_named_stands_for_all_others(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / USER, '[settings]\nproxy = "http://user.example"\n')
    put(tmp_path / "c.toml", '[settings]\ncert = "ca.pem"\nkeyring = false\n')
    monkeypatch.setenv("SECURE_FETCH_CONFIG", str(tmp_path / "c.toml"))
    found = settings()
    assert found.get("proxy").value is None
    assert found.path("cert") == str(tmp_path / "ca.pem")  # beside the file, wherever the command runs
    assert found.get("keyring").value is False
    assert found.files[0].kind == "environment SECURE_FETCH_CONFIG"
    assert settings(config=str(home / USER)).files[0].kind == "option --config"


def test_paths_are_relative_to_where_they_were_typed_and_may_begin_at_home(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings(cache_dir="c").folder("cache-dir") == tmp_path / "c"
    assert settings(cache_dir="~/c").folder("cache-dir") == home / "c"


@pytest.mark.parametrize(("text", "value"), [("1", True), ("No", False), ("off", False), ("TRUE", True)])
def test_switches_in_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("SECURE_FETCH_KEYRING", text)
    assert settings().get("keyring").value is value


def test_a_switch_that_is_neither(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECURE_FETCH_KEYRING", "perhaps")
    with pytest.raises(ConfigurationError, match="SECURE_FETCH_KEYRING: 'perhaps'"):
        settings().get("keyring")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[settings]\nprxy = "x"\n', "unknown setting `prxy`"),
        ("[settings]\nproxy = 1\n", "`proxy` should be of the type str"),
        ('[settings]\nkeyring = "no"\n', "`keyring` should be of the type bool"),
        ("settings = 1\n", "`settings` is not a table"),
        ("settings = [\n", "cannot be read"),
        ("[setings]\n", "unknown key `setings`"),
        ("repositories = 1\n", "`repositories` is not a table"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(home: Path, text: str, said: str) -> None:
    put(home / USER, text)

    def read_all() -> None:
        found = settings()
        found.all()
        _ = found.files[0].repositories
        found.files[0].configuration({})

    with pytest.raises(ConfigurationError, match="config.toml.*" + said):
        read_all()


def test_a_file_that_cannot_be_read(home: Path) -> None:
    (home / USER).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"config[.]toml cannot be read: is a directory"):
        settings()


def be_homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user without HOME and without an entry in the system's list of users, as in many containers."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


def test_without_a_home_the_places_have_to_be_named(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    be_homeless(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for arguments, names in (
        (["cache", "dir"], ("--cache-dir DIR", "SECURE_FETCH_CACHE_DIR")),
        (["trust", "remove", "corp", "--forget"], ("--state-dir DIR", "SECURE_FETCH_STATE_DIR")),
        (["config", "path"], ("--config FILE", "SECURE_FETCH_CONFIG")),
    ):
        ended = cli(*arguments)
        assert ended.code == 2
        assert "has no home folder (HOME is not set)" in ended.err
        assert all(name in ended.err for name in names)
    listed = cli("config", "list", "--json")
    assert listed.code == 0
    sources = {setting["name"]: setting["source"] for setting in listed.json["settings"]}
    assert sources["state-dir"] == "default, but there is no home folder"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]  # nothing called "~"
    monkeypatch.setenv("SECURE_FETCH_STATE_DIR", str(tmp_path / "state"))
    assert settings().folder("state-dir") == tmp_path / "state"


def test_a_home_that_is_typed_but_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no home folder"):
        settings(config="~nobody-of-this-name/x")


def test_where_one_folder_is_everything_state_keeps_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / "support"))
    assert settings().folder("state-dir") == home / "support" / "secure-fetch" / "state"


def test_every_setting_can_be_asked_for(home: Path) -> None:
    assert [setting.key for setting in settings().all()] == [known.key for known in KNOWN]


def test_values_stay_out_of_a_repr(home: Path) -> None:
    assert "secret" not in repr(settings(proxy="http://u:secret@x.example").get("proxy"))


def test_a_file_that_was_named_has_to_be_there(cli: Cli, tmp_path: Path) -> None:
    for arguments in (["refresh"], ["trust", "list"], ["explain", "x"]):
        ended = cli(*arguments, "--config", tmp_path / "no.toml")
        assert ended.code == 2
        assert f"There is no configuration file {tmp_path / 'no.toml'} (option --config)." in ended.err


def test_a_home_of_older_days(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old versions of platformdirs return a path that begins with the name "~" where there is no home."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/secure-fetch"))
    with pytest.raises(ConfigurationError, match="no home folder"):
        settings().folder("cache-dir")
