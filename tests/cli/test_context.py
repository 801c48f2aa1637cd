"""What commands work with: clients made once, ways to a repository, folders."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import pytest

from secure_fetch.cli.context import Context
from secure_fetch.errors import ConfigurationError, NotFoundError
from secure_fetch.transport import FolderTransport, HTTPTransport
from tests.servers import Server

if TYPE_CHECKING:
    from .corp import Cli, Corp


def context(**options: Any) -> Context:
    return Context(argparse.Namespace(**options))


def test_one_client_for_each_repository(trusting: Cli, corp: Corp) -> None:
    text = corp.config + 'projects = ["flask"]\n' + corp.config.replace("corp", "other")
    trusting.config.write_text(text, encoding="utf-8")
    with context() as made:
        clients = made.clients()
        assert clients.for_project("Flask") is clients.named("corp") is clients.for_project("flask")
        assert clients.for_project("else") is clients.named("other")
        with pytest.raises(ConfigurationError):
            clients.named("nobody")
        clients.close()
        assert clients.named("corp") is clients.named("corp")


def test_only_the_first_match_is_ever_asked(trusting: Cli, corp: Corp) -> None:
    trusting.config.write_text(corp.config + 'projects = ["flask"]\n', encoding="utf-8")
    with context() as made, pytest.raises(NotFoundError):
        made.clients().for_project("other")


def test_files_come_from_folders_and_all_else_over_http(trusting: Cli, corp: Corp) -> None:
    text = corp.config + corp.config.replace("corp", "web").replace(corp.index_url, "https://index.example/simple/")
    trusting.config.write_text(text, encoding="utf-8")
    with context() as made:
        files, web = made.configuration().repositories
        assert isinstance(made.transport(files), FolderTransport)
        transport = made.transport(web)
        assert isinstance(transport, HTTPTransport)
        transport.close()


def test_a_certificate_that_is_none_is_named(trusting: Cli, corp: Corp) -> None:
    text = corp.config.replace(corp.index_url, "https://index.example/simple/")
    trusting.config.write_text(text, encoding="utf-8")
    ended = trusting("refresh", "--cert", corp.root)
    assert ended.code == 2
    assert str(corp.root) in ended.err


def test_a_repository_without_an_index_url_over_http(trusting: Cli, corp: Corp) -> None:
    text = corp.config.replace(
        f'index-url = "{corp.index_url}"',
        'metadata-url = "https://index.example/m/"\ntargets-url = "https://index.example/t/"',
    )
    trusting.config.write_text(text, encoding="utf-8")
    with context(proxy="http://proxy.example:8080") as made:
        (repository,) = made.configuration().repositories
        made.transport(repository).close()


def test_the_proxy_that_was_set_is_the_one_that_is_asked(trusting: Cli, corp: Corp) -> None:
    text = corp.config.replace(corp.index_url, "http://index.example/simple/")
    trusting.config.write_text(text + "[repositories.corp.limits]\nretries = 0\n", encoding="utf-8")
    with Server() as proxy:
        ended = trusting("refresh", "--proxy", f"http://user:secret@127.0.0.1:{proxy.port}")
    assert ended.code in (1, 3)
    assert "secret" not in ended.err
    assert proxy.log[0].path == "http://index.example/metadata/2.root.json"
