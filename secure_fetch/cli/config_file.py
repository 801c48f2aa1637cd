"""Adding a repository to a configuration file and taking it out again, with everything else left as it was written.

Text is appended and cut rather than rewritten, because a rewrite would lose the user's comments. What comes out is
parsed and compared before it is kept; where that is not exactly what was meant, nothing is changed.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import config, disk
from ..errors import ConfigurationError, StoreError
from ..trust.names import disk_name
from . import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "# Added by `secure-fetch trust add`"

_HEADER = re.compile(r"\s*\[")
_ELSEWHERE = f"another file with --config or {settings.ENVIRONMENT}CONFIG"


def root_path(path: Path, name: str) -> Path:
    """Return where the root of a repository is kept, for a configuration file."""
    return path.parent / "roots" / f"{disk_name(name)}.json"


def add(path: Path, name: str, entry: Mapping[str, Any], *, remark: str) -> None:
    """Add `[repositories.<name>]` at the end of the file, below a comment that holds `remark`.

    Raises `ConfigurationError` where the text does not allow it, `StoreError`.
    """
    file = settings.read_file(path, "")
    wanted = {**file.table, "repositories": {**file.repositories, name: dict(entry)}}
    if path.suffix == ".json":
        _write(path, json.dumps(wanted, indent=2) + "\n")
        return
    import tomli_w

    block = tomli_w.dumps({"repositories": {name: dict(entry)}})
    gap = "" if not file.text else "\n" if file.text.endswith("\n") else "\n\n"
    changed = f"{file.text}{gap}{MARK}: {remark}\n{block}"
    if not _says(changed, wanted, path):
        raise ConfigurationError(
            f"{path} is written in a way that nothing can be added to it safely; nothing was changed.",
            hint=f"Add this by hand:\n{block}",
        )
    _write(path, changed)


def remove(path: Path, name: str) -> None:
    """Cut `[repositories.<name>]` out of the file; errors as in `add`."""
    file = settings.read_file(path, "")
    wanted = {**file.table, "repositories": {key: each for key, each in file.repositories.items() if key != name}}
    if path.suffix == ".json":
        _write(path, json.dumps(wanted, indent=2) + "\n")
        return
    changed = _cut(file.text, name)
    if not _says(changed, wanted, path):
        raise ConfigurationError(
            f"{path} is written in a way that {name} cannot be taken out of it safely; nothing was changed.",
            hint="Take it out by hand.",
        )
    _write(path, changed)


def _cut(text: str, name: str) -> str:
    """Return `text` without the tables of a repository, and without the comment that was added above."""
    keys = "|".join((re.escape(name), re.escape(f'"{name}"'), re.escape(f"'{name}'")))
    own = re.compile(rf"\s*\[\s*repositories\s*\.\s*(?:{keys})\s*[].]")
    kept: list[str] = []
    cut: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            was_inside, inside = inside, own.match(line) is not None
            if inside and not was_inside:
                _drop_mark(kept)
            elif was_inside and not inside:
                kept += _belongs_to_next(cut)
            cut = []
        (cut if inside else kept).append(line)
    return "".join(kept)


def _drop_mark(kept: list[str]) -> None:
    """Drop the comment that was added above a table, and the empty line above that."""
    if kept and kept[-1].startswith(MARK):
        kept.pop()
        if kept and not kept[-1].strip():
            kept.pop()


def _belongs_to_next(cut: list[str]) -> list[str]:
    """Return the comments and empty lines at the end of what was cut: they stand above the next table."""
    start = len(cut)
    while start and (not cut[start - 1].strip() or cut[start - 1].lstrip().startswith("#")):
        start -= 1
    return cut[start:]


def _says(text: str, wanted: Mapping[str, Any], path: Path) -> bool:
    try:
        table = config.parse(text.encode("utf-8"), path)
    except ConfigurationError:
        return False
    return {"repositories": {}, **table} == {"repositories": {}, **wanted}


def _write(path: Path, text: str) -> None:
    """Replace the file, not a link that leads to it, and leave its permissions as they were."""
    real = Path(os.path.realpath(path))
    try:
        mode = stat.S_IMODE(real.stat().st_mode)
    except OSError:  # it is new, or it cannot be written either, and then that says why
        mode = disk.PRIVATE_FILE
    try:
        disk.make_folder(real.parent)
        disk.write(real, text.encode("utf-8"), mode=mode)
    except StoreError as error:
        disk.point_elsewhere(error, _ELSEWHERE)
        raise


def keep_root(path: Path, data: bytes) -> None:
    """Write a root file of the configuration (`StoreError`)."""
    try:
        disk.make_folder(path.parent)
        disk.write(path, data)
    except StoreError as error:
        disk.point_elsewhere(error, _ELSEWHERE)
        raise


def drop_root(path: Path) -> None:
    """Remove a root file of the configuration, if it is there (`StoreError`)."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise disk.explain(path, error) from error
