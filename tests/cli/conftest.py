"""A user with an empty home, and an index that this user may come to trust."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from .corp import Cli, Corp, environment, expire_late

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN = ("SECURE_FETCH_", "PIP_", "XDG_", "REQUESTS_CA", "CURL_CA")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process one of a user with an empty home folder."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or "PROXY" in name.upper():
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    for name, value in environment(folder).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run commands as this user."""
    return Cli(home=home, capsys=capsys)


@pytest.fixture
def corp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corp:
    """Make a signed index with two releases of flask."""
    expire_late(monkeypatch)
    index = Corp(tmp_path / "index")
    index.add("flask-2.0-py3-none-any.whl", b"old")
    index.add("flask-3.0-py3-none-any.whl", b"new" * 500)
    index.publish()
    return index


@pytest.fixture
def trusting(cli: Cli, corp: Corp) -> Cli:
    """Be a user who trusts that index."""
    cli.config.parent.mkdir(parents=True)
    cli.config.write_text(corp.config, encoding="utf-8")
    return cli
