"""Configuration files are changed without touching what else stands in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secure_fetch.cli import config_file
from secure_fetch.cli.settings import read_file
from secure_fetch.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

ENTRY = {"index-url": "https://index.example/simple/", "root": "roots/corp.json", "projects": ["a", "b-*"]}


def put(folder: Path, text: str, name: str = "config.toml") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def repositories(path: Path) -> Mapping[str, Any]:
    return read_file(path, "").repositories


TEXTS = [
    "",
    "# mine",
    "# mine\n\n[settings]\nkeyring = false # why\n",
    '[repositories.one]\nroot = "x"\nindex-url = "y"\n\n# about nothing\n',
    '[repositories]\n[repositories.one]\nroot = "x"\n[settings]\r\n',
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["corp", "my.corp", "Corp-1_2"])
def test_what_is_added_is_added_and_what_is_removed_leaves_no_trace(tmp_path: Path, text: str, name: str) -> None:
    path = put(tmp_path, text)
    config_file.add(path, name, ENTRY, remark="today")
    assert repositories(path)[name] == ENTRY
    assert path.read_bytes().decode().startswith(text)
    config_file.remove(path, name)
    assert path.read_bytes().decode().rstrip() == text.rstrip()


@settings(max_examples=12)
@given(st.lists(st.text(alphabet="ab.-", min_size=1, max_size=4), min_size=1, max_size=5, unique=True), st.data())
def test_any_order_of_adding_and_removing(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], data: Any
) -> None:
    path = put(tmp_path_factory.mktemp("x"), "# mine\n[settings]\n")
    for name in names:
        config_file.add(path, name, ENTRY, remark="today")
    for name in data.draw(st.permutations(names)):
        config_file.remove(path, name)
        assert name not in repositories(path)
    assert path.read_text("utf-8").rstrip() == "# mine\n[settings]"


def test_comments_of_neighbours_stay(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "# first\n[repositories.a]\n# inside a\nroot = '1'\n\n# about b\n[repositories.b]\nroot = '2'\n"
        "[repositories.b.limits]\nretries = 1\n\n# about settings\n[settings]\n",
    )
    config_file.remove(path, "b")
    assert path.read_text("utf-8") == (
        "# first\n[repositories.a]\n# inside a\nroot = '1'\n\n# about b\n\n# about settings\n[settings]\n"
    )


@pytest.mark.parametrize(
    "header",
    ["[repositories.'a.b']", '[ repositories . "a.b" ]', '[repositories."a.b"] # so', '  [repositories."a.b"]'],
)
def test_headers_in_any_spelling(tmp_path: Path, header: str) -> None:
    path = put(tmp_path, f"{header}\nroot = '1'\n[repositories.a]\nroot = '2'\n")
    config_file.remove(path, "a.b")
    assert path.read_text("utf-8") == "[repositories.a]\nroot = '2'\n"


@pytest.mark.parametrize(
    "text",
    [
        "repositories = {a = {root = '1'}}\n",
        "repositories.a.root = '1'\n",
        "[repositories]\na = {root = '1'}\n",
        "[settings]\n[repositories]\na.root = '[repositories.a]'\n",
    ],
)
def test_what_cannot_be_cut_safely_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = put(tmp_path, text)
    with pytest.raises(ConfigurationError, match="cannot be taken out of it safely") as caught:
        config_file.remove(path, "a")
    assert "by hand" in caught.value.hint
    assert path.read_text("utf-8") == text


def test_a_header_inside_of_a_text_is_no_header(tmp_path: Path) -> None:
    path = put(tmp_path, "[repositories.b]\nroot = '''\n[repositories.a]\n'''\n[repositories.a]\nroot = '1'\n")
    with pytest.raises(ConfigurationError, match="cannot be taken out"):
        config_file.remove(path, "a")
    assert set(repositories(path)) == {"a", "b"}


def test_where_nothing_can_be_added_the_text_to_add_is_told(tmp_path: Path) -> None:
    path = put(tmp_path, "repositories = {}\n")
    with pytest.raises(ConfigurationError, match="nothing can be added") as caught:
        config_file.add(path, "corp", ENTRY, remark="today")
    assert "[repositories.corp]" in caught.value.hint
    assert path.read_text("utf-8") == "repositories = {}\n"


def test_json_is_rewritten_whole(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    config_file.add(path, "corp", ENTRY, remark="today")
    config_file.add(path, "other", ENTRY, remark="today")
    config_file.remove(path, "corp")
    assert json.loads(path.read_text("utf-8")) == {"repositories": {"other": ENTRY}}


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    real = put(tmp_path, "# mine\n", "dotfiles.toml")
    real.chmod(0o640)
    link = tmp_path / "config.toml"
    link.symlink_to(real)
    config_file.add(link, "corp", ENTRY, remark="today")
    assert link.is_symlink()
    assert "corp" in real.read_text("utf-8")
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    config_file.add(path, "corp", ENTRY, remark="today")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    path = tmp_path / "file" / "config.toml"
    with pytest.raises(StoreError) as caught:
        config_file._write(path, "")
    assert "--config" in caught.value.hint
    with pytest.raises(StoreError) as caught:
        config_file.keep_root(config_file.root_path(path, "corp"), b"")
    assert "--config" in caught.value.hint
    with pytest.raises(StoreError):
        config_file.drop_root(path)


def test_a_loop_of_links(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.symlink_to(path)
    with pytest.raises(ConfigurationError):
        config_file.add(path, "corp", ENTRY, remark="today")


def test_roots_of_names_that_differ_in_case_are_apart(tmp_path: Path) -> None:
    paths = {config_file.root_path(tmp_path / "config.toml", name).name.lower() for name in ("corp", "Corp", "CORP")}
    assert len(paths) == 3
