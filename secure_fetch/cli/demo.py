"""`secure-fetch demo`: a signed mirror, a clean install and six caught attacks, in one go."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..disk import make_folder
from ..errors import UsageError

if TYPE_CHECKING:
    import argparse

    from ..signing.repository import SigningRepository
    from .demo_attacks import Result, Scene
    from .demo_stage import Outcome
    from .ui import Ui

_DEFAULT = "jinja2"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="a signed mirror, a clean install and caught attacks, in one go",
        description="Sign real packages into a throwaway index, install from it, then attack it in six ways.",
        **options,
    )
    parser.add_argument(
        "--packages", nargs="+", metavar="REQ", help=f"what to take from your index (default: {_DEFAULT})"
    )
    parser.add_argument("--keep", metavar="DIR", type=Path, help="do everything in this new folder and leave it there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, ui: Ui) -> int:
    """Run the demo; 0 only if everything went as it should."""
    from .demo_stage import need_signing

    need_signing()
    if args.keep is not None:
        if args.keep.exists():
            raise UsageError(f"{args.keep} exists already.", hint="Name a folder that does not exist yet.")
        make_folder(args.keep)
        return _run(args, ui, args.keep.resolve())
    folder = Path(tempfile.mkdtemp(prefix="secure-fetch-demo-"))
    try:
        return _run(args, ui, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(args: argparse.Namespace, ui: Ui, folder: Path) -> int:
    from .demo_attacks import Scene
    from .demo_stage import Server, Stage, copy_tree

    packages, made_up = _distributions(args, ui, folder / "incoming")
    repository = _sign(ui, folder / "repository", folder / "incoming")
    served = folder / "served"
    copy_tree(repository.public, served)
    with Server(served) as server:
        ui.out(f"3. Serving it at {server.url} and trusting its root from now on, and nothing else.")
        stage = Stage(folder, root=repository.root_file.read_bytes(), index_url=server.url + "simple/")
        scene = Scene(stage=stage, server=server, repository=repository, packages=tuple(packages))
        ui.out("4. Installing into a new virtual environment.")
        clean, imported = _install(ui, scene)
        results = _attack(ui, scene) if imported else []
    ok = bool(results) and all(result.refused for result in results)
    _conclude(ui, clean, results, ok=ok, made_up=made_up)
    return 0 if ok else 1


def _distributions(args: argparse.Namespace, ui: Ui, incoming: Path) -> tuple[list[str], str | None]:
    """Fill `incoming`; return what to install, and why the packages are made up, if they are."""
    from ..errors import InstallerError
    from .demo_stage import get_distributions, make_wheel

    packages = list(args.packages or [_DEFAULT])
    ui.out(f"1. Taking {', '.join(packages)} with dependencies from your own index, through pip.")
    why = get_distributions(packages, incoming)
    if why is None:
        names = ", ".join(sorted(path.name for path in incoming.iterdir()))
        ui.out(f"   Got {names}.")
        return packages, None
    if args.packages:
        raise InstallerError("pip download", status=1, hint=f"{why}. Try without --packages.")
    ui.out(f"   That did not work ({why}), so two tiny packages are made here instead.")
    make_wheel(incoming, "secure-fetch-demo-leaf", "1.0")
    make_wheel(incoming, "secure-fetch-demo-tree", "1.0", requires=["secure-fetch-demo-leaf>=1"])
    return ["secure-fetch-demo-tree"], why


def _sign(ui: Ui, folder: Path, incoming: Path) -> SigningRepository:
    """Sign what is in `incoming` into a new repository with keys that live only in this folder."""
    from ..signing.repository import SigningRepository

    ui.out("2. Signing them: new keys for root, targets, bins, and one for timestamp, snapshot and bin-n.")
    repository = SigningRepository.create(folder)
    repository.add(sorted(incoming.iterdir()))
    repository.publish()
    return repository


def _install(ui: Ui, scene: Scene) -> tuple[Outcome, bool]:
    """Install from the honest server and import what was installed; say how it went."""
    from .demo_stage import import_distribution

    python = scene.stage.environment()
    outcome = scene.stage.install(scene.packages, python=python)
    if outcome.status != 0:
        ui.out(f"   This should have worked: {outcome.error.get('message') or outcome.text.strip()[-800:]}")
        return outcome, False
    modules = "; ".join(import_distribution(python, name) for name in scene.names)
    got = ", ".join(f"{name} {version}" for name, version in sorted(outcome.installed.items()))
    ui.out(f"   Installed {got}. Imported there: {modules}.")
    return outcome, bool(modules)


def _attack(ui: Ui, scene: Scene) -> list[Result]:
    from .demo_attacks import ATTACKS, carry_out

    ui.out("5. Now the attacks. Each is followed by the install that met it.")
    results = []
    for attack in ATTACKS:
        ui.out(f"\n   {attack.name}: {attack.story}.")
        results.append(carry_out(attack, scene))
        ui.out(f"   {'Refused' if results[-1].refused else 'NOT REFUSED'}: {results[-1].message}")
    return results


def _conclude(ui: Ui, clean: Outcome, results: list[Result], *, ok: bool, made_up: str | None) -> None:
    rows = [("an honest index", "installed" if clean.status == 0 else "NOT INSTALLED", str(clean.status))]
    for result in results:
        verdict = "refused, nothing installed" if result.refused else "NOT REFUSED"
        rows.append((result.attack.name, verdict, str(result.outcome.status)))
    ui.out("")
    ui.table("secure-fetch demo", ("what the server did", "what happened", "exit code"), rows)
    ui.out(
        "Everything went as it should. Next: `secure-fetch repo init DIR` signs an index of your own."
        if ok
        else "Something did not go as it should; run again with --keep DIR and look at it."
    )
    ui.result(
        {
            "installed": [{"name": name, "version": version} for name, version in sorted(clean.installed.items())],
            "made_up": made_up,
            "attacks": [result.to_json() for result in results],
            "ok": ok,
        }
    )
