"""`secure-fetch download`: verified files into a folder."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import disk
from ..errors import HashError, SecureFetchError, StoreError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from ..client import Client
    from ..handoff.local_index import Refusal
    from ..targets import Target, VerifiedFile
    from .context import Context
    from .requirements import Request, Wanted
    from .ui import Ui

# With these alone no installer is needed: what they mean is decided here.
_OWN = {"no-deps", "requirement", "dest", "pre", "require-hashes"}
_ALGORITHMS = ("sha256", "sha384", "sha512")  # those that pip takes for --hash


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A file to download: the client of its repository, its target, and its project and version, if they are known."""

    client: Client
    target: Target
    name: str
    version: str


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    from .pip_options import pass_through

    parser = subparsers.add_parser(
        "download",
        help="verified files into a folder, with dependencies",
        usage="%(prog)s [options] [pip's options] [-d DIR] REQUIREMENT…",
        description="Download into a folder (-d, default: here). pip resolves dependencies, for the active "
        "environment or else for the Python that runs this; the files are fetched and verified here. With --no-deps no "
        "installer runs at all. The options of `pip download` work, but for those that name other sources.",
        **options,
    )
    parser.add_argument("--python", metavar="PATH", help="the environment or interpreter to resolve for")
    pass_through(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, ui: Ui) -> int:
    """Choose files, with pip where dependencies are wanted, and download them."""
    from . import requirements
    from .context import Context
    from .installing import require_repositories

    error: SecureFetchError | None = None
    refusals: Sequence[Refusal] = ()
    files: list[tuple[_Chosen, VerifiedFile]] = []
    with Context(args) as context:
        require_repositories(context)
        request = requirements.read(args.pip, environment=os.environ)
        if request.is_empty:
            raise UsageError("Nothing was asked for.", hint="Name a project, or a requirements file with -r.")
        options = {option.name for option in request.options}
        if "no-deps" in options and options <= _OWN and not request.local:
            chosen = _choose(context, request, ui)
        else:
            chosen, refusals, error = _resolve(context, args, ui)
        folder = Path(request.option("dest") or ".")
        if error is None:
            files = _download(chosen, folder, ui)
    _tell(files, refusals, error, ui)
    return 0 if error is None else error.exit_code


def _choose(context: Context, request: Request, ui: Ui) -> list[_Chosen]:
    """Choose the best file for each requirement, for the Python that runs this."""
    from ..index.choose import Environment, choose
    from ..index.distributions import version_of
    from .suggestions import page_of

    if request.require_hashes or any(wanted.hashes for wanted in request.wanted):
        _need_hashes(request.wanted)
    here = Environment.here()
    prereleases = True if request.option("pre") is not None else None
    chosen = []
    for wanted in request.wanted:
        requirement = wanted.requirement
        if requirement.marker is not None and not requirement.marker.evaluate():
            ui.note(f"Left out: {requirement} is not for this environment.")
            continue
        clients = context.clients().for_project
        page = page_of(clients, requirement.name)
        client = clients(requirement.name)
        hashes = _hashes(wanted)
        if hashes:
            fitting = tuple(file for file in page.files if _may_be(file.hashes, hashes))
            page = replace(page, files=fitting or page.files)
        file = choose(page, requirement, here, prereleases=prereleases)
        target = client.locate(page, file.filename)
        if hashes:
            _check_hashes(client, target, hashes)
        version = str(version_of(file.filename, page.name) or "")
        chosen.append(_Chosen(client=client, target=target, name=page.name, version=version))
    return chosen


def _need_hashes(wanted: Sequence[Wanted]) -> None:
    """Refuse requirements without a hash where one of them has one, as pip does (`UsageError`)."""
    for one in wanted:
        if not one.hashes:
            raise UsageError(
                f"{one.requirement} ({one.where}) has no --hash, and hashes are required.",
                hint="Hashes are required of all requirements as soon as one has some: add --hash=sha256:… to it.",
            )


def _hashes(wanted: Wanted) -> dict[str, set[str]]:
    """Return the `--hash` options of a requirement: algorithm → digests, any of which will do."""
    hashes: dict[str, set[str]] = {}
    for text in wanted.hashes:
        algorithm, _, digest = text.partition(":")
        if algorithm not in _ALGORITHMS or not digest:
            raise UsageError(
                f"--hash={text[:100]} ({wanted.where}) is not a hash.",
                hint=f"Write --hash=ALGORITHM:DIGEST, with one of {', '.join(_ALGORITHMS)}.",
            )
        hashes.setdefault(algorithm, set()).add(digest.lower())
    return hashes


def _may_be(said: Mapping[str, str], hashes: Mapping[str, set[str]]) -> bool:
    """Tell whether a file that a page gives these hashes can have one of those that are asked for."""
    shared = said.keys() & hashes.keys()
    return not shared or any(said[algorithm] in hashes[algorithm] for algorithm in shared)


def _check_hashes(client: Client, target: Target, hashes: Mapping[str, set[str]]) -> None:
    """Compare a verified file with the hashes that the user has for it (`HashError`)."""
    import hashlib

    from ..files import chunks

    digests = {algorithm: hashlib.new(algorithm) for algorithm in hashes}
    with client.open(target) as opened:
        for chunk in chunks(opened.file):
            for digest in digests.values():
                digest.update(chunk)
    for algorithm, digest in digests.items():
        if digest.hexdigest() in hashes[algorithm]:
            return
    algorithm = min(hashes)
    raise HashError(
        target.path.name,
        algorithm=algorithm,
        expected=min(hashes[algorithm]),
        actual=digests[algorithm].hexdigest(),
        hint="Your requirements name another hash than the repository vouches for: find out which of them is right.",
    )


def _resolve(
    context: Context, args: argparse.Namespace, ui: Ui
) -> tuple[list[_Chosen], Sequence[Refusal], SecureFetchError | None]:
    """Let pip resolve without installing; it may build what has no metadata, from verified files."""
    from .installing import Pip, target

    try:
        python = target(args.python, os.environ)
    except UsageError:
        if args.python is not None:
            raise
        python = Path(sys.executable)
    pip = Pip(context, ui, python)
    request, settings = pip.prepare(args.pip, "download")
    arguments = ["--dry-run", "--ignore-installed", *request.passed("dest", "report", "dry-run", "ignore-installed")]
    outcome = pip.run(arguments, settings.variables, local=request.local, command="pip", quiet=not ui.verbose)
    chosen = []
    for taken in outcome.taken:
        if taken.target is None:
            ui.warn(f"{taken.name} {taken.version} is local ({taken.url}): it was not downloaded.")
            continue
        client = context.clients().for_project(taken.name)
        chosen.append(_Chosen(client=client, target=taken.target, name=taken.name, version=taken.version))
    return chosen, outcome.refusals, outcome.error


def _download(chosen: Sequence[_Chosen], folder: Path, ui: Ui) -> list[tuple[_Chosen, VerifiedFile]]:
    files = []
    with ui.progress("Downloading", len(chosen)) as advance:
        for one in chosen:
            try:
                files.append((one, one.client.download(one.target, folder)))
            except StoreError as error:
                if Path(str(error.path)).is_relative_to(folder):
                    disk.point_elsewhere(error, "another folder with -d")
                raise
            advance(1)
    return files


def _tell(
    files: Sequence[tuple[_Chosen, VerifiedFile]],
    refusals: Sequence[Refusal],
    error: SecureFetchError | None,
    ui: Ui,
) -> None:
    from . import words
    from .installing import chain

    for _, file in files:
        ui.out(f"{file.path}  {words.size(file.length)}, verified")
    if error is not None and not ui.json:
        ui.error(error)
    ui.result(
        {
            "files": [
                {
                    "name": one.name,
                    "version": one.version,
                    "path": file.path,
                    "length": file.length,
                    "hashes": dict(file.hashes),
                    "vouched_by": file.vouched_by,
                    "chain": chain(one.target),
                }
                for one, file in files
            ],
            "refused": [{"what": refusal.what, "error": refusal.error} for refusal in refusals],
            **({"error": error} if error is not None else {}),
            "ok": error is None,
        }
    )
