"""`secure-fetch explain`: the chain of trust of one file, drawn as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ..targets import Link, Target
    from .lookup import Meant
    from .ui import Branch, Ui

_SHORT = 8  # characters of a key id


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "explain",
        help="the chain of trust of one file, drawn as a tree",
        description="Show who vouches for a file: roles, versions, signatures, expiry and hashes, from the root on.",
        **options,
    )
    parser.add_argument(
        "what",
        metavar="FILE|REQ",
        help="a file on this computer (compared with what was signed), a file name, a URL, a path in the repository, "
        "or a requirement such as 'flask==3.0'",
    )
    parser.add_argument("--repository", metavar="NAME", help="which repository is meant, where that is not clear")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, ui: Ui) -> int:
    """Look the file up, compare the local one if there is one, and draw."""
    from . import words
    from .context import Context
    from .lookup import look_up

    with Context(args) as context:
        meant = look_up(context, args.what, args.repository)
        if meant.local is not None:
            compare(meant.local, meant.target)
    _draw(meant, ui, words.now())
    ui.result(_object(meant, words.now()))
    return 0


def compare(path: Path, target: Target) -> None:
    """Compare a file on disk with its target (`LengthError`, `HashError`, `StoreError`)."""
    from .. import disk
    from ..errors import HashError, LengthError
    from ..files import chunks
    from ..trust.digest import Digester

    digester = Digester(str(path), length=target.length, hashes=target.hashes)
    try:
        with path.open("rb") as file:
            for chunk in chunks(file):
                digester.update(chunk)
        digester.finish()
    except (LengthError, HashError) as error:
        error.hint = (
            "It is not the file that was signed under this name. Do not use it: get it again with "
            "`secure-fetch download`, and find out where this one came from."
        )
        raise
    except OSError as error:
        failure = disk.explain(path, error)
        failure.hint = "Make it readable for you."
        raise failure from error


def _draw(meant: Meant, ui: Ui, now: datetime) -> None:
    repository, target = meant.client.repository, meant.target
    if meant.local is not None:
        ui.out(f"{meant.local} is, byte for byte, the file that {repository.name} vouches for.")
    else:
        ui.out(f"{target.path.name} is vouched for by {repository.name}.")
    if meant.file is not None and meant.file.yanked is not None:
        ui.out(f"It was yanked{f': {meant.file.yanked}' if meant.file.yanked else ''}.")
    if not ui.quiet:
        branches = _branches(target, now)
        ui.tree(*branches)


def _branches(target: Target, now: datetime) -> Branch:
    """Return the tree: root at its base, each role below the one that delegates to it, the file at the tip."""
    from . import words

    length = "" if target.length is None else f", {words.size(target.length)}"
    hashes: list[Branch] = [(f"{name} {digest}", ()) for name, digest in target.hashes.items()]
    tip: Branch = (f"{target.path}{length}", hashes)
    if target.vouched_by == "page":
        tip = (f"the page of {target.page}, which is signed and names", [tip])
    nodes: list[list[Branch]] = [[] for _ in target.chain]
    labels = [_label(link, now) for link in target.chain]
    nodes[-1].append(tip)
    for place in range(len(target.chain) - 1, 0, -1):
        nodes[_parent(target.chain, place)].insert(0, (labels[place], nodes[place]))
    return labels[0], nodes[0]


def _parent(chain: Sequence[Link], place: int) -> int:
    """Return where in the chain the role stands that delegates to the one at `place`."""
    above = [before for before in range(place) if chain[before].role == chain[place].delegator]
    return above[-1] if above else place - 1


def _label(link: Link, now: datetime) -> str:
    from . import words

    signers = ", ".join(keyid[:_SHORT] for keyid in link.signed_by)
    signed = f"signed by {signers} ({link.threshold} of {link.keys} key(s) needed)"
    return f"{link.role} version {link.version}, {words.expiry(link.expires, now)}, {signed}"


def _object(meant: Meant, now: datetime) -> dict[str, Any]:
    from . import words

    target = meant.target
    return {
        "repository": meant.client.repository.name,
        "path": target.path.text,
        "length": target.length,
        "hashes": dict(target.hashes),
        "vouched_by": target.vouched_by,
        "page": target.page,
        "yanked": None if meant.file is None else meant.file.yanked,
        "local": None if meant.local is None else {"path": meant.local, "matches": True},
        "chain": [
            {
                "role": link.role,
                "version": link.version,
                "expires": link.expires,
                "expires_in": words.when(link.expires, now),
                "delegator": link.delegator,
                "signed_by": link.signed_by,
                "threshold": link.threshold,
                "keys": link.keys,
            }
            for link in target.chain
        ],
    }
