"""Our client behind the command-line protocol of the conformance suite for TUF clients.

    client --metadata-dir D init ROOT_FILE
    client --metadata-dir D --metadata-url U refresh
    client --metadata-dir D --metadata-url U --target-name P [--target-name P2 …]
           --target-base-url B --target-dir T download

Exit code 0 for success, 1 for any failure. After each command D holds, for each role, the bytes of the metadata that
was trusted last, under its URL-quoted name: also where a later step failed, and also where rotated keys ended its trust
(5.3.11) and nothing has replaced it yet, as in the reference client. These files are only written: what the client
itself relies on lies in the folder `D/store` and is verified again by each command.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

from secure_fetch import disk
from secure_fetch.config import Repository, read_file
from secure_fetch.errors import NotFoundError, SecureFetchError
from secure_fetch.trust.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secure_fetch import Client, Target

OWN = "store"  # our folder in D: no role's file has this name
LIMITS = Limits(retries=0, timestamp_length=1 << 14)  # the suite counts requests; the reference client's longest
LONGEST = 200  # characters of a file name
AS_GIVEN = "%/:@!$&'()*+,;=~"  # what the path of a URL may hold


class Parser(argparse.ArgumentParser):
    """Knows no exit code but 0 and 1."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, which may stand before or after the command."""
    parser = Parser(prog="client", description="A TUF client for the conformance suite.", allow_abbrev=False)
    parser.add_argument("command", choices=["init", "refresh", "download"])
    parser.add_argument("root_file", nargs="?", type=Path, help="the initial root, for init")
    parser.add_argument("--metadata-dir", required=True, type=Path)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name", action="append")
    parser.add_argument("--target-base-url")
    parser.add_argument("--target-dir", type=Path)
    options = parser.parse_intermixed_args(arguments)
    needed = {"init": ["root_file"], "refresh": ["metadata_url"]}
    needed["download"] = ["metadata_url", "target_name", "target_base_url", "target_dir"]
    for name in needed[options.command]:
        if not getattr(options, name):
            parser.error(f"{options.command} needs {'--' * (name != 'root_file')}{name.replace('_', '-')}")
    if options.root_file and options.command != "init":
        parser.error(f"{options.command} takes no file")
    return options


def init(options: argparse.Namespace) -> None:
    """Begin with this root; it is checked when it is used. What another root led to is forgotten."""
    root = read_file(options.root_file, LIMITS.root_length)
    folder: Path = options.metadata_dir
    if (folder / OWN).exists():
        shutil.rmtree(folder / OWN)
        for copy in folder.glob("*.json"):
            if copy.resolve() != options.root_file.resolve():
                copy.unlink()
    disk.make_folder(folder / OWN)
    disk.write(folder / OWN / "root.json", root)
    disk.write(folder / "root.json", root)


def refresh(options: argparse.Namespace) -> None:
    """Update the top-level metadata."""
    with opened(options) as client:
        client.refresh()


def download(options: argparse.Namespace) -> None:
    """Update the metadata, then download each target in order."""
    with opened(options) as client:
        consistent = client.refresh().root.signed.consistent_snapshot
        # The suite's repositories have their files under one name each, as 5.7.3 says; no other is tried.
        client.repository = replace(client.repository, hash_prefix_targets=consistent)
        for name in options.target_name:
            target = client.find(name)
            if target is None:
                raise NotFoundError(name, where="the repository")
            hand_over(client, target, options.target_dir)


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Client]:
    """Yield a client that sees one moment, and copy out what is trusted in the end, whatever happened."""
    from secure_fetch import Client, HTTPTransport

    folder: Path = options.metadata_dir
    repository = Repository(
        name="conformance",
        root=read_file(folder / OWN / "root.json", LIMITS.root_length),
        metadata_url=quoted(options.metadata_url),
        targets_url=quoted(options.target_base_url or options.metadata_url),
        limits=LIMITS,
    )
    now = datetime.now(timezone.utc)
    secure = any(url.startswith("https:") for url in (*repository.metadata_urls, *repository.targets_urls))
    transport = HTTPTransport(limits=LIMITS, keyring=False, truststore=secure)
    with (
        TemporaryDirectory(dir=folder / OWN) as cache,  # T alone remembers what was downloaded
        Client(
            repository, cache_dir=cache, state_dir=folder / OWN / "state", transport=transport, clock=lambda: now
        ) as client,
    ):
        try:
            yield client
        except BaseException:
            with suppress(SecureFetchError):  # the first error is the one to tell
                copy_out(client, folder)
            raise
        copy_out(client, folder)


def quoted(url: str) -> str:
    """Return a URL whose path is quoted where it has to be: folders may be named for test cases."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=quote(parts.path, safe=AS_GIVEN)))


def copy_out(client: Client, folder: Path) -> None:
    """Write the metadata that is trusted now under plain names; other files stay as they are."""
    for role, data in client.trusted().items():
        path = folder / f"{quote(role, safe='')}.json"
        if not path.is_file() or path.read_bytes() != data:
            disk.write(path, data)


def hand_over(client: Client, target: Target, folder: Path) -> None:
    """Put a target into a folder, unless it is there already."""
    from secure_fetch import files

    path = folder / artifact_name(target.path.text)
    wanted = files.Wanted(what=target.path.text, name=path.name, length=target.length, hashes=target.hashes)
    if files.is_there(wanted, path):
        return
    with client.open(target) as source:
        disk.make_folder(folder)
        files.hand_over(source.file, wanted, path)


def artifact_name(path: str) -> str:
    """Return one file name for a target path, never the same for two: the whole path quoted, hashed if too long."""
    name = quote(path, safe="")
    return name if len(name) <= LONGEST else f"{name[:99]}%%{hashlib.sha256(path.encode()).hexdigest()}"


COMMANDS = {"init": init, "refresh": refresh, "download": download}


def main(arguments: Sequence[str]) -> int:
    """Carry out one command; return its exit code."""
    options = parse(arguments)
    try:
        COMMANDS[options.command](options)
    except (SecureFetchError, OSError, ValueError, KeyboardInterrupt) as error:
        sys.stderr.write(f"{ascii(str(error) or type(error).__name__)[1:-1]}\n")
        return 1
    return 0
