"""`secure-fetch config …`: which settings count, and where each of them came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from .settings import Setting
    from .ui import Ui


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "config",
        help="which settings count, and where each came from",
        description="Settings come from, strongest first: option, SECURE_FETCH_… environment variable, the user's "
        "file, the system's file. None is read from the current project.",
        **options,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listed = commands.add_parser("list", help="show each setting, its value and where it came from", **options)
    listed.set_defaults(run=_list)
    path = commands.add_parser("path", help="print the path of the configuration file that `trust add` writes to")
    path.set_defaults(run=_path)


def _list(args: argparse.Namespace, ui: Ui) -> int:
    from .settings import Settings

    settings = Settings(args)
    found = settings.all()
    files = [(file.kind, file.path, file.there) for file in settings.files]
    rows = [("config", path if there else f"{path} (not there)", kind) for kind, path, there in files]
    rows += [(setting.key, _told(setting), setting.source) for setting in found]
    ui.table("", ("setting", "value", "from"), rows)
    ui.result(
        {
            "files": [{"kind": kind, "path": path, "exists": there} for kind, path, there in files],
            "settings": [
                {"name": setting.key, "value": _shown(setting), "source": setting.source} for setting in found
            ],
        }
    )
    return 0


def _told(setting: Setting) -> str:
    """Return a value as people read it."""
    value = _shown(setting)
    return str({None: "", True: "yes", False: "no"}.get(value, value))


def _shown(setting: Setting) -> Any:  # noqa: ANN401 - as its type is
    """Return a value to be shown: a proxy's URL may hold a password."""
    from ..transport import redact

    return redact(setting.value) if setting.key == "proxy" and isinstance(setting.value, str) else setting.value


def _path(args: argparse.Namespace, ui: Ui) -> int:
    from .settings import Settings

    path = Settings(args).own_file
    ui.answer(str(path))
    ui.result({"path": path})
    return 0
