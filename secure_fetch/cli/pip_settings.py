"""The settings that a user's pip has: what is not about sources goes on, sources do not.

pip would read its configuration files again in every subprocess, so it is pointed at none, and what may stay is handed
over in PIP_ variables. Dropping everything would be simpler and less safe: it would drop `require-hashes` too.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What decides how files are chosen, checked and installed, and how pip speaks.
_KEPT = _words(
    "require-virtualenv require-venv require-hashes no-require-hashes only-binary no-binary prefer-binary pre "
    "all-releases only-final uploaded-prior-to no-deps no-dependencies only-deps constraint build-constraint platform "
    "python-version implementation abi ignore-requires-python no-build-isolation build-isolation "
    "check-build-dependencies use-pep517 no-use-pep517 config-settings config-setting global-option no-clean "
    "progress-bar no-color quiet verbose debug log log-file local-log exists-action src source source-dir "
    "source-directory use-feature use-deprecated no-python-version-warning"
)
_ONLY_INSTALL = _words(
    "upgrade upgrade-strategy force-reinstall ignore-installed user no-user target prefix root compile no-compile "
    "no-warn-script-location no-warn-conflicts break-system-packages root-user-action dry-run"
)
# About pip's way to an index, which is now a port of this computer and ours to set.
_REPLACED = _words(
    "timeout default-timeout retries resume-retries no-cache-dir no-input disable-pip-version-check cache-dir cert "
    "client-cert keyring-provider proxy no-proxy-env trusted-host python version help isolated refresh-package "
    "report"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`variables` go on to pip; `dropped` are settings that name sources, or that nobody here knows."""

    variables: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    @property
    def constraints(self) -> list[str]:
        """The constraints files among them."""
        return [
            name for key in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT") for name in self.variables.get(key, "").split()
        ]


def read(listing: str, command: str) -> Settings:
    """Read what `pip config list` printed, for `pip install` or `pip download`: `section.key='value'` lines.

    The section of the command wins over `global`, the environment (`:env:`) over both, as in pip.
    """
    found: dict[str, dict[str, str]] = {"global": {}, command: {}, ":env:": {}}
    for line in listing.splitlines():
        name, equals, value = line.partition("=")
        section, _, key = name.partition(".")
        if not equals or section not in found:
            continue
        try:
            text = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            continue
        if isinstance(text, str) and text:  # pip ignores settings that are empty
            found[section][key] = text
    merged = {key: value for section in found.values() for key, value in section.items()}
    kept = _KEPT | (_ONLY_INSTALL if command == "install" else frozenset())
    return Settings(
        variables={f"PIP_{key.upper().replace('-', '_')}": value for key, value in merged.items() if key in kept},
        dropped=tuple(sorted(merged.keys() - _KEPT - _ONLY_INSTALL - _REPLACED)),
    )
