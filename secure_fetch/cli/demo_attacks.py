"""The demo's attacks: each changes what the server serves, then a real install has to refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .demo_stage import Server, copy_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..signing.repository import SigningRepository
    from .demo_stage import Outcome, Stage

_INTERNAL = "secure-fetch-demo-internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every attack finds: the stage, the server, the repository that is signed, and what is installed from it."""

    stage: Stage
    server: Server
    repository: SigningRepository
    packages: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The normalised names of the projects that are asked for."""
        return tuple(canonicalize_name(Requirement(package).name) for package in self.packages)

    def reset(self) -> None:
        """Serve again what the repository really published."""
        copy_tree(self.repository.public, self.server.folder)
        self.server.endless = None

    def install(self, *, state: str = "state") -> Outcome:
        """Install into a new environment; `state` names the memory of versions to use."""
        return self.stage.install(self.packages, python=self.stage.environment(), state=state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """An attack by name, in words, the kinds of error that name it, and what carries it out."""

    name: str
    story: str
    kinds: tuple[str, ...]
    run: Callable[[Scene], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an attack ended."""

    attack: Attack
    outcome: Outcome

    @property
    def refused(self) -> bool:
        """True only if it was refused for the right reason and nothing at all was installed."""
        error = self.outcome.error
        return (
            self.outcome.status in (1, 2, 3) and error.get("kind") in self.attack.kinds and not self.outcome.installed
        )

    @property
    def message(self) -> str:
        """The message that the user saw."""
        error = self.outcome.error
        told = " ".join(str(error[key]) for key in ("message", "hint") if error.get(key))
        return told or self.outcome.text.strip()[-400:] or f"exit code {self.outcome.status}"

    def to_json(self) -> dict[str, Any]:
        """Return the result as `--json` prints it."""
        return {
            "name": self.attack.name,
            "refused": self.refused,
            "error": self.message,
            "kind": self.outcome.error.get("kind"),
            "exit_code": self.outcome.status,
        }


def _wheel(scene: Scene) -> Path:
    """Return the served wheel of the first project that is installed."""
    wheels = sorted(scene.server.folder.rglob("*.whl"))
    return next(path for path in wheels if canonicalize_name(path.name.split("-")[0]) == scene.names[0])


def _swap_wheel(scene: Scene) -> Outcome:
    wheel = _wheel(scene)
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1  # the same length, one bit different
    wheel.write_bytes(bytes(data))
    return scene.install()


def _edit_page(scene: Scene) -> Outcome:
    folder = scene.server.folder / "simple" / scene.names[0]
    for page in folder.iterdir():
        page.write_bytes(page.read_bytes().replace(b"sha256", b"sha257"))
    return scene.install()


def _roll_back(scene: Scene) -> Outcome:
    """Publish a newer timestamp, let the client see it, then serve the old one again."""
    old = (scene.repository.public / "metadata" / "timestamp.json").read_bytes()
    scene.repository.refresh(force=True)
    scene.reset()
    seen = scene.install(state="state-of-rollback")
    if seen.status != 0:
        return seen
    (scene.server.folder / "metadata" / "timestamp.json").write_bytes(old)
    return scene.install(state="state-of-rollback")


def _freeze(scene: Scene) -> Outcome:
    """Serve metadata that was signed a month ago and never renewed."""
    frozen = scene.stage.folder / "frozen"
    copy_tree(scene.repository.folder, frozen)
    repository = type(scene.repository).open(frozen)
    repository.refresh(now=datetime.now(timezone.utc) - timedelta(days=30), force=True)
    copy_tree(repository.public, scene.server.folder)
    return scene.install(state="state-of-freeze")


def _never_end(scene: Scene) -> Outcome:
    scene.server.endless = _wheel(scene).name
    return scene.install()


def _second_index(scene: Scene) -> Outcome:
    """Offer a package that only an unsigned second index has, configured the way pip users do."""
    folder = scene.stage.folder / "second-index"
    wheel = make_wheel(folder / "simple" / _INTERNAL, _INTERNAL, "9.9")
    page = f'<!DOCTYPE html><a href="{wheel.name}">{wheel.name}</a>'
    (wheel.parent / "index.html").write_text(page, encoding="utf-8")
    with Server(folder) as second:
        extra = {"PIP_EXTRA_INDEX_URL": second.url + "simple/", "UV_EXTRA_INDEX_URL": second.url + "simple/"}
        return scene.stage.install([_INTERNAL], python=scene.stage.environment(), extra=extra)


ATTACKS = (
    Attack(
        name="wheel swapped",
        story="a wheel on the server is replaced by another of the same size",
        kinds=("HashError",),
        run=_swap_wheel,
    ),
    Attack(
        name="project page edited",
        story="the project page is rewritten",
        kinds=("HashError", "LengthError"),
        run=_edit_page,
    ),
    Attack(
        name="timestamp rolled back",
        story="an older timestamp is served after a newer one was seen",
        kinds=("RollbackError",),
        run=_roll_back,
    ),
    Attack(
        name="metadata frozen",
        story="metadata is served on after its expiry",
        kinds=("ExpiredError",),
        run=_freeze,
    ),
    Attack(
        name="endless wheel",
        story="a wheel never ends",
        kinds=("LengthError", "LimitError"),
        run=_never_end,
    ),
    Attack(
        name="dependency confusion",
        story="a package that only a second, unsigned index has",
        kinds=("NotFoundError",),
        run=_second_index,
    ),
)


def carry_out(attack: Attack, scene: Scene) -> Result:
    """Carry one attack out against a server that was honest until now."""
    scene.reset()
    return Result(attack=attack, outcome=attack.run(scene))
