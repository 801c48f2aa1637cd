"""Clients of simulated repositories, with a clock that only the test moves, and project pages to look at."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from secure_fetch import Client, Repository
from secure_fetch.index.pages import PageFile, ProjectPage, render_html, render_json

from .simulator import NOW, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from secure_fetch.transport import Transport

ROOT_URL = "https://index.example/"
INDEX_URL = ROOT_URL + "simple/"
WHEEL = "flask-1.0-py3-none-any.whl"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def index(**options: Any) -> Simulator:
    """Return an empty index: metadata, pages and files under one root, as `pep458` has them."""
    return Simulator(targets_url=ROOT_URL, **options)


def repository(simulator: Simulator, **changes: Any) -> Repository:
    given = {
        "name": "corp",
        "root": simulator.initial_root,
        "metadata_url": simulator.metadata_url,
        "targets_url": simulator.targets_url,
        "index_url": INDEX_URL,
    }
    return Repository(**{**given, **changes})


def client(
    simulator: Simulator,
    folder: Path,
    *,
    clock: Clock | None = None,
    transport: Transport | None = None,
    **changes: Any,
) -> Client:
    """Return a new client, as a new process would, of what lies in `folder`; `changes` are those of the repository."""
    return Client(
        repository(simulator, **changes),
        cache_dir=folder / "cache",
        state_dir=folder / "state",
        transport=transport or simulator,
        clock=clock or Clock(),
    )


def package_path(filename: str, data: bytes) -> str:
    digest = hashlib.blake2b(data, digest_size=32).hexdigest()
    return f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}"


def add_project(
    simulator: Simulator,
    name: str,
    files: Mapping[str, bytes],
    *,
    formats: tuple[str, ...] = ("json", "html"),
    signed: bool = True,
) -> dict[str, str]:
    """Add the pages of a project and (if `signed`) its files as targets; return file name → target path.

    `publish` afterwards.
    """
    paths = {filename: package_path(filename, data) for filename, data in files.items()}
    page = ProjectPage(
        name=name,
        url=f"{INDEX_URL}{name}/",
        files=tuple(
            PageFile(
                filename=filename, url=ROOT_URL + paths[filename], hashes={"sha256": hashlib.sha256(data).hexdigest()}
            )
            for filename, data in files.items()
        ),
    )
    render = {"json": render_json, "html": render_html}
    for kind in formats:
        simulator.add_target(f"simple/{name}/index.{kind}", render[kind](page))
    for filename, data in files.items():
        if signed:
            simulator.add_target(paths[filename], data)
            simulator.served.pop(simulator.target_url(paths[filename], hashlib.sha256(data).hexdigest()), None)
        simulator.served[ROOT_URL + paths[filename]] = data  # its path holds a hash already
    return paths


def save(simulator: Simulator, folder: Path) -> None:
    """Write what is served into a folder, as a mirror: complete files only, the timestamp last."""
    for url in sorted(simulator.served, key=lambda url: url.endswith("/timestamp.json")):
        path = folder / unquote(urlsplit(url).path).lstrip("/")
        if path.exists() and path.name != "timestamp.json":  # no other name ever means something else
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(simulator.served[url])
        temporary.replace(path)


def files_in(folder: Path) -> list[str]:
    """Return every file below a folder, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def names_in(folder: Path) -> list[str]:
    """Return the name of everything that lies directly in a folder."""
    return sorted(path.name for path in folder.iterdir())


class Mirrors:
    """Several copies of one repository, each at a base URL of its own, each with its own faults.

    `lies` maps URLs to other bytes, `errors` to what is raised. `asked` is every request in its order.
    """

    def __init__(self, simulator: Simulator, *bases: str) -> None:
        self.simulator = simulator
        self.bases = bases
        self.lies: dict[str, bytes] = {}
        self.errors: dict[str, Exception] = {}
        self.asked: list[str] = []

    def stream(self, url: str, *, max_length: int, deadline: float) -> Iterator[bytes]:
        self.asked.append(url)
        if url in self.errors:
            raise self.errors[url]
        base = next((base for base in self.bases if url.startswith(base)), None)
        behind = url if base is None else self.simulator.metadata_url + url.removeprefix(base)
        chunks = self.simulator.stream(behind, max_length=max_length, deadline=deadline)
        return iter([self.lies[url]]) if url in self.lies else chunks

    def close(self) -> None:
        """Do nothing."""
