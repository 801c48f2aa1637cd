"""Why a pip failed: what the index refused it, else what pip itself said, as an error with an exit code of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import InstallerError, SecureFetchError, UncheckedError, UsageError, VerificationError
from ..handoff.pip_without_vcs import REFUSED
from .suggestions import nothing_fits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..client import Client
    from ..handoff.local_index import Refusal
    from ..handoff.pip_runner import Ended

_NOTHING = re.compile(r"ERROR: No matching distribution found for (.*)")
_ERROR = re.compile(r"(?:ERROR|error): (.+(?:(?<=:)\n.+)?)")  # with the line after a colon at its end
_USAGE = (
    "Usage:",
    "ResolutionImpossible",
    "require-hashes",
    "Could not find an activated virtualenv",
    "no such option",
    "ambiguous option",
    "is not a valid editable requirement",
    "does not appear to be a Python project",
    "is not installable. Neither",
    "is not a valid wheel filename",
    "is not a supported wheel on this platform",
)


def explain(
    ended: Ended, refusals: Sequence[Refusal], clients: Callable[[str], Client], *, command: str
) -> SecureFetchError:
    """Return the error that says best why `command` failed.

    What failed verification counts first, then what could not be checked, then what is not there, and only then what
    pip said: it often says no more than that nothing was found.
    """
    errors = [refusal.error for refusal in refusals]
    for kind in (VerificationError, UncheckedError):
        for error in errors:
            if isinstance(error, kind):
                return error
    text = "\n".join(ended.errors)
    if REFUSED in text:
        return VerificationError(
            "A package's metadata names a source under version control, and nothing vouches for what lies there.",
            hint="pip says above which package that is, and which program it wanted to run. It was not run.",
        )
    missing = _NOTHING.search(text)
    if missing is not None:
        return _missing(missing[1], clients) or InstallerError(command, status=ended.status, hint=missing[0])
    said = [" ".join(words.split()) for words in _ERROR.findall(text)]
    said = said or [line.strip() for line in ended.errors if line.strip()][-1:]
    hint = " ".join(said[-3:])[:1000] or "It says why above."
    if "DO NOT MATCH THE HASHES" in text:
        return VerificationError(
            "A file is not the one that a --hash of the requirements names, though the repository vouches for it.",
            hint="Compare the hashes that pip shows above with those in your requirements.",
        )
    if any(sign in text for sign in _USAGE):
        return UsageError(f"{command} refused: {said[0] if said else hint}", hint=" ".join(said[1:4])[:1000] or None)
    return errors[0] if errors else InstallerError(command, status=ended.status, hint=hint)


def _missing(text: str, clients: Callable[[str], Client]) -> SecureFetchError | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(re.sub(r" \(from .*", "", text).strip())
    except InvalidRequirement:
        return None
    try:
        return nothing_fits(clients, requirement)
    except SecureFetchError as error:
        return error
