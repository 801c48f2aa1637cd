"""What the operator of a repository decides once: how many bins of which kind, how many keys, how long roles live."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, UsageError
from ..index.layout import index_root

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BINS = 2**16  # PEP 458 asks for 16,384
_MOST_KEYS = 64
_SHORTEST = timedelta(minutes=1)
_LONGEST = timedelta(days=20 * 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long each role's metadata is valid. The defaults are those of PEP 458.

    `online` is that of timestamp, snapshot and every bin: whoever withholds updates can do so for no longer than
    that, and something (cron) has to run `repo refresh` more often than that. Raises `UsageError`.
    """

    root: timedelta = timedelta(days=365)
    targets: timedelta = timedelta(days=365)
    bins: timedelta = timedelta(days=365)
    online: timedelta = timedelta(days=1)

    def __post_init__(self) -> None:
        """Refuse lifetimes that no one can have meant (`UsageError`)."""
        for entry in fields(self):
            if not _SHORTEST <= getattr(self, entry.name) <= _LONGEST:
                raise UsageError(
                    f"The lifetime of {entry.name} metadata is out of range.",
                    hint="It must be from one minute to twenty years.",
                )

    def of(self, role: str) -> timedelta:
        """Return the lifetime of a role by its name; a name that is none of the offline roles' is an online one's."""
        return {"root": self.root, "targets": self.targets, "bins": self.bins}.get(role, self.online)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one repository is made with; raises `UsageError` for what cannot be built.

    `bins` is a power of two from 2 to 65,536; `succinct` describes them as TAP 15 does instead of by hash prefixes.
    `index_urls` are the public addresses, each ending in `/simple/`, that the next steps are printed with.
    """

    bins: int = 16
    succinct: bool = False
    root_keys: int = 1
    root_threshold: int = 1
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    index_urls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be built (`UsageError`)."""
        if not 1 < self.bins <= _MOST_BINS or self.bins & (self.bins - 1):
            raise UsageError(
                f"{self.bins} is not a number of bins.", hint=f"It must be a power of two from 2 to {_MOST_BINS}."
            )
        if not 1 <= self.root_threshold <= self.root_keys <= _MOST_KEYS:
            raise UsageError(
                f"{self.root_threshold} of {self.root_keys} root keys is not possible.",
                hint=f"There may be 1 to {_MOST_KEYS} root keys, and no more of them can be needed than there are.",
            )
        for url in self.index_urls:
            index_root(url)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values, lifetimes in seconds."""
        values = asdict(self)
        values["lifetimes"] = {name: int(life.total_seconds()) for name, life in values["lifetimes"].items()}
        values["index_urls"] = list(self.index_urls)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any], what: str) -> Plan:
        """Read what `to_json` wrote; raises `UsageError`."""
        try:
            succinct = {True: True, False: False}[values["succinct"]]
            lifetimes = Lifetimes(**{name: timedelta(seconds=life) for name, life in values["lifetimes"].items()})
            urls = tuple(values["index_urls"])
            return cls(**{**values, "lifetimes": lifetimes, "succinct": succinct, "index_urls": urls})
        except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
            raise ConfigurationError(
                f"{what}: the plan does not read ({error}).", hint="Restore the file from a backup."
            ) from error
