"""The requirements that a project's own files hold: a script's metadata (PEP 723), dependency groups (PEP 735)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .. import config
from ..errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(r"(?m)^# /// script$\s((?:^#(?:| .*)$\s)+)^# ///$")  # as pip finds it
_SEPARATORS = re.compile(r"[-_.]+")


def script(data: bytes, path: Path) -> list[str]:
    """Return the dependencies of a script; raises `UsageError`, `ConfigurationError` for what is not TOML."""
    text = _text(data, path).replace("\r\n", "\n").replace("\r", "\n")
    found: list[str] = []
    for block in _BLOCK.findall(text):
        lines = (line[2:] if line.startswith("# ") else line[1:] for line in block.splitlines(keepends=True))
        entries = config.parse("".join(lines).encode(), path).get("dependencies", [])
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise UsageError(f"{path}: `dependencies` is not a list of requirements.")
        found += entries
    return found


def group(data: bytes, path: Path, name: str) -> list[str]:
    """Return the requirements of a group and of those that it includes; errors as in `script`."""
    table = config.parse(data, path).get("dependency-groups", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: `dependency-groups` is not a table.")
    waiting, seen, found = [name], set[str](), list[str]()
    while waiting:
        wanted = _normal(waiting.pop())
        if wanted in seen:
            continue
        seen.add(wanted)
        for key, entries in table.items():  # two spellings of one name are for pip to refuse
            for entry in entries if _normal(key) == wanted and isinstance(entries, list) else ():
                if isinstance(entry, str):
                    found.append(entry)
                elif isinstance(entry, dict) and isinstance(entry.get("include-group"), str):
                    waiting.append(entry["include-group"])
                else:
                    raise UsageError(f"{path}: the group {wanted!r} holds what is no requirement.")
    return found


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not encoded in UTF-8.", hint="Save it as UTF-8.") from None
