"""`secure-fetch serve`: the verifying index as a service on this computer, for any installer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from .ui import Ui


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="the verifying index as a service on this computer",
        description="Serve the verified index on loopback until Ctrl-C. Its address has no secret in it: every user of "
        "this computer can read what you can read there.",
        **options,
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port (default: one that is free)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, ui: Ui) -> int:
    """Serve until Ctrl-C."""
    from .context import Context
    from .installing import require_repositories, verifying_index

    with Context(args) as context:
        require_repositories(context)
        with verifying_index(context, ui, port=args.port, token="", stop=False) as (_, served):
            url = f"{served.url}simple/"
            ui.answer(url)
            ui.result({"index_url": url})
            ui.note("Ctrl-C ends it.")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                context.close()
    return 0
