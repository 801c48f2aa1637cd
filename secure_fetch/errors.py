"""What can go wrong, one root, sorted by whose fault it is.

Every exception that leaves this package is a `SecureFetchError`. Its kind says whose fault it is and how a script
should react (`exit_code`), its attributes carry the values, and `hint` says what to do now:

* `VerificationError` (1): the repository or a file is wrong. It may be an attack, so nothing was handed over.
* `UsageError` (2): a request, an option or a configuration is wrong.
* `UncheckedError` (3): it could not be checked at all, because of the network or the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class SecureFetchError(Exception):
    """The root of all errors of this package.

    `message` says what was refused, `hint` what to do now, `suspicion` whether it looks like an "attack", a
    "mistake", the "network" or the "disk"; `source` is the URL that what was refused came from, without credentials.
    """

    exit_code: ClassVar[int] = 1
    suspicion: ClassVar[str] = "mistake"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.source: str | None = None

    def __str__(self) -> str:
        """Return the message, the source of what was refused where it is known, and the next step."""
        source = f"It came from {self.source}." if self.source else ""
        return " ".join(filter(None, (self.message, source, self.hint)))


class VerificationError(SecureFetchError):
    """The repository or a file is not what the trusted keys vouch for."""

    exit_code = 1
    suspicion = "attack"
    default_hint = "Nothing was handed over. Try again later or from another mirror; if it persists, tell its operator."


class MalformedError(VerificationError):
    """Bytes that are not what they should be: metadata, a page or a name that does not parse."""

    suspicion = "mistake"

    def __init__(self, what: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(f"{what} is malformed: {why}.", hint=hint)
        self.what = what
        self.why = why


class SignatureError(VerificationError):
    """Too few valid signatures by distinct keys of the role (specification 5.3.4, 5.4.2, 5.5.3, 5.6.3)."""

    default_hint = (
        "Either the metadata was altered on its way, or it was signed with the wrong keys. Nothing of it was kept."
    )

    def __init__(  # noqa: PLR0913 - each value is one that a reader of the error needs
        self,
        role: str,
        *,
        valid: int,
        threshold: int,
        signed_for: str | None = None,
        unverifiable: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        by = f" by the keys that {signed_for} names" if signed_for else ""
        message = f"{role} has {valid} valid signature(s){by}, {threshold} needed."
        if unverifiable:
            message += f" {len(unverifiable)} key(s) cannot be verified here ({', '.join(sorted(set(unverifiable)))})."
            hint = hint or "Installing or updating the package `cryptography` may let these keys be verified."
        super().__init__(message, hint=hint)
        self.role = role
        self.valid = valid
        self.threshold = threshold
        self.signed_for = signed_for
        self.unverifiable = tuple(unverifiable)


class RollbackError(VerificationError):
    """An older version than the one already accepted (specification 5.4.3, 5.5.5)."""

    default_hint = (
        "This is what a rollback attack looks like, or a mirror that was restored from a backup. "
        "The newer version stays trusted."
    )

    def __init__(self, role: str, *, held: int, offered: int | None, hint: str | None = None) -> None:
        if offered is None:
            message = f"{role} (version {held} was accepted before) has disappeared from the new snapshot."
        else:
            message = f"{role} went back in time: version {offered} was offered, version {held} was accepted before."
        super().__init__(message, hint=hint)
        self.role = role
        self.held = held
        self.offered = offered


class VersionError(VerificationError):
    """A file carries another version than the one that was asked for (specification 5.3.5, 5.5.4, 5.6.4)."""

    def __init__(self, role: str, *, expected: int, offered: int, hint: str | None = None) -> None:
        super().__init__(f"{role} should be version {expected}, but version {offered} was offered.", hint=hint)
        self.role = role
        self.expected = expected
        self.offered = offered


class ExpiredError(VerificationError):
    """Metadata past its expiry (specification 5.3.10, 5.4.4, 5.5.6, 5.6.5)."""

    default_hint = (
        "Somebody may be withholding newer metadata (a freeze attack), the repository may have stopped signing, "
        "or this computer's clock is wrong."
    )

    def __init__(self, role: str, *, version: int, expires: datetime, now: datetime, hint: str | None = None) -> None:
        super().__init__(
            f"{role} version {version} expired at {expires:%Y-%m-%d %H:%M:%S} UTC; "
            f"it is now {now:%Y-%m-%d %H:%M:%S} UTC.",
            hint=hint,
        )
        self.role = role
        self.version = version
        self.expires = expires
        self.now = now


_ALTERED = (
    "It was altered on the server or on its way (an attack by arbitrary or endless data), or the mirror is damaged. "
    "Nothing was handed over. Try another mirror; if it persists, tell its operator."
)


class LengthError(VerificationError):
    """Fewer or more bytes than signed."""

    default_hint = _ALTERED

    def __init__(self, what: str, *, expected: int, actual: int | None, hint: str | None = None) -> None:
        """`actual` is None where more bytes were offered than were taken."""
        but = "longer, perhaps endless" if actual is None else actual
        super().__init__(f"{what} should be {expected} bytes long, but is {but}.", hint=hint)
        self.what = what
        self.expected = expected
        self.actual = actual


class HashError(VerificationError):
    """Other bytes than signed."""

    default_hint = _ALTERED

    def __init__(self, what: str, *, algorithm: str, expected: str, actual: str, hint: str | None = None) -> None:
        super().__init__(f"{what} has the {algorithm} hash {actual}, but {expected} was signed.", hint=hint)
        self.what = what
        self.algorithm = algorithm
        self.expected = expected
        self.actual = actual


class LimitError(VerificationError):
    """More than this client is willing to take: bytes, signatures, root rotations, delegated roles."""

    default_hint = "This is what an endless data attack looks like; if the size is meant, raise the limit."
    endless: ClassVar[str] = (
        "More was sent than was signed, or than this client takes: an endless data attack looks like this. "
        "Nothing of it was kept. Try another mirror; if it persists, tell its operator."
    )

    def __init__(self, what: str, *, limit: int, unit: str = "bytes", hint: str | None = None) -> None:
        super().__init__(f"{what} exceeds the limit of {limit} {unit}.", hint=hint)
        self.what = what
        self.limit = limit
        self.unit = unit


class WithheldError(VerificationError):
    """Signed metadata names a file that the server does not give (TRAPS: withheld is not "not found")."""

    default_hint = (
        "The mirror may be incomplete or in the middle of an update, or it is hiding files. Try again shortly."
    )

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(f"{what} is named by signed metadata, but the server does not have it.", hint=hint)
        self.what = what


class NotSignedYetError(VerificationError):
    """A file is on a verified page, but no signed metadata vouches for it yet (PEP 458)."""

    suspicion = "mistake"
    default_hint = "It may have been uploaded a moment ago: try again shortly, or choose an earlier version."

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(f"{what} is not signed yet.", hint=hint)
        self.what = what


class ChangedError(VerificationError):
    """A target that was found before is gone or different since a refresh."""

    default_hint = "Look it up again, and check what changed before you use it."

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(f"{what} was changed or removed by the repository since it was looked up.", hint=hint)
        self.what = what


class UsageError(SecureFetchError):
    """The request, an option or the configuration is wrong; nothing was fetched or changed."""

    exit_code = 2
    suspicion = "mistake"


class ConfigurationError(UsageError):
    """A setting, a configuration file or a root is missing, unreadable or contradicts another."""


class NotFoundError(UsageError):
    """The repository, read in full and verified, has no such project, file or fitting version."""

    def __init__(self, what: str, *, where: str, hint: str | None = None) -> None:
        super().__init__(f"{what} is not in {where}.", hint=hint)
        self.what = what
        self.where = where


class UncheckedError(SecureFetchError):
    """Nothing could be checked, so nothing is handed over."""

    exit_code = 3


class TransportError(UncheckedError):
    """The network or the server failed. `url` carries no credentials; `status` is the HTTP status, if there was one."""

    suspicion = "network"
    default_hint = "Check the connection and the URL, then try again."

    def __init__(self, url: str, why: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(f"{url} could not be fetched: {why}.", hint=hint)
        self.url = url
        self.why = why
        self.status = status


class AbsentError(TransportError):
    """The server says that there is no such file: HTTP 404 or 403, or no file in a folder."""


class StoreError(UncheckedError):
    """A file or folder of this client cannot be read or written; what was there before stays."""

    suspicion = "disk"

    def __init__(self, path: object, why: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {why}.", hint=hint)
        self.path = path
        self.why = why


class FloorError(UncheckedError):
    """The root chain ends below a root version that was accepted before, so older keys would come back."""

    suspicion = "attack"

    def __init__(self, *, floor: int, reached: int, hint: str | None = None) -> None:
        super().__init__(
            f"root version {floor} was accepted before, but the chain of roots ends at version {reached}.",
            hint=hint
            or "A root file was lost and the server does not offer it any more. Try again, or from another mirror; "
            "if the repository was started anew on purpose, forget it first (`secure-fetch trust remove --forget`).",
        )
        self.floor = floor
        self.reached = reached


class InstallerError(UncheckedError):
    """The installer that was asked to act on verified files failed for a reason of its own."""

    suspicion = "mistake"

    def __init__(self, command: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(f"{command} ended with exit code {status}.", hint=hint)
        self.command = command
        self.status = status


class ManyErrors(VerificationError):  # noqa: N818 - it is a collection of errors, not one
    """Several mirrors, repositories or files failed; `errors` maps each to its own error."""

    def __init__(self, what: str, errors: Mapping[str, SecureFetchError], *, hint: str | None = None) -> None:
        lines = "; ".join(f"{name}: {error.message}" for name, error in errors.items())
        super().__init__(f"{what}: {lines}", hint=hint)
        self.errors = dict(errors)
