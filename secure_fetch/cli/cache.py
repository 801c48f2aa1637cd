"""`secure-fetch cache …`: downloads that can be fetched again. The memory against rollbacks is not among them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from .ui import Ui

_HASH = re.compile(r"[0-9a-f]{32,128}")  # a folder of the file cache


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "cache",
        help="where downloads are kept, how much that is, and how to drop them",
        description="Verified downloads are kept, and verified again when they are used.",
        **options,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text, run in (
        ("dir", "print where downloads are kept", _dir),
        ("info", "show how much is kept, for each repository", _info),
        ("purge", "delete all downloads; trusted metadata stays", _purge),
    ):
        commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", **options).set_defaults(
            run=run
        )


def _dir(args: argparse.Namespace, ui: Ui) -> int:
    from .context import Context

    with Context(args) as context:
        ui.answer(str(context.cache_dir))
        ui.result({"cache_dir": context.cache_dir})
    return 0


def _info(args: argparse.Namespace, ui: Ui) -> int:
    from . import words
    from .context import Context

    rows: list[tuple[str, int, int]] = []
    with Context(args) as context:
        for name, folders in _caches(context.cache_dir, context.state_dir):
            lengths = [length for folder in folders for length in _lengths(folder)]
            rows.append((name, len(lengths), sum(lengths)))
        total = sum(length for _, _, length in rows)
        if rows:
            cells = [(name, files, words.size(length)) for name, files, length in rows]
            ui.table("", ("repository", "files", "size"), cells)
        ui.out(f"{words.size(total)} in {context.cache_dir}; trusted metadata is in {context.state_dir}.")
        ui.result(
            {
                "cache_dir": context.cache_dir,
                "state_dir": context.state_dir,
                "bytes": total,
                "repositories": [{"name": name, "files": files, "bytes": length} for name, files, length in rows],
            }
        )
    return 0


def _purge(args: argparse.Namespace, ui: Ui) -> int:
    import shutil

    from .. import disk
    from . import words
    from .context import Context

    files = length = 0
    with Context(args) as context:
        for _, folders in _caches(context.cache_dir, context.state_dir):
            for folder in folders:
                lengths = _lengths(folder)
                try:
                    shutil.rmtree(folder)
                except FileNotFoundError:  # somebody else purges too
                    continue
                except OSError as error:
                    raise disk.explain(folder, error) from error
                files, length = files + len(lengths), length + sum(lengths)
    ui.out(f"Deleted {files} file(s), {words.size(length)}. Trusted metadata stays: rollbacks are still noticed.")
    ui.result({"files": files, "bytes": length})
    return 0


def _caches(cache_dir: Path, state_dir: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield each repository's name on disk and the folders with its downloads: `<cache>/<repository>/files/<hash>`.

    Only what has this form is a download, so that neither a folder that was named by mistake is emptied, nor trusted
    metadata that lies inside of the cache folder (`StoreError`).
    """
    state = state_dir.resolve()
    for repository in _folders(cache_dir.resolve()):  # the cache itself may be a link
        found = [
            folder
            for folder in _folders(repository / "files")
            if _HASH.fullmatch(folder.name) and not _overlap(folder.resolve(), state)
        ]
        if found:
            yield unquote(repository.name), found


def _overlap(folder: Path, state: Path) -> bool:
    return folder == state or folder in state.parents or state in folder.parents


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, without following any link."""
    from .. import disk

    if folder.is_symlink():
        return []
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise disk.explain(folder, error) from error


def _lengths(folder: Path) -> list[int]:
    """Return the length of each file below a folder, of those that are still there."""
    lengths = []
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                lengths.append(os.lstat(os.path.join(base, name)).st_size)  # noqa: PTH118 - as os.walk gives it
            except OSError:
                continue
    return lengths
