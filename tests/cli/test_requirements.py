"""What was asked for, as typed and in requirements files, and what leads around the verified index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secure_fetch.cli import requirements
from secure_fetch.errors import SecureFetchError, UsageError

if TYPE_CHECKING:
    from secure_fetch.cli.requirements import Request


def read(*arguments: str, **environment: str) -> Request:
    return requirements.read(arguments, environment=environment)


def named(request: Request) -> list[str]:
    return [str(wanted.requirement) for wanted in request.wanted]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str | bytes, name: str = "r.txt") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_what_is_typed_is_requirements_and_options() -> None:
    request = read("flask>=2", "-U", "--only-binary", ":all:", "x[extra]; python_version>'3'", "--only-binary", "y")
    assert named(request) == ["flask>=2", 'x[extra]; python_version > "3"']
    assert request.passed() == [
        "-U", "--only-binary", ":all:", "--only-binary", "y", "--", "flask>=2", "x[extra]; python_version>'3'"
    ]  # fmt: skip
    assert request.passed("only-binary", "upgrade") == ["--", "flask>=2", "x[extra]; python_version>'3'"]
    assert request.option("only-binary") == "y"
    assert request.option("upgrade") == ""
    assert request.option("pre") is None
    assert not request.is_empty


@pytest.mark.parametrize(
    ("arguments", "empty"),
    [((), True), (("-U",), True), (("-r", "r.txt"), False), (("-e", "."), False), (("--group", "dev"), False)],
)
def test_whether_anything_was_asked_for(arguments: tuple[str, ...], empty: bool) -> None:
    write("")
    write("[dependency-groups]\ndev = []\n", "pyproject.toml")
    assert read(*arguments).is_empty is empty


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "./x",
        "x/y",
        "x.whl",
        "x-1.0.tar.gz[extra]",
        "./x-1.0-py3-none-any.whl",
        "FILE:///x.whl",
        "x @ file:///x.whl",
    ],
)
def test_local_paths_count_where_they_are_typed(text: str) -> None:
    request = read(text)
    assert len(request.local) == 1
    assert request.wanted == []
    write(f"{text}\n")
    with pytest.raises(UsageError, match="local path") as caught:
        read("-r", "r.txt")
    assert "r.txt, line 1" in caught.value.message


def test_an_editable_project_counts_where_it_is_typed() -> None:
    assert read("-e", ".", "--editable=file:///x").local == [".", "file:///x"]
    write("\n-e .\n")
    with pytest.raises(UsageError, match="line 2"):
        read("-r", "r.txt")


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/x.whl",
        "HTTP://evil.example/x.whl",
        "git+ssh://git@evil.example/x",
        "svn+file:///x",
        "x @ https://user:secret@evil.example/x.whl",
        "x@git+https://evil.example/x",
        "x[extra] @ ftp://evil.example/x ; python_version > '3'",
        "ssh:x",
    ],
)
def test_urls_count_nowhere(text: str) -> None:
    for arguments in ((text,), ("-r", "r.txt"), ("-c", "r.txt"), ("--build-constraint", "r.txt")):
        write(f"# first\n{text}\n")
        with pytest.raises(UsageError, match="is a URL") as caught:
            read(*arguments)
        assert "secret" not in str(caught.value)
    with pytest.raises(UsageError, match="is a URL"):
        requirements.check_constraints(["r.txt"], environment={})


@pytest.mark.parametrize("text", ["-e git+https://evil.example/x", "-e https://evil.example/x"])
def test_editable_urls_count_nowhere(text: str) -> None:
    with pytest.raises(UsageError, match="is a URL"):
        read(*text.split())
    write(text)
    with pytest.raises(UsageError, match="is a URL"):
        read("-r", "r.txt")


@pytest.mark.parametrize(
    "line",
    [
        "-i https://evil.example/simple/",
        "--index-url=https://evil.example/simple/",
        "--extra-index https://evil.example/",
        "--find-links .",
        "-f.",
        "--no-index",
        "--trusted-host evil.example",
        "flask --index-url https://evil.example/",
        "--pre --\\\nindex-url https://evil.example/",
        "${OPTION} https://evil.example/",
    ],
)
def test_sources_in_a_file_are_refused_with_the_line(line: str) -> None:
    write(f"flask\n\n{line}\n")
    with pytest.raises(UsageError) as caught:
        read("-r", "r.txt", OPTION="--index-url")
    assert "r.txt, line 3" in caught.value.message


def test_files_name_files_relative_to_themselves() -> None:
    write("-r sub/b.txt\n-c sub/c.txt\nflask\n", "a.txt")
    write("--requirement deeper/d.txt\nb\n", "sub/b.txt")
    write("limited<2\n-r e.txt\n", "sub/c.txt")
    write("d\n-r ../e.txt\n", "sub/deeper/d.txt")
    write("e\n", "sub/e.txt")
    assert named(read("-r", "a.txt")) == ["d", "e", "b", "e", "flask"]


def test_a_file_that_names_itself_is_refused() -> None:
    write("-r sub/b.txt\n", "a.txt")
    write("-c ../sub/../a.txt\n", "sub/b.txt")
    with pytest.raises(UsageError, match="named by itself"):
        read("-r", "a.txt")


def test_lines_are_joined_expanded_and_freed_of_comments() -> None:
    write("flask \\\n  >= ${V} \\\n  # all of it\n#nothing\\\nx${NOT_SET}y\n")
    with pytest.raises(UsageError, match="line 5"):
        read("-r", "r.txt", V="2")
    write("flask \\\n  >= ${V}\n   # nothing\nx # ; comment\ny\\")
    assert named(read("-r", "r.txt", V="2")) == ["flask>=2", "x", "y"]


def test_hashes_stand_beside_their_requirement() -> None:
    write("x==1 --hash=sha256:aa \\\n  --hash sha256:bb\ny==2\n--pre\n")
    request = read("-r", "r.txt")
    assert [wanted.hashes for wanted in request.wanted] == [("sha256:aa", "sha256:bb"), ()]
    assert request.wanted[0].where == "r.txt, line 1"
    assert request.require_hashes
    write("--require-hashes\nx\n")
    assert read("-r", "r.txt").require_hashes
    assert read("--require-hashes", "x").require_hashes
    assert not read("x").require_hashes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"# coding: latin-1\nx\n", "encoded in latin-1"),
        (b"x\n# -*- coding: utf-7 -*-\n", "encoded in utf-7"),
        ("x".encode("utf-16"), "not encoded in UTF-8"),
        (b"\xff", "not encoded in UTF-8"),
        (b'x --hash="open\n', "cannot be read"),
        (b"--pre stray\n", "belongs to no option"),
        (b"not a requirement\n", "is not a requirement"),
        (b"-r https://evil.example/r.txt\n", "is a URL"),
        (b"-r pylock.toml\n", "is a lock file"),
    ],
)
def test_what_cannot_be_read_as_pip_reads_it_is_refused(data: bytes, said: str) -> None:
    write(data)
    with pytest.raises(UsageError, match=said):
        read("-r", "r.txt")


def test_other_comments_and_a_mark_are_no_matter() -> None:
    write(b"\xef\xbb\xbf# encoding: UTF_8\n# coding: ascii\nx\n")
    assert named(read("-r", "r.txt")) == ["x"]


@pytest.mark.parametrize("arguments", [("-r",), ("-c",), ("--requirement=",)])
def test_an_option_without_its_file_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="needs the name of a file"):
        read(*arguments)


@pytest.mark.parametrize("name", ["pylock.toml", "sub/pylock.dev.toml", "pylock.toml[extra]"])
def test_lock_files_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lock file") as caught:
        read("-r", name)
    assert "--hash" in caught.value.hint


def test_what_can_be_read_only_once_is_refused() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(UsageError, match="not an ordinary file"):
            read("-r", f"/dev/fd/{reader}")
    finally:
        os.close(reader)
        os.close(writer)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(SecureFetchError, match=r"missing\.txt"):
        read("-r", "missing.txt")


@given(st.text(max_size=60))
@settings(max_examples=150)
def test_any_text_is_read_or_refused(text: str) -> None:
    for where in ("typed", "file"):
        try:
            if where == "typed":
                read("--", text)
            else:
                write(text.encode("utf-8", "surrogatepass"))
                read("-r", "r.txt")
        except UsageError:
            continue
