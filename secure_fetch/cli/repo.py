"""`secure-fetch repo …`: the signing side. The repository's folder comes first in every command."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..signing.publisher import Publication
    from ..signing.repository import SigningRepository
    from .ui import Ui

PASSPHRASE = "SECURE_FETCH_PASSPHRASE"  # noqa: S105 - the name of a variable

_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "repo",
        help="the signing side: make, fill and publish a signed index",
        description="Sign a folder of wheels and sdists, and publish them for any static web server.",
        **options,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_init(commands, options)
    add = _command(commands, "add", "add wheels and sdists; clients see them after `publish`", _add, options)
    add.add_argument("files", metavar="FILE", nargs="+", type=Path)
    remove = _command(commands, "remove", "take files out again; clients see that after `publish`", _remove, options)
    remove.add_argument("files", metavar="FILE", nargs="+", help="the name of a file that was added")
    _command(commands, "publish", "publish what was added and removed, and sign what is due", _publish, options)
    refresh = _command(
        commands, "refresh", "sign again what is past half its life; run this from cron", _refresh, options
    )
    refresh.add_argument(
        "--force", action="store_true", help="sign timestamp, snapshot and bins again, however long they have to live"
    )
    _command(commands, "status", "show versions, expiry, and what waits to be published", _status, options)


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    run: Callable[[argparse.Namespace, Ui], int],
    options: dict[str, Any],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", **options)
    parser.add_argument("folder", metavar="DIR", type=Path, help="the repository's folder")
    parser.set_defaults(run=run)
    return parser


def _add_init(commands: argparse._SubParsersAction[argparse.ArgumentParser], options: dict[str, Any]) -> None:
    parser = _command(commands, "init", "make a repository in a new or empty folder, with its keys", _init, options)
    parser.add_argument("--bins", type=int, default=16, metavar="N", help="a power of two (default: %(default)s)")
    parser.add_argument("--succinct", action="store_true", help="succinct bins (TAP 15) instead of hash prefixes")
    parser.add_argument("--root-keys", type=int, default=1, metavar="N", help="how many root keys (default: 1)")
    parser.add_argument(
        "--root-threshold", type=int, default=1, metavar="T", help="how many of them have to sign (default: 1)"
    )
    parser.add_argument(
        "--expires-online",
        type=_duration,
        default=timedelta(days=1),
        metavar="TIME",
        help="how long timestamp, snapshot and bins live, such as 12h or 7d (default: 1d); refresh more often",
    )
    parser.add_argument(
        "--expires-offline",
        type=_duration,
        default=timedelta(days=365),
        metavar="TIME",
        help="how long root, targets and the role `bins` live (default: 365d)",
    )
    parser.add_argument(
        "--unencrypted-keys",
        action="store_true",
        help=f"no passphrase (otherwise from {PASSPHRASE}, or asked for on the terminal)",
    )
    parser.add_argument(
        "--index-url", action="append", default=[], metavar="URL", help="where it will be served, ending in /simple/"
    )


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90m, 12h, 7d or 52w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _need_signing() -> None:
    """Refuse, with the next step, where the signing side's library is not installed (`UsageError`)."""
    try:
        import tuf  # noqa: F401 - an extra
    except ImportError:
        raise UsageError(
            "The signing side is not installed.", hint="Install it: pip install 'secure-fetch[signing]'"
        ) from None


def _ask() -> str:
    """Return the passphrase from the environment, or from whoever sits at the terminal (`UsageError`)."""
    given = os.environ.get(PASSPHRASE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UsageError(
            "The keys need a passphrase, and there is no terminal to ask for it on.",
            hint=f"Set {PASSPHRASE}. Nothing was made or changed.",
        )
    return _prompt("Passphrase of the keys: ")


def _prompt(text: str) -> str:
    from getpass import getpass

    try:
        return getpass(text)
    except EOFError:
        raise UsageError("No passphrase was given.", hint="Nothing was made or changed.") from None


def _ask_twice() -> str:
    """Return a new passphrase, typed twice where it is typed (`UsageError`)."""
    first = _ask()
    if PASSPHRASE not in os.environ and _prompt("The same again: ") != first:
        raise UsageError("The two passphrases differ.", hint="Nothing was made.")
    return first


def _open(args: argparse.Namespace) -> SigningRepository:
    _need_signing()
    from ..signing.repository import SigningRepository

    return SigningRepository.open(args.folder, _ask)


def _init(args: argparse.Namespace, ui: Ui) -> int:
    _need_signing()
    from ..signing.plan import Lifetimes, Plan
    from ..signing.repository import SigningRepository

    offline = args.expires_offline
    plan = Plan(
        bins=args.bins,
        succinct=args.succinct,
        root_keys=args.root_keys,
        root_threshold=args.root_threshold,
        lifetimes=Lifetimes(root=offline, targets=offline, bins=offline, online=args.expires_online),
        index_urls=tuple(args.index_url),
    )
    passphrase = None if args.unencrypted_keys else _ask_twice
    made = SigningRepository.create(args.folder, plan, passphrase, progress=ui.progress)
    _tell_next(ui, made, encrypted=passphrase is not None, name=args.folder)
    ui.result(
        {
            "repository": made.folder,
            "public": made.public,
            "keys": made.folder / "keys",
            "encrypted": passphrase is not None,
            "root": made.root_file,
            "fingerprint": made.fingerprint,
        }
    )
    return 0


def _tell_next(ui: Ui, made: SigningRepository, *, encrypted: bool, name: Path) -> None:
    from . import words

    plan, folder = made.plan, shlex.quote(str(name))
    kind = "succinct" if plan.succinct else "by hash prefix"
    url = plan.index_urls[0] if plan.index_urls else "https://index.example/simple/"
    often = words.span(plan.lifetimes.online / 4)
    ui.out(f"Made {made.folder}: {plan.bins} bins ({kind}), root signed by {plan.root_threshold} of {plan.root_keys}.")
    ui.out(f"Keys: {made.folder / 'keys'} ({'encrypted' if encrypted else 'NOT encrypted'}). Never serve that folder,")
    ui.out("      and keep a copy of it elsewhere: whoever has the keys can sign.")
    ui.out(f"Root: {made.root_file}")
    ui.out(f"      {made.fingerprint}")
    ui.out("Next:")
    ui.out(f"  secure-fetch repo add {folder} FILE…")
    ui.out(f"  secure-fetch repo publish {folder}")
    ui.out(f"  Serve {made.public} with any web server.")
    ui.out(
        f"  Run `secure-fetch repo refresh {folder}` from cron, at least every {often}: nobody trusts stale metadata."
    )
    ui.out("  Give the root to those who install, and tell them its fingerprint by other means:")
    ui.out(f"  secure-fetch trust add NAME --index-url {shlex.quote(url)} --root {made.root_file.name} \\")
    ui.out(f"      --fingerprint {made.fingerprint}")


def _add(args: argparse.Namespace, ui: Ui) -> int:
    done = _open(args).add(args.files, progress=ui.progress)
    for name in done.added:
        ui.out(f"added {name}")
    for name in done.present:
        ui.out(f"here already: {name}")
    if done.added:
        _tell_to_publish(ui, args)
    ui.result({"added": done.added, "present": done.present})
    return 0


def _remove(args: argparse.Namespace, ui: Ui) -> int:
    _open(args).remove(args.files)
    for name in args.files:
        ui.out(f"removed {name}")
    _tell_to_publish(ui, args)
    ui.result({"removed": args.files})
    return 0


def _tell_to_publish(ui: Ui, args: argparse.Namespace) -> None:
    ui.out(f"Clients see this after `secure-fetch repo publish {shlex.quote(str(args.folder))}`.")


def _publish(args: argparse.Namespace, ui: Ui) -> int:
    return _tell(ui, _open(args).publish(progress=ui.progress))


def _refresh(args: argparse.Namespace, ui: Ui) -> int:
    return _tell(ui, _open(args).refresh(force=args.force, progress=ui.progress))


def _tell(ui: Ui, done: Publication) -> int:
    from . import words

    bins = [role for role in done.signed if role.startswith("bin-")]
    others = [f"{role} {version}" for role, version in done.signed.items() if role not in bins]
    what = [f"{len(bins)} bin{'' if len(bins) == 1 else 's'}"] if bins else []
    ui.out(f"Signed {', '.join([*what, *others])}." if done.signed else "There was nothing to sign.")
    if done.projects:
        ui.out(f"Pages changed: {', '.join(done.projects)}.")
    ui.out(f"Good until {done.expires:%Y-%m-%d %H:%M} UTC; it {words.expiry(done.expires, words.now())}.")
    for role, why in done.overdue.items():
        ui.warn(f"The role {role} is past half its life and was not signed again. {why}")
    ui.result({"signed": done.signed, "projects": done.projects, "expires": done.expires, "overdue": done.overdue})
    return 0


def _status(args: argparse.Namespace, ui: Ui) -> int:
    from . import words

    repository = _open(args)
    status = repository.status()
    now = words.now()
    ui.answer(f"{repository.folder}: {status.files} file(s) of {status.projects} project(s) in {status.bins} bins.")
    rows = [
        (
            role.name,
            role.version,
            words.expiry(role.expires, now),
            f"{role.threshold} of {role.keys}",
            "" if role.signable else "keys not here",
        )
        for role in status.roles
    ]
    ui.table("", ("role", "version", "", "keys", ""), rows)
    ui.answer(f"Root: {repository.root_file}")
    ui.answer(f"      {repository.fingerprint}")
    if status.interrupted:
        ui.warn("The last publication was interrupted: run `publish` to finish it.")
    elif status.waiting:
        ui.answer(f"Waiting to be published: {', '.join(status.waiting)}.")
    ui.result(
        {
            **{name: getattr(status, name) for name in ("files", "projects", "bins", "waiting", "interrupted")},
            "roles": {
                role.name: {name: value for name, value in asdict(role).items() if name != "name"}
                for role in status.roles
            },
            "root": repository.root_file,
            "fingerprint": repository.fingerprint,
        }
    )
    return 0
