"""What `install` and `download` share: the environment, pip over the verifying index, and what pip reports."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from .. import config, disk
from ..errors import InstallerError, NotFoundError, SecureFetchError, UsageError, VerificationError
from ..index.layout import layout
from ..transport import redact
from . import pip_settings, requirements
from .ui import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..client import Client
    from ..handoff.local_index import Handed, LocalIndex, Refusal
    from ..handoff.server import Served
    from ..targets import Target
    from ..trust.names import TargetPath
    from .context import Context
    from .requirements import Request
    from .ui import Ui

_MAX_REPORT = 256_000_000  # bytes; it holds the metadata of everything that is installed


def target(option: str | None, environment: Mapping[str, str]) -> Path:
    """Return the interpreter of the environment to install into: `--python`, else the active one (`UsageError`)."""
    if option is not None:
        found = _interpreter(Path(option).expanduser())
        if found is None and not os.path.dirname(option):  # noqa: PTH120 - a mere word
            word = shutil.which(option)
            found = None if word is None else Path(word)
        if found is None:
            raise UsageError(
                f"{option} is neither a Python interpreter nor a virtual environment.",
                hint="Make an environment: python3 -m venv .venv, then --python .venv",
            )
        return found
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder = environment.get(variable)
        if not folder or (variable == "CONDA_PREFIX" and environment.get("CONDA_DEFAULT_ENV") in ("base", "root")):
            continue
        found = _interpreter(Path(folder))
        if found is None:
            raise UsageError(
                f"{variable} names {folder}, where there is no Python.",
                hint="Activate an environment that exists, or name one with --python.",
            )
        return found
    raise UsageError(
        "No virtual environment is active, so it is not clear where to install to.",
        hint="Activate one (. .venv/bin/activate; make it with python3 -m venv .venv), or name an environment or an "
        "interpreter with --python.",
    )


def _interpreter(path: Path) -> Path | None:
    """Return `path` if it is a program, or the interpreter of the environment there."""
    if path.is_dir():
        places = (path / "bin" / "python", path / "Scripts" / "python.exe", path / "python.exe")
        return next((place.absolute() for place in places if place.is_file()), None)
    return path.absolute() if path.is_file() and os.access(path, os.X_OK) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A distribution in pip's report: `url` is where pip got it, `target` None where that is not the index."""

    name: str
    version: str
    url: str
    target: Target | None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a run of pip ended: what it took, what it was handed and refused, and why it failed, if it did."""

    taken: list[Taken] = field(default_factory=list)
    handed: Sequence[Handed] = ()
    refusals: Sequence[Refusal] = ()
    report: str = ""
    error: SecureFetchError | None = None


class Pip:
    """pip in one environment, with the verifying index as its only source."""

    def __init__(self, context: Context, ui: Ui, python: Path) -> None:
        self._context = context
        self._ui = ui
        self._python = python
        self._environment = dict(context.settings.environment)

    def prepare(self, arguments: Sequence[str], command: str) -> tuple[Request, pip_settings.Settings]:
        """Read what was asked for, the user's pip settings, and the newest trusted metadata, side by side.

        `command` is the one whose settings count. So what is wrong with the repository is said before pip starts.
        """
        from ..handoff import pip_runner

        require_repositories(self._context)
        request = requirements.read(arguments, environment=self._environment)
        if request.is_empty:
            raise UsageError("Nothing was asked for.", hint="Name a project, or a requirements file with -r.")
        with ThreadPoolExecutor(1) as pool:
            listing = pool.submit(pip_runner.settings, self._python, self._environment)
            self._refresh(request)
            settings = pip_settings.read(listing.result(), command)
        requirements.check_constraints(settings.constraints, environment=self._environment)
        if settings.dropped:
            self._ui.note(f"These of pip's settings do not count here: {', '.join(settings.dropped)}.")
        return request, settings

    def _refresh(self, request: Request) -> None:
        """Update trusted metadata and look all pages up at once: their bins are fetched side by side."""
        clients = self._context.clients()
        paths: dict[Client, list[TargetPath]] = {}
        for name in dict.fromkeys(wanted.requirement.name for wanted in request.wanted):
            with suppress(NotFoundError):  # it may be installed already, so pip decides whether it is missed
                client = clients.for_project(name)
                paths.setdefault(client, []).append(layout(client.repository.layout).page_targets(name)[0][0])
        for client, wanted in paths.items():
            client.find_all(wanted)

    def run(
        self, arguments: Sequence[str], settings: Mapping[str, str], *, local: Sequence[str], command: str, quiet: bool
    ) -> Outcome:
        """Run `pip install` with these arguments; the outcome holds the error that it ended with.

        `local` are the paths that the user typed: what comes from elsewhere, and not from the index, is an error.
        """
        from ..handoff import pip_runner
        from .pip_failures import explain

        clients = self._context.clients().for_project
        said = ["--quiet"] if quiet or self._ui.quiet else ["--verbose"] * self._ui.verbose
        with _temporary_folder() as folder, self._serving() as (index, served):
            report = folder / "report.json"
            ended = pip_runner.run(
                self._python,
                ["install", *said, "--report", str(report), *arguments],
                environment=pip_runner.environment(
                    self._environment, index_url=f"{served.url}simple/", proxy=served.proxy, settings=settings
                ),
                stdout=sys.stderr.fileno() if self._ui.json else None,
                heard=self._heard,
            )
            outcome = Outcome(handed=index.handed, refusals=index.refusals)
            if ended.status == 0:
                outcome.report = config.read_file(report, _MAX_REPORT).decode("utf-8", "replace")
                outcome.taken = [self._taken(entry, served) for entry in _entries(outcome.report)]
                outcome.error = _gravest(index) or _stray(outcome.taken, local)
            else:
                outcome.error = explain(ended, index.refusals, clients, command=command)
        return outcome

    def _taken(self, entry: Mapping[str, str], served: Served) -> Taken:
        """Return an entry of pip's report with what vouches for it, looked up again by its place in the index."""
        prefix = f"{served.url}files/"
        url, target = entry["url"], None
        if url.startswith(prefix):
            project, _, filename = url.removeprefix(prefix).partition("/")
            client = self._context.clients().for_project(project)
            target = client.locate(client.project(project), unquote(filename))
        return Taken(name=entry["name"], version=entry["version"], url=url, target=target)

    def _heard(self, line: str) -> None:
        """Pass a line of pip's on as it comes; a build or a package's metadata may have written it."""
        print(escape(line.expandtabs()), file=sys.stderr)  # noqa: T201 - pip's own words

    @contextmanager
    def _serving(self) -> Iterator[tuple[LocalIndex, Served]]:
        with verifying_index(self._context, self._ui) as pair:
            try:
                yield pair
            except BaseException:
                self._context.close()  # downloads that are under way end now, so that the server can
                raise


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        folder = tempfile.mkdtemp(prefix="secure-fetch-")
    except OSError as error:
        raise disk.explain(tempfile.gettempdir(), error) from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def verifying_index(
    context: Context, ui: Ui, *, port: int = 0, token: str | None = None, stop: bool = True
) -> Iterator[tuple[LocalIndex, Served]]:
    """Serve the verifying index of all repositories while the block runs; what is refused is told as it happens."""
    from ..handoff.local_index import LocalIndex
    from ..handoff.server import serve

    told: set[tuple[str, str]] = set()

    def tell(refusal: Refusal) -> None:
        what = (refusal.what, refusal.error.message)
        if what not in told:
            told.add(what)
            ui.warn(f"{refusal.what} was refused: {refusal.error.message}")

    index = LocalIndex(context.clients().for_project, on_refusal=tell, stop=stop)
    with serve(index, port=port, token=token, on_stray=index.refuse) as served:
        yield index, served


def require_repositories(context: Context) -> None:
    """Refuse to begin where no repository is trusted (`ConfigurationError`)."""
    if not context.configuration().repositories:
        context.configuration().repository_for("")


def _stray(taken: Sequence[Taken], local: Sequence[str]) -> SecureFetchError | None:
    """Return the error for what neither the index nor the user named: a package's metadata can (`x @ file:///…`)."""
    typed = {_place(path) for path in local}
    for each in taken:
        if each.target is None and _place(each.url) not in typed:
            return VerificationError(
                f"{each.name} {each.version} came from {redact(each.url)}, which nothing vouches for.",
                hint="The metadata of a package names that address, not you. pip was done when this was found: if it "
                "was to install, uninstall that package.",
            )
    return None


def _place(text: str) -> str:
    """Return the path that a file: URL or a path with extras means; any other URL as it is."""
    if text[:5].lower() == "file:":
        return os.path.realpath(url2pathname(urlsplit(text).path))
    return text if "://" in text else os.path.realpath(requirements.without_extras(text.partition(";")[0].strip()))


def _gravest(index: LocalIndex) -> SecureFetchError | None:
    """Return what failed verification or could not be checked although pip was content without it."""
    errors = [refusal.error for refusal in index.refusals if not isinstance(refusal.error, UsageError)]
    return min(errors, key=lambda error: error.exit_code, default=None)


def _entries(report: str) -> list[dict[str, str]]:
    """Read pip's installation report: name, version and URL of each distribution (`InstallerError`)."""
    try:
        return [
            {
                "name": str(entry["metadata"]["name"]),
                "version": str(entry["metadata"]["version"]),
                "url": str(entry["download_info"]["url"]),
            }
            for entry in json.loads(report)["install"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InstallerError("pip install", status=0, hint=f"Its report cannot be read: {error}.") from error


def chain(target: Target) -> list[dict[str, Any]]:
    """Return the roles that vouch for a target, as `--json` has them."""
    return [
        {"role": link.role, "version": link.version, "expires": link.expires, "signed_by": link.signed_by}
        for link in target.chain
    ]
