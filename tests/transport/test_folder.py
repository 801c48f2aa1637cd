"""FolderTransport: a mirror on disk, and nothing beside it."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secure_fetch.errors import AbsentError, ConfigurationError, LimitError, SecureFetchError, TransportError
from secure_fetch.transport import FolderTransport, fetch
from tests.quick import get, within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE = "https://index.example/mirror/"
DATA = bytes(range(256)) * 3000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mirror"
    (root / "metadata").mkdir(parents=True)
    (root / "file.whl").write_bytes(DATA)
    (root / "metadata" / "a b~%25é.json").write_bytes(b"{}")
    (root / "empty").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "mirror-too").mkdir()
    (tmp_path / "mirror-too" / "x").write_bytes(b"secret")
    return root


def test_files_by_base_url_and_by_file_url(folder: Path) -> None:
    transport = FolderTransport({BASE: folder})
    assert get(transport, BASE + "file.whl") == DATA
    assert get(transport, (folder / "file.whl").as_uri()) == DATA
    assert fetch(transport, BASE + "empty", max_length=0, deadline=5) == b""
    transport.close()
    transport = FolderTransport.from_urls(folder.as_uri(), (folder / "metadata").as_uri() + "/")
    assert get(transport, folder.as_uri() + "/file.whl") == DATA


def test_names_are_decoded_once(folder: Path) -> None:
    transport = FolderTransport({BASE.rstrip("/"): str(folder)})
    assert get(transport, BASE + "metadata/a%20b%7e%2525%C3%A9.json?x#y") == b"{}"
    with pytest.raises(AbsentError):
        get(transport, BASE + "metadata/a%20b%7e%252525%C3%A9.json")


def test_the_longest_base_counts(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.json").write_bytes(b"other")
    transport = FolderTransport({BASE: folder, BASE + "metadata/": tmp_path / "other"})
    assert get(transport, BASE + "metadata/x.json") == b"other"


def test_the_limit_comes_before_the_bytes(folder: Path) -> None:
    transport = FolderTransport({BASE: folder})
    assert get(transport, BASE + "file.whl", max_length=len(DATA)) == DATA
    for limit in (0, 10, len(DATA) - 1):
        with pytest.raises(LimitError):
            get(transport, BASE + "file.whl", max_length=limit)


def test_the_deadline(folder: Path) -> None:
    chunks = iter(FolderTransport({BASE: folder}).stream(BASE + "file.whl", max_length=len(DATA), deadline=0.05))
    next(chunks)
    time.sleep(0.06)
    with pytest.raises(TransportError, match="not read within"):
        next(chunks)


@pytest.mark.parametrize("path", ["no", "no/x", "file.whl/x", "metadata/no.json", "n" * 5000])
def test_what_is_missing_is_absent(folder: Path, path: str) -> None:
    with pytest.raises(AbsentError):
        get(FolderTransport({BASE: folder}), BASE + path)


def test_a_missing_mirror_is_not_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="no folder") as caught:
        get(FolderTransport({BASE: tmp_path / "unmounted"}), BASE + "x")
    assert not isinstance(caught.value, AbsentError)


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "%2e%2e/secret",
        "metadata/../file.whl",
        "./file.whl",
        "a%2F..%2F..%2Fsecret",
        "..%5Csecret",
        "..\\secret",
        "file.whl%00",
        "file.whl\0",
        "%ff",
        "metadata//x",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "\ud800",
        "",
        "metadata",
        "metadata/",
    ],
)
def test_names_that_lead_elsewhere_or_to_no_file(folder: Path, path: str) -> None:
    with pytest.raises(TransportError) as caught:
        get(FolderTransport({BASE: folder}), BASE + path)
    assert not isinstance(caught.value, AbsentError)


@pytest.mark.parametrize("url", ["https://index.example/mirror-too/x", "https://index.example/x", "x", "file:///x"])
def test_other_urls_have_no_folder(folder: Path, url: str) -> None:
    with pytest.raises(TransportError, match="no folder is configured"):
        get(FolderTransport({BASE: folder}), url)


@pytest.mark.parametrize("url", ["https://index.example/", "file:", "file://host/x", "/x", "file://me:pw@host/x"])
def test_only_file_urls_name_a_folder(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FolderTransport.from_urls(url)
    assert "pw" not in str(caught.value)


def test_symbolic_links_stay_inside(folder: Path, tmp_path: Path) -> None:
    (folder / "inside").symlink_to(folder / "file.whl")  # absolute, as some mirrors have them
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "beside").symlink_to(tmp_path / "mirror-too", target_is_directory=True)
    (folder / "dangling").symlink_to(tmp_path / "nothing")
    (folder / "loop").symlink_to(folder / "loop")
    (tmp_path / "linked").symlink_to(folder, target_is_directory=True)
    transport = FolderTransport({BASE: folder})
    assert get(transport, BASE + "inside") == DATA
    for path in ("out", "beside/x"):
        with pytest.raises(TransportError, match="leads out of the folder"):
            get(transport, BASE + path)
    with pytest.raises(AbsentError):
        get(transport, BASE + "dangling")
    with pytest.raises(TransportError):
        get(transport, BASE + "loop")
    assert get(FolderTransport({BASE: tmp_path / "linked"}), BASE + "file.whl") == DATA


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these in a folder")
@pytest.mark.parametrize("make", [make_fifo, make_device, make_socket])
def test_what_is_no_file_is_not_opened(
    folder: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    make(folder.relative_to(folder) / "x")
    with within(3), pytest.raises(TransportError):
        get(FolderTransport({BASE: folder}), BASE + "x")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFO in a folder")
def test_what_becomes_no_file_while_it_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def swap(path: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return really(path, flags)

    monkeypatch.setattr(os, "open", swap)
    with within(3), pytest.raises(TransportError, match="not a regular file"):
        get(FolderTransport({BASE: folder}), BASE + "file.whl")


@pytest.mark.parametrize("call", ["open", "read"])
def test_what_the_disk_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(TransportError, match="Permission denied") as caught:
        get(FolderTransport({BASE: folder}), BASE + "file.whl")
    assert not isinstance(caught.value, AbsentError)


PARTS = st.sampled_from(["..", "%2e", "/", "%2f", "x", "é"])


@given(path=st.text(st.characters(), max_size=40) | st.lists(PARTS).map("".join))
@example(path="%00")
def test_no_path_ever_reads_another_file(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    root = tmp_path_factory.getbasetemp() / "property"
    (root / "mirror" / "x").mkdir(parents=True, exist_ok=True)
    (root / "secret").write_bytes(b"secret")
    with pytest.raises(SecureFetchError):
        get(FolderTransport({BASE: root / "mirror"}), BASE + path)
