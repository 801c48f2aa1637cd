"""What no linter here checks: sizes, names, docstrings, and that the tree names no registry."""

from __future__ import annotations

import ast
import subprocess
from typing import TYPE_CHECKING

import pytest

from .source_tree import PACKAGE, ROOT, SOURCES, TESTS, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_LINES = 400
MOST_FUNCTION_LINES = 50


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in [*SOURCES, *TESTS]}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def functions(source: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{source.relative_to(ROOT)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for source in [*SOURCES, *TESTS]
        for function in functions(source)
    }
    assert {name: length for name, length in lengths.items() if length > MOST_FUNCTION_LINES} == {}


def public(parent: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in parent.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            marks = {ast.unparse(mark) for mark in node.decorator_list}
            if not marks & {"overload", "typing.overload"}:
                yield node
                if isinstance(node, ast.ClassDef):
                    yield from public(node)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_public_names_say_what_they_are(source: Path) -> None:
    module = parsed(source)
    assert ast.get_docstring(module)
    assert [node.name for node in public(module) if not ast.get_docstring(node)] == []


def test_modules_are_named_for_their_role() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    names = [path for path in [*SOURCES, *TESTS] if vague & set(path.relative_to(ROOT).with_suffix("").parts)]
    assert names == []


def tracked() -> list[Path]:
    """Return the project's own text files, as git sees them, or all of the tree's where there is no git."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        check=False,
        capture_output=True,
        cwd=ROOT,
    )
    if done.returncode == 0 and done.stdout:
        return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]
    beside = [path for path in (*ROOT.iterdir(), *(ROOT / ".ci").iterdir()) if path.is_file()]
    return [*SOURCES, *TESTS, *beside, *(ROOT / "docs").rglob("*.md")]


def test_the_tree_names_no_registry() -> None:
    hosts = [
        ".".join(parts).encode()
        for parts in (("py" + "pi", "org"), ("python" + "hosted", "org"), ("npm" + "js", "org"))
    ]
    found = [
        f"{path.relative_to(ROOT)}: {host.decode()}"
        for path in tracked()
        for host in hosts
        if host in path.read_bytes().lower()
    ]
    assert found == []


@pytest.mark.parametrize("wanted", ["py.typed", "__init__.py"])
def test_the_package_ships(wanted: str) -> None:
    assert (PACKAGE / wanted).is_file()
