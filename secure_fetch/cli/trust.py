"""`secure-fetch trust …`: which repositories are trusted, and by which root."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, UsageError, VerificationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from ..config import Repository
    from ..trust.state import TrustedState
    from .context import Context
    from .ui import Ui

_FINGERPRINT = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    text = "which repositories are trusted, and by which root"
    parser = subparsers.add_parser(
        "trust",
        help=text,
        description=f"{text[0].upper()}{text[1:]}. Nothing is trusted but what is added here.",
        **options,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_add(commands, options)
    listed = commands.add_parser("list", help="show the trusted repositories", **options)
    listed.set_defaults(run=_list)
    show = commands.add_parser("show", help="show a repository's root, its keys, and what is held of it", **options)
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=_show)
    remove = commands.add_parser("remove", help="trust a repository no longer", **options)
    remove.add_argument("name", metavar="NAME")
    remove.add_argument(
        "--forget",
        action="store_true",
        help="forget its newest versions too, the memory against rollbacks (for an index that was started anew)",
    )
    remove.set_defaults(run=_remove)


def _add_add(commands: argparse._SubParsersAction[argparse.ArgumentParser], options: dict[str, Any]) -> None:
    add = commands.add_parser("add", help="trust a repository from now on", **options)
    add.add_argument("name", metavar="NAME", help="a name of your choice")
    add.add_argument("--index-url", metavar="URL", help="its simple index, ending in /simple/")
    add.add_argument("--root", metavar="FILE", type=Path, required=True, help="its root metadata, as you were given it")
    add.add_argument("--fingerprint", metavar="sha256:…", help="the SHA-256 of that file, as you were told another way")
    add.add_argument(
        "--metadata-url", metavar="URL", action="append", help="where its metadata lies; again for each mirror"
    )
    add.add_argument("--targets-url", metavar="URL", action="append", help="what its target paths are relative to")
    add.add_argument("--layout", metavar="NAME", help="pep458 (the default), warehouse or flat")
    add.add_argument(
        "--projects", metavar="PATTERN", nargs="+", help="the only projects it may supply, such as 'corp-*'"
    )
    hashed = add.add_mutually_exclusive_group()
    hashed.add_argument("--hash-prefix-targets", action="store_true", default=None, help="files carry their hash")
    hashed.add_argument("--no-hash-prefix-targets", action="store_false", dest="hash_prefix_targets", default=None)
    add.add_argument("--check", action="store_true", help="ask the index now, and add it only if all is well")
    add.set_defaults(run=_add)


def _add(args: argparse.Namespace, ui: Ui) -> int:
    from . import config_file, words
    from .context import Context

    data, state = _read_root(args.root)
    fingerprint = f"sha256:{hashlib.sha256(data).hexdigest()}"
    _compare(args, fingerprint)
    entry = _entry(args)
    with Context(args) as context:
        repository = _repository(args, entry, data, context.settings.environment)
        path = context.settings.own_file
        _must_be_new(context, args.name)
        before = _asked_before(context)
        if args.check:
            context.clients().of(repository).refresh()
    root_path = config_file.root_path(path, args.name)
    config_file.keep_root(root_path, data)
    try:
        entry["root"] = root_path.relative_to(path.parent).as_posix()
        config_file.add(path, args.name, entry, remark=f"{words.now():%Y-%m-%d}, {fingerprint}")
    except BaseException:
        config_file.drop_root(root_path)
        raise
    if before is not None:
        ui.warn(
            f"{before} is asked first and may supply every project, so {args.name} is never asked. "
            f"Limit what {before} may supply (`projects` in {path}), or move {args.name} above it."
        )
    _tell_added(args, ui, state, path, fingerprint)
    return 0


def _repository(
    args: argparse.Namespace, entry: Mapping[str, Any], data: bytes, environment: Mapping[str, str]
) -> Repository:
    """Return the repository as it will be read from the configuration file (`ConfigurationError`).

    Variables in URLs need to be set only where the index is asked now.
    """
    from dataclasses import replace

    from ..config import read

    unset = {} if args.check else dict.fromkeys(_VARIABLE.findall(str(entry)), "unset")
    table = {"repositories": {args.name: {**entry, "root": str(args.root.absolute())}}}
    (made,) = read(
        table, folder=args.root.parent, what="secure-fetch trust add", environment={**unset, **environment}
    ).repositories
    return replace(made, root=data)


def _read_root(path: Path) -> tuple[bytes, TrustedState]:
    """Return a root file's bytes, and the state that they are the beginning of."""
    from ..config import read_file
    from ..trust.limits import Limits
    from ..trust.state import trust_root
    from . import words

    try:
        data = read_file(path, Limits().root_length)
    except ConfigurationError as error:
        error.hint = "Give the path of the repository's root metadata, such as 1.root.json."
        raise
    try:
        return data, trust_root(data, words.now())
    except VerificationError as error:
        error.hint = (
            f"{path} is no root to trust. Get the root metadata (such as 1.root.json) from the index's operator."
        )
        raise


def _compare(args: argparse.Namespace, fingerprint: str) -> None:
    """Compare the fingerprint that the user was told; raises `UsageError`, `VerificationError`."""
    if args.fingerprint is None:
        return
    expected = _FINGERPRINT.fullmatch(args.fingerprint.strip())
    if expected is None:
        raise UsageError(
            f"{args.fingerprint!r} is not a fingerprint.", hint="It is `sha256:` and 64 hexadecimal digits."
        )
    if f"sha256:{expected[1].lower()}" != fingerprint:
        raise VerificationError(
            f"The root {args.root} has the fingerprint {fingerprint}, but sha256:{expected[1].lower()} was expected.",
            hint="Somebody may have replaced it: get root and fingerprint again, each another way. Nothing was added.",
        )


def _entry(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the configuration file is to say, but for the root."""
    given = {
        "index-url": args.index_url,
        "metadata-url": args.metadata_url,
        "targets-url": args.targets_url,
        "layout": args.layout,
        "hash-prefix-targets": args.hash_prefix_targets,
        "projects": args.projects,
    }
    entry = {key: value for key, value in given.items() if value is not None}
    for key in ("index-url", "metadata-url", "targets-url"):
        value = entry.get(key, [])
        for url in [value] if isinstance(value, str) else value:
            _refuse_credentials(key, url)
    return entry


def _refuse_credentials(key: str, url: str) -> None:
    """Refuse a URL with a user or password written out (`UsageError`)."""
    userinfo = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    user, colon, password = (_VARIABLE.sub("", part) for part in userinfo.partition(":"))
    if password or (user and not colon):
        raise UsageError(
            f"The --{key} holds a user or a password, and credentials are never stored. Nothing was added.",
            hint="Leave them out: they are found in netrc or keyring. Or write variables of the environment, such as "
            "https://${INDEX_USER}:${INDEX_PASSWORD}@index.example/simple/ (in single quotes, for your shell).",
        )


def _must_be_new(context: Context, name: str) -> None:
    for file in context.settings.files:
        if name in file.repositories:
            raise ConfigurationError(
                f"There is a repository {name} already, in {file.path}.",
                hint=f"Choose another name, or remove it first: secure-fetch trust remove {name}",
            )


def _asked_before(context: Context) -> str | None:
    """Return the repository that leaves none to look up in the one that is added below it, if there is one."""
    for file in context.settings.files:
        if file.path == context.settings.own_file:
            for name, entry in file.repositories.items():
                projects = entry.get("projects", ["*"]) if isinstance(entry, dict) else []
                if isinstance(projects, list) and "*" in projects:
                    return str(name)
    return None


def _tell_added(args: argparse.Namespace, ui: Ui, state: TrustedState, path: Path, fingerprint: str) -> None:
    from . import words
    from .trust_show import roles

    root = state.root.signed
    if root.expires <= words.now():
        ui.warn(
            f"This root {words.expiry(root.expires, words.now())}. That is well if the index offers a newer one; "
            "`secure-fetch refresh` will tell."
        )
    ui.out(f"{args.name} is trusted from now on, by root version {root.version} ({path}).")
    if args.fingerprint is None:
        ui.out(f"Fingerprint: {fingerprint}")
        for role, keys in roles(root).items():
            ids = ", ".join(key["keyid"][:8] for key in keys["keys"])
            ui.out(f"  {role}: {keys['threshold']} of {len(keys['keys'])} key(s) {ids}")
        ui.out("Compare the fingerprint with the one that its operator tells you, another way than you got the file.")
    ui.result(
        {
            "name": args.name,
            "file": path,
            "fingerprint": fingerprint,
            "compared": args.fingerprint is not None,
            "checked": args.check,
            "root": {"version": root.version, "expires": root.expires, "roles": roles(root)},
        }
    )


def _list(args: argparse.Namespace, ui: Ui) -> int:
    from ..transport import redact
    from .context import Context

    rows: list[dict[str, Any]] = []
    with Context(args) as context:
        for repository in context.configuration().repositories:
            where = next(file.path for file in context.settings.files if repository.name in file.repositories)
            url = redact(repository.index_url or repository.metadata_urls[0])
            rows.append({"name": repository.name, "url": url, "projects": repository.projects, "file": where})
    if rows:
        cells = [(row["name"], row["url"], " ".join(row["projects"]), row["file"]) for row in rows]
        ui.table("", ("name", "index", "may supply", "configured in"), cells)
    else:
        ui.out("No repository is trusted yet. Add one: secure-fetch trust add NAME --index-url URL --root FILE")
    ui.result({"repositories": rows})
    return 0


def _show(args: argparse.Namespace, ui: Ui) -> int:
    from .context import Context
    from .trust_show import show

    with Context(args) as context:
        show(context, context.configuration().named(args.name), ui)
    return 0


def _remove(args: argparse.Namespace, ui: Ui) -> int:
    from .context import Context

    with Context(args) as context:
        memory = _memory(context, args.name)
        files = [file.path for file in context.settings.files if args.name in file.repositories]
        if files:
            own = context.settings.own_file
            _take_out(files[0], own, args.name)
            ui.out(f"{args.name} is not trusted any more ({own}).")
        elif not (args.forget and memory.exists()):
            raise ConfigurationError(
                f"There is no repository {args.name!r}.", hint="See what there is: secure-fetch trust list"
            )
    if files[1:]:
        ui.warn(f"{args.name} is also configured in {files[1]}, and that counts now.")
    forgotten = args.forget and _forget(memory)
    if forgotten:
        ui.out(f"Its newest versions are forgotten ({memory}): older metadata would be accepted again.")
    elif memory.exists():
        ui.out(f"Its newest versions are remembered ({memory}), in case you trust it again; --forget drops them.")
    ui.result({"name": args.name, "removed": bool(files), "forgotten": forgotten})
    return 0


def _take_out(path: Path, own: Path, name: str) -> None:
    """Take a repository and its root out of the user's configuration file (`ConfigurationError`, `StoreError`)."""
    from . import config_file
    from .settings import read_file

    if path != own:
        raise ConfigurationError(
            f"{name} is configured in {path}, which is not yours to change.",
            hint="Ask whoever manages this computer, or use another configuration with --config.",
        )
    root = config_file.root_path(own, name)
    entry = read_file(own, "").repositories[name]
    config_file.remove(own, name)
    if isinstance(entry, dict) and own.parent / str(entry.get("root")) == root:
        config_file.drop_root(root)


def _memory(context: Context, name: str) -> Path:
    """Return the folder with the rollback memory of a repository, configured or not."""
    from ..trust.names import disk_name

    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a name for a repository.", hint="See what there is: secure-fetch trust list")
    return context.state_dir / disk_name(name)


def _forget(folder: Path) -> bool:
    """Remove the rollback memory; return whether there was any (`StoreError`)."""
    import shutil

    from .. import disk

    if not folder.exists():
        return False
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise disk.explain(folder, error) from error
    return True
