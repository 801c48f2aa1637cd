"""Wheels and sdists are what their names say, or they are not added."""

from __future__ import annotations

import gzip
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import UsageError
from secure_fetch.signing import distribution

from .distributions import archive, metadata, sdist, tarball, wheel

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> distribution.Contents:
    return distribution.read(path, path.name)


def test_a_wheel(tmp_path: Path) -> None:
    contents = read(wheel(tmp_path, "Some-Thing", "1.0", "Requires-Python: >=3.8, <4"))
    assert (contents.project, contents.version, contents.requires_python) == ("some-thing", "1.0", ">=3.8, <4")
    assert contents.metadata is not None
    assert contents.metadata.startswith(b"Metadata-Version: 2.1\nName: Some-Thing\n")


@pytest.mark.parametrize("end", ["tar.gz", "zip"])
def test_an_sdist(end: str, tmp_path: Path) -> None:
    make = tarball if end == "tar.gz" else archive
    path = make(tmp_path / f"some_thing-1.0.{end}", {"some_thing-1.0/PKG-INFO": metadata("some.thing", "1.0.0")})
    contents = read(path)
    assert (contents.project, contents.version, contents.requires_python) == ("some-thing", "1.0", None)
    assert contents.metadata is None


def test_an_sdist_whose_name_can_be_split_in_two_ways_is_of_the_project_inside(tmp_path: Path) -> None:
    path = tarball(tmp_path / "some-1-2.tar.gz", {"some-1-2/PKG-INFO": metadata("some-1", "2")})
    assert (read(path).project, read(path).version) == ("some-1", "2")


def test_what_other_packages_put_deeper_is_not_the_metadata(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("demo/_vendor/other-1.dist-info/METADATA", metadata("other", "1"))
    assert read(path).project == "demo"


def test_a_specifier_with_control_characters_is_made_printable(tmp_path: Path) -> None:
    assert read(wheel(tmp_path, "demo", "1.0", "Requires-Python: >=3\x1b[2J")).requires_python == ">=3\ufffd[2J"
    assert read(wheel(tmp_path, "demo", "1.1", "Requires-Python: ")).requires_python is None


@pytest.mark.parametrize("name", ["demo.txt", "demo-1.0.tar.bz2", "demo-1.0.egg", "demo-1.0.exe", "demo"])
def test_other_kinds_of_files_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match="neither a wheel"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (metadata("other", "1.0"), "its metadata is that of the project 'other'"),
        (metadata("demo", "1.1"), "its metadata is that of version '1.1'"),
        (metadata("demo", "one"), "its metadata is that of version 'one'"),
        (metadata("../demo", "1.0"), "does not name a project"),
        ("Metadata-Version: 2.1\nName: demo\n\n", "does not name a project and a version"),
        ("", "does not name a project"),
        ("\x00\xff", "does not name a project"),
    ],
)
def test_metadata_that_does_not_fit_the_name_is_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        read(wheel(tmp_path, text=text))
    with pytest.raises(UsageError, match=why):
        read(tarball(tmp_path / "demo-1.0.tar.gz", {"demo-1.0/PKG-INFO": text}))


@pytest.mark.parametrize("name", ["demo-1.0.whl", "demo-one-py3-none-any.whl", "other-1.0-py3-none-any.whl"])
def test_a_wheel_with_another_name_is_refused(name: str, tmp_path: Path) -> None:
    path = wheel(tmp_path).rename(tmp_path / name)
    with pytest.raises(UsageError, match="is that of the project"):
        read(path)


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_one_metadata_file(count: int, tmp_path: Path) -> None:
    folders = [f"demo{number}" for number in range(count)]
    with pytest.raises(UsageError, match=f"it holds {count} metadata files"):
        read(archive(tmp_path / "demo-1.0-py3-none-any.whl", {f"{name}.dist-info/METADATA": "" for name in folders}))
    with pytest.raises(UsageError, match=f"it holds {count} metadata files"):
        read(tarball(tmp_path / "demo-1.0.tar.gz", {f"{name}/PKG-INFO": "" for name in folders}))


def test_metadata_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_MOST_METADATA", 20)
    for path in (wheel(tmp_path), sdist(tmp_path)):
        with pytest.raises(UsageError, match="its metadata is larger than 20 bytes"):
            read(path)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as opened:  # stored, so that a bit in the middle is a bit of the content
        opened.writestr("demo.py", "x" * 1000)
        opened.writestr("demo-1.0.dist-info/METADATA", metadata("demo", "1.0"))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"xxxx", b"xxyx", 1))
    with pytest.raises(UsageError, match=r"'demo\.py' inside of it is damaged"):
        read(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    for path in (wheel(tmp_path), sdist(tmp_path)):
        data = path.read_bytes()
        for length in (0, 1, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:length])
            with pytest.raises(UsageError, match=r"was not added: it (is broken|holds 0)"):
                read(path)


def test_padding_at_the_end_is_read_up_to_the_checksum(tmp_path: Path) -> None:
    path = sdist(tmp_path)
    data = bytearray(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(3_000_000)))
    path.write_bytes(data)
    assert read(path).project == "demo"
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match="it is broken"):
        read(path)


def test_a_wrong_checksum_at_the_end_is_seen(tmp_path: Path) -> None:
    path = sdist(tmp_path)
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match="it is broken"):
        read(path)


@given(data=st.data())
def test_any_change_to_a_file_is_harmless_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed"
    path = wheel(folder) if data.draw(st.booleans()) else sdist(folder)
    content = bytearray(path.read_bytes())
    if path.suffix == ".gz" and data.draw(st.booleans()):  # behind the checksum of gzip
        content = bytearray(gzip.decompress(bytes(content)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if path.suffix == ".gz" and not content.startswith(b"\x1f"):
        content = bytearray(gzip.compress(bytes(content)))
    path.write_bytes(content)
    try:
        assert read(path).project == "demo"
    except UsageError as error:
        assert path.name in error.message  # noqa: PT017 - either is right


@given(
    content=st.binary(max_size=300),
    name=st.sampled_from(["demo-1.0-py3-none-any.whl", "demo-1.0.zip", "demo-1.0.tar.gz"]),
)
def test_any_bytes_are_refused(content: bytes, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / name
    for data in (content, gzip.compress(content), b"PK\x03\x04" + content):
        path.write_bytes(data)
        with pytest.raises(UsageError, match="was not added"):
            read(path)
