"""The cache of verified files, and handing them over."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch import disk
from secure_fetch.errors import (
    AbsentError,
    HashError,
    LengthError,
    LimitError,
    SecureFetchError,
    StoreError,
    TransportError,
    WithheldError,
)
from secure_fetch.files import FileCache, Wanted, chunks, hand_over
from secure_fetch.trust import Limits

from .clients import files_in, names_in
from .memory_server import MemoryServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL = "https://index.example/"
DATA = bytes(range(256)) * 40


def wanted(data: bytes = DATA, *, length: bool = True, name: str = "x.whl") -> Wanted:
    digest = hashlib.sha256(data).hexdigest()
    return Wanted(what=f"packages/{name}", name=name, length=len(data) if length else None, hashes={"sha256": digest})


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer(URL)
    server.served[URL + "x"] = DATA
    server.served[URL + "wrong"] = DATA[::-1]
    server.served[URL + "long"] = DATA + b"!"
    server.served[URL + "short"] = DATA[:-1]
    server.fail("down", TransportError(URL, "HTTP 500", status=500))
    return server


@pytest.fixture
def cache(server: MemoryServer, tmp_path: Path) -> FileCache:
    return FileCache(tmp_path / "files", transport=server, limits=Limits(file_length=20_000))


def read(cache: FileCache, *names: str, length: bool = True) -> bytes:
    with cache.open(wanted(length=length), [URL + name for name in names]) as file:
        assert file.tell() == 0
        return file.read()


def test_a_file_is_fetched_once_and_kept_under_its_hash(cache: FileCache, server: MemoryServer) -> None:
    assert not cache.folder.exists()
    assert read(cache, "x") == read(cache, "x") == DATA
    assert server.asked == ["x"]
    assert files_in(cache.folder) == [f"{wanted().hashes['sha256']}/x.whl"]
    assert server.requests[0].max_length == len(DATA)


def test_one_file_under_two_names_is_two_files(cache: FileCache, server: MemoryServer) -> None:
    for name in ("x.whl", "y.whl"):
        cache.open(wanted(name=name), [URL + "x"]).close()
    assert len(server.asked) == len(files_in(cache.folder)) == 2


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("first", ["wrong", "long", "short", "down", "absent"])
def test_the_next_url_is_tried(first: str, length: bool, cache: FileCache) -> None:
    assert read(cache, first, "x", length=length) == DATA
    assert len(files_in(cache.folder)) == 1


@pytest.mark.parametrize(
    ("names", "kind", "source"),
    [
        (["wrong"], HashError, "wrong"),
        (["long"], LengthError, "long"),
        (["short"], LengthError, "short"),
        (["down"], TransportError, "down"),
        (["absent", "wrong", "down"], HashError, "wrong"),
        (["down", "absent", "wrong"], TransportError, "down"),
        (["absent", "absent"], WithheldError, None),
        ([], WithheldError, None),
    ],
)
def test_without_an_honest_url_the_first_failure_is_named_and_nothing_stays(
    names: list[str], kind: type[SecureFetchError], source: str | None, cache: FileCache
) -> None:
    with pytest.raises(kind) as caught:
        read(cache, *names)
    assert not isinstance(caught.value, AbsentError)
    assert caught.value.source == (None if source is None else URL + source)
    assert files_in(cache.folder) == names_in(cache.folder) == []


def test_a_signed_length_over_the_limit_is_refused_before_anything_is_asked_for(
    cache: FileCache, server: MemoryServer
) -> None:
    with pytest.raises(LimitError, match=r"packages/x\.whl"):
        cache.open(wanted(b"x" * 20_001), [URL + "x"])
    assert server.asked == []


def test_a_file_of_unknown_length_is_bounded_by_the_limit(cache: FileCache, server: MemoryServer) -> None:
    assert read(cache, "x", length=False) == DATA
    assert server.requests[0].max_length == 20_000


@pytest.mark.parametrize("altered", [b"", DATA[::-1], DATA + b"!", DATA[:-1]])
def test_an_altered_file_is_fetched_again_e6(altered: bytes, cache: FileCache, server: MemoryServer) -> None:
    read(cache, "x")
    (name,) = files_in(cache.folder)
    (cache.folder / name).write_bytes(altered)
    with pytest.raises(TransportError):
        read(cache, "down")
    assert read(cache, "x") == DATA
    assert (cache.folder / name).read_bytes() == DATA


def test_what_was_hashed_is_what_is_read_whatever_happens_to_the_name(cache: FileCache) -> None:
    for _ in range(2):  # fetched, then from the cache
        with cache.open(wanted(), [URL + "x"]) as file:
            (name,) = files_in(cache.folder)
            path = cache.folder / name
            replacement = path.with_name("other")
            replacement.write_bytes(b"something else")
            replacement.replace(path)
            assert file.read() == DATA
        path.unlink()
        read(cache, "x")


@pytest.mark.parametrize("make", ["folder", "link"])
def test_what_is_no_file_in_the_cache_is_an_error(make: str, cache: FileCache, tmp_path: Path) -> None:
    read(cache, "x")
    (name,) = files_in(cache.folder)
    path = cache.folder / name
    path.unlink()
    if make == "folder":
        path.mkdir()
    else:
        (tmp_path / "elsewhere").write_bytes(DATA)
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        read(cache, "x")


def test_a_transport_that_breaks_in_the_middle_leaves_no_trace_e5(cache: FileCache, server: MemoryServer) -> None:
    real = server.stream

    def stream(url: str, *, max_length: int, deadline: float) -> Iterator[bytes]:
        yield next(iter(real(url, max_length=max_length, deadline=deadline)))
        raise TransportError(url, "connection reset")

    server.stream = stream  # type: ignore[method-assign]
    with pytest.raises(TransportError, match="reset"):
        read(cache, "x")
    assert names_in(cache.folder) == []


def test_two_that_want_one_file_cost_one_download(cache: FileCache, server: MemoryServer) -> None:
    server.before = lambda url: time.sleep(0.05)
    start = threading.Barrier(16)

    def work(number: int) -> bytes:
        start.wait()
        return read(cache, "x")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(work, range(16))) == {DATA}
    assert server.asked == ["x"]


def test_a_failure_lets_go_of_the_file(cache: FileCache) -> None:
    for _ in range(2):
        with pytest.raises(HashError):
            read(cache, "wrong")
    assert cache._locks == {}


def test_a_full_disk_is_an_error_and_leaves_no_trace(cache: FileCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space"):
        read(cache, "x")
    assert files_in(cache.folder) == []


# Windows, by injection


class Windows:
    name = "nt"

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


def test_a_file_is_opened_and_hashed_again_on_windows(cache: FileCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "os", Windows())
    assert read(cache, "x") == DATA


def test_a_file_that_is_altered_at_once_is_an_error_on_windows(
    cache: FileCache, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "os", Windows())
    monkeypatch.setattr(cache, "_cached", lambda path, wanted: None)
    with pytest.raises(StoreError, match="as soon as it was written"):
        read(cache, "x")
    assert server.asked == ["x"]


# Handing over


def cached(cache: FileCache, target: Path) -> None:
    with cache.open(wanted(), [URL + "x"]) as file:
        hand_over(file, wanted(), target)


def test_a_file_is_handed_over_readable_for_others(cache: FileCache, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        cached(cache, tmp_path / "x.whl")
    finally:
        os.umask(before)
    assert (tmp_path / "x.whl").read_bytes() == DATA
    assert (tmp_path / "x.whl").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("present", [DATA[::-1], b"", DATA + b"!"])
def test_a_file_that_is_there_and_wrong_is_replaced(present: bytes, cache: FileCache, tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(present)
    cached(cache, tmp_path / "x.whl")
    assert (tmp_path / "x.whl").read_bytes() == DATA


def test_a_link_or_pipe_that_is_there_is_replaced_and_not_followed(cache: FileCache, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(DATA)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        cached(cache, tmp_path / name)
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_bytes() == DATA


def test_a_cache_that_is_altered_under_the_copy_is_noticed_e5(cache: FileCache, tmp_path: Path) -> None:
    with cache.open(wanted(), [URL + "x"]) as file:
        (name,) = files_in(cache.folder)
        with (cache.folder / name).open("r+b") as same:
            same.write(b"other")
        with pytest.raises(HashError):
            hand_over(file, wanted(), tmp_path / "out.whl")
    assert not (tmp_path / "out.whl").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


@given(st.binary(max_size=300), st.integers(1, 7))
def test_pieces_make_the_whole(data: bytes, factor: int) -> None:
    class File:
        def __init__(self) -> None:
            self.rest = data * factor

        def read(self, size: int) -> bytes:
            assert 0 < size <= 1 << 20
            piece, self.rest = self.rest[: min(size, 50)], self.rest[min(size, 50) :]
            return piece

    assert b"".join(chunks(File())) == data * factor  # type: ignore[arg-type]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX owners and modes")
@pytest.mark.parametrize("how", ["writable", "foreign"])
def test_a_file_that_somebody_else_can_change_is_not_served(
    how: str, cache: FileCache, server: MemoryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root with a user's cache (sudo): the file is right when it is hashed, and altered before it is read."""
    cache.open(wanted(), [URL + "x"]).close()
    there = tmp_path / "out.whl"
    there.write_bytes(DATA)
    kept = cache.folder / wanted().hashes["sha256"] / "x.whl"
    before = [path.stat().st_ino for path in (kept, there)]
    if how == "writable":
        for path in (kept, there):
            path.chmod(0o666)
    else:
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with cache.open(wanted(), [URL + "x"]) as file:
        hand_over(file, wanted(), there)
        assert os.fstat(file.fileno()).st_ino != before[0]
    assert server.asked == ["x", "x"]
    assert there.stat().st_ino != before[1]


def test_what_a_killed_download_left_goes_with_the_next_one(cache: FileCache) -> None:
    folder = cache.folder / wanted().hashes["sha256"]
    folder.mkdir(parents=True)
    left = folder / ".0123456789abcdef.tmp"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    assert read(cache, "x") == DATA
    assert not left.exists()
