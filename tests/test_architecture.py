"""The house as it is drawn: which room may import what, and what the pure rooms load."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from .source_tree import PACKAGE, ROOT, SOURCES, Import, bare_environment, imports, parsed, room

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The rooms, the lowest first. A room imports from itself and from lower ones.
LAYERS = (
    {"errors"},
    {"trust"},
    {"index"},
    {"config", "store", "transport"},  # and every module beside them that has no place of its own
    {"client"},
    {"handoff", "signing", "mirror"},
    {"cli"},
)
HEIGHT = {name: height for height, rooms in enumerate(LAYERS) for name in rooms} | {"__main__": len(LAYERS)}
MIDDLE = HEIGHT["transport"]

# What the rooms that embed into pip may import from outside: pip vendors all of it, except securesystemslib.
CORE = {"requests", "urllib3", "securesystemslib", "packaging", "platformdirs"}
STRICTER = {
    "__init__": set[str](),
    "errors": set[str](),
    "trust": {"securesystemslib"},
    "index": {"packaging"},
}
# Used where they are installed, and therefore imported only inside functions.
OPTIONAL = {"cryptography", "truststore", "keyring", "tomli", "tomli_w"}
# Nobody else touches these; the commands may look whether an extra is installed.
RESERVED = {"tuf": {"signing", "cli"}, "distributed": {"mirror"}, "rich": {"cli"}}

IMPURE = {
    *("asyncio", "ctypes", "glob", "http", "io", "multiprocessing", "os", "pathlib", "random", "requests", "secrets"),
    *("select", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib3"),
    "urllib.request",
}
LOADS_NO = {"http.client", "requests", "socket", "ssl", "subprocess", "tempfile", "urllib.request", "urllib3"}

STANDARD = sys.stdlib_module_names | {"tomllib"}  # which Python 3.10 does not know yet

ALL_IMPORTS = [found for source in SOURCES for found in imports(source)]


def foreign() -> Iterator[Import]:
    """Yield the imports of other people's packages."""
    for found in ALL_IMPORTS:
        top = found.target.partition(".")[0]
        if not found.relative and top not in STANDARD and not (found.for_types and top == "_typeshed"):
            yield found


def test_the_package_imports_itself_only_relatively() -> None:
    absolute = [found.where for found in ALL_IMPORTS if not found.relative and "secure_fetch" in found.target]
    assert absolute == []


def height(name: str) -> int:
    """Return the layer of a folder or module right below the package."""
    return HEIGHT.get(name, MIDDLE)


def test_every_folder_is_a_room() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} <= set(HEIGHT)


def test_lower_rooms_never_import_higher_ones() -> None:
    wrong = []
    for found in ALL_IMPORTS:
        if not found.relative or found.source == PACKAGE / "__init__.py":
            continue
        own = room(found.source)
        for other in found.target.split(".")[1:2]:
            known = other in HEIGHT or (PACKAGE / f"{other}.py").is_file()  # else a name like __version__
            beside = own == other or height(own) == height(other) == MIDDLE
            if known and not beside and height(other) >= height(own):
                wrong.append(found.where)
    assert wrong == []


def test_hand_offs_never_import_each_other() -> None:
    wrong = [
        found.where
        for found in ALL_IMPORTS
        if room(found.source) == "handoff"
        and found.target.startswith("secure_fetch.handoff.")
        and found.source.stem != found.target.split(".")[2]
    ]
    assert wrong == []


def embeds(source: Path) -> bool:
    """Whether a module is one of those that go into pip."""
    return height(room(source)) <= HEIGHT["client"] or source == PACKAGE / "handoff" / "session.py"


def test_the_embeddable_rooms_need_nothing_that_pip_does_not_have() -> None:
    wrong = []
    for found in foreign():
        top = found.target.partition(".")[0]
        allowed = STRICTER.get(room(found.source), CORE) | (OPTIONAL if found.in_function else set())
        if embeds(found.source) and top not in allowed:
            wrong.append(found.where)
    assert wrong == []


def test_other_rooms_import_only_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["signing"], *extras["dask"]]
    names = {re.split(r"[^\w-]", entry)[0].replace("-", "_") for entry in declared} | OPTIONAL | {"urllib3"}
    assert [found.where for found in foreign() if found.target.partition(".")[0] not in names] == []


def test_some_packages_belong_to_one_room() -> None:
    wrong = [
        found.where
        for found in foreign()
        if room(found.source) not in RESERVED.get(found.target.partition(".")[0], {room(found.source)})
    ]
    assert wrong == []


def test_the_pure_rooms_import_no_module_that_reaches_outside() -> None:
    wrong = [
        found.where
        for found in ALL_IMPORTS
        if room(found.source) in {"errors", "trust", "index"}
        and (found.target in IMPURE or found.target.split(".")[0] in IMPURE)
    ]
    assert wrong == []


def test_the_pure_rooms_neither_open_files_nor_ask_for_the_time() -> None:
    wrong = []
    for source in SOURCES:
        if room(source) not in {"errors", "trust", "index"}:
            continue
        for node in ast.walk(parsed(source)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in {"open", "input", "print"} or re.search(r"\b(datetime|date)\.(now|utcnow|today)$", called):
                    wrong.append(f"{source.relative_to(ROOT)}:{node.lineno} calls {called}")
    assert wrong == []


LOADED = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
for name in ("secure_fetch.trust", "secure_fetch.index"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_importing_the_pure_rooms_loads_no_module_that_reaches_outside() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOADED, str(ROOT)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=bare_environment(),
    )
    loaded = json.loads(done.stdout)
    assert "secure_fetch.trust.state" in loaded
    assert "secure_fetch.index.pages" in loaded
    assert [name for name in loaded if name in LOADS_NO] == []
