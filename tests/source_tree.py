"""The project's own source, read: its files, and what each of them imports."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "secure_fetch"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import statement's target, as a path from the top ("secure_fetch.trust.names", "requests")."""

    source: Path
    line: int
    target: str
    relative: bool
    in_function: bool
    for_types: bool

    @property
    def where(self) -> str:
        return f"{self.source.relative_to(ROOT)}:{self.line} imports {self.target}"


def parsed(source: Path) -> ast.Module:
    return ast.parse(source.read_text("utf-8"), str(source))


def room(source: Path) -> str:
    """Return the folder or module right below the package that a source file belongs to."""
    first = source.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def targets(node: ast.Import | ast.ImportFrom, source: Path) -> list[str]:
    """Return what a statement imports; `from . import x` imports the module x."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not node.level:
        return [node.module or ""]
    package = ("secure_fetch", *source.relative_to(PACKAGE).parent.parts)
    base = package[: len(package) - node.level + 1]
    if node.module:
        return [".".join([*base, node.module])]
    return [".".join([*base, alias.name]) for alias in node.names]


def walk(node: ast.AST, *, in_function: bool, for_types: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        types = for_types or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
        yield child, inside, types
        yield from walk(child, in_function=inside, for_types=types)


def imports(source: Path) -> Iterator[Import]:
    for node, in_function, for_types in walk(parsed(source), in_function=False, for_types=False):
        if isinstance(node, ast.Import | ast.ImportFrom):
            relative = isinstance(node, ast.ImportFrom) and node.level > 0
            for target in targets(node, source):
                yield Import(
                    source=source,
                    line=node.lineno,
                    target=target,
                    relative=relative,
                    in_function=in_function,
                    for_types=for_types,
                )


def bare_environment() -> dict[str, str]:
    """Return the variables without those by which a coverage run reaches into subprocesses."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_CORE_"))}
