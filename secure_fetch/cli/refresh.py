"""`secure-fetch refresh`: update the trusted metadata now, and show versions and expiry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, SecureFetchError

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from ..trust.state import TrustedState
    from .ui import Ui


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "refresh",
        help="update trusted metadata now, show versions and expiry",
        description="Update the trusted metadata of these repositories (default: of all), and show what is trusted.",
        **options,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="the name of a repository")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, ui: Ui) -> int:
    """Refresh one repository after the other; each that fails is told, and the gravest exit code returned."""
    from . import words
    from .context import Context

    rows: list[dict[str, Any]] = []
    failed: list[SecureFetchError] = []
    with Context(args) as context:
        configuration = context.configuration()
        repositories = [configuration.named(name) for name in args.names] or configuration.repositories
        if not repositories:
            raise ConfigurationError(
                "No repository is trusted yet.",
                hint="Add one: secure-fetch trust add NAME --index-url URL --root root.json",
            )
        for repository in repositories:
            if len(repositories) > 1:
                ui.note(f"Refreshing {repository.name} …")
            try:
                state = context.clients().of(repository).refresh()
            except SecureFetchError as error:
                if len(repositories) == 1:
                    raise
                failed.append(error)
                rows.append({"name": repository.name, "error": error})
            else:
                rows.append(_row(repository.name, state, words.now()))
    _tell(rows, ui)
    return min((error.exit_code for error in failed), default=0)  # 1, an attack perhaps, is the gravest


def _row(name: str, state: TrustedState, now: datetime) -> dict[str, Any]:
    from . import words

    roles = (state.root, state.timestamp, state.snapshot, state.targets)
    return {
        "name": name,
        "expires": state.expires,
        "expires_in": words.when(state.expires, now),
        "roles": [
            {
                "role": role.role.text,
                "version": role.version,
                "expires": role.expires,
                "expires_in": words.when(role.expires, now),
            }
            for role in roles
            if role is not None
        ],
    }


def _tell(rows: list[dict[str, Any]], ui: Ui) -> None:
    cells = [
        (row["name"], role["role"], role["version"], f"{role['expires']:%Y-%m-%d %H:%M} UTC", role["expires_in"])
        for row in rows
        for role in row.get("roles", ())
    ]
    if cells:
        ui.table("", ("repository", "role", "version", "expires", ""), cells)
    for row in rows:
        if "error" in row and not ui.json:
            ui.error(row["error"])
    ui.result({"repositories": rows})
