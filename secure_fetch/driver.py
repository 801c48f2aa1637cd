"""Drives the workflows of `trust`: what they ask for is answered from the store and from the mirrors."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import AbsentError, TransportError, VerificationError
from .transport import fetch, redact, stream_signed
from .trust.names import ROOT
from .trust.workflow import Fetch, Load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .store import Store
    from .transport import Transport
    from .trust.limits import Limits
    from .trust.workflow import Reply, Workflow

log = logging.getLogger(__name__)

T = TypeVar("T")
_SIDE_BY_SIDE = 8


@dataclass(slots=True)
class _Running(Generic[T]):
    """One workflow, what it waits for, and how much other threads had done when it came to want that."""

    number: int
    workflow: Workflow[T]
    fetch: Fetch | None = None
    since: int = 0


class Driver:
    """Answers requests over one store and a list of mirrors; it may be used from many threads."""

    def __init__(self, *, store: Store, transport: Transport, urls: Sequence[str], limits: Limits) -> None:
        """`urls` are the base URLs of the metadata, in order of preference."""
        self._store = store
        self._transport = transport
        self._urls = tuple(dict.fromkeys(urls))
        self._limits = limits
        self._claims = _Claims()

    def run(self, start: Callable[[], Workflow[T]]) -> T:
        """Drive one workflow to its end; whatever other threads do, it makes exactly its own requests (TRAPS A6)."""
        return self._run([start], _Claims())[0]

    def run_all(self, starts: Sequence[Callable[[], Workflow[T]]]) -> list[T]:
        """Drive many workflows side by side; what several of them wait for is fetched once, the rest together.

        A workflow that waits for what another one, of another thread perhaps, is fetching already is started anew
        when that one is done with it, so that it finds it verified. The first error ends them all.
        """
        return self._run(starts, self._claims)

    def _run(self, starts: Sequence[Callable[[], Workflow[T]]], claims: _Claims) -> list[T]:
        results: dict[int, T] = {}
        waiting = list(range(len(starts)))
        running: list[_Running[T]] = []
        sources: dict[int, _Mirrors] = {}
        turn = _Turn(claims)
        pool = ThreadPoolExecutor(_SIDE_BY_SIDE)
        try:
            while waiting or running:
                for number in waiting:
                    one = _Running(number, starts[number](), since=turn.others())
                    sources[number] = _Mirrors(self._urls)
                    self._advance(one, None, results, sources[number])
                    if one.fetch is not None:
                        running.append(one)
                running, waiting = turn.divide(running)
                for one, answer in [(one, self._begin(pool, one, sources, len(running))) for one in running]:
                    reply, one.since = answer(), turn.others()
                    self._advance(one, reply, results, sources[one.number])
                running = [one for one in running if one.fetch is not None]
                turn.keep(running)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)  # threads may wait for a server long after Ctrl-C
            self._transport.close()
            raise
        except BaseException:
            pool.shutdown(cancel_futures=True)  # after an error, what was not begun is not fetched
            raise
        finally:
            turn.keep([])
        pool.shutdown()
        return [results[number] for number in range(len(starts))]

    def _begin(
        self, pool: ThreadPoolExecutor, one: _Running[T], sources: Mapping[int, _Mirrors], together: int
    ) -> Callable[[], bytes | None]:
        """Return what waits for a fetch; a single one needs no thread, and Ctrl-C ends it at once."""
        fetching = partial(self._fetch, one.fetch, sources[one.number])
        return fetching if together == 1 else pool.submit(fetching).result

    def _advance(self, one: _Running[T], reply: Reply, results: dict[int, T], mirrors: _Mirrors) -> None:
        """Hand in an answer, and go on until the workflow waits for the network or ends."""
        one.fetch = None
        try:
            while one.fetch is None:
                request = one.workflow.send(reply)
                if isinstance(request, Fetch):
                    if request.attempt:
                        log.warning("%s gave a %s that fails its checks", mirrors.last, request.role)
                    one.fetch = request
                elif isinstance(request, Load):
                    reply = self._store.load(request.role, request.version)
                else:
                    self._store.keep(request)
                    reply = None
        except StopIteration as stop:
            results[one.number] = stop.value
        except VerificationError as error:
            error.source = error.source or mirrors.first_answer
            raise

    def _ask(self, request: Fetch, url: str) -> bytes:
        length, deadline = request.max_length, self._limits.metadata_deadline
        if not request.signed_length:
            return fetch(self._transport, url, max_length=length, deadline=deadline)
        return b"".join(stream_signed(self._transport, url, what=str(request.role), length=length, deadline=deadline))

    def _fetch(self, request: Fetch | None, mirrors: _Mirrors) -> bytes | None:
        """Return the first mirror's answer from `attempt` on, or None if each of them says that there is none.

        "There is no newer root" is believed only if every mirror says so: an error from one of them and no file
        from the others is an error.
        """
        assert request is not None  # noqa: S101 - as above
        if request.attempt == 0:
            mirrors.begin()
        failure: TransportError | VerificationError | None = None
        for base in mirrors.remaining():
            try:
                data = self._ask(request, base + request.url)
            except AbsentError:
                continue
            except TransportError as error:
                failure = failure or error
                log.info("%s", error)
                continue
            except VerificationError as error:  # too many bytes are a lie as well
                error.source = redact(base)
                failure = failure or error
                log.warning("%s", error)
                continue
            mirrors.answered(base)
            return data
        if failure is not None and request.attempt == 0:
            raise failure
        if request.role == ROOT and request.attempt == 0:
            log.debug("no newer root than before %s", request.url)
        return None


class _Claims:
    """Who fetches what at the moment, in all threads."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.owners: dict[str, _Turn] = {}
        self.done = 0


class _Turn:
    """What one call of `run_all` fetches. What another call is fetching is waited for instead.

    It waits only while it has nothing of its own to do, so no two wait for each other; and only once for a file, so
    that a server which does not answer keeps nobody waiting twice.
    """

    def __init__(self, claims: _Claims) -> None:
        self._claims = claims
        self._done = 0
        self._waited_for: set[str] = set()

    def others(self) -> int:
        """Return how often others were done with something."""
        return self._claims.done - self._done

    def divide(self, running: list[_Running[T]]) -> tuple[list[_Running[T]], list[int]]:
        """Return the workflows that fetch now, and the numbers of those that are to be started anew."""
        now: dict[str, _Running[T]] = {}
        waiting: dict[int, str] = {}
        with self._claims.changed:
            for one in running:
                assert one.fetch is not None  # noqa: S101 - only such are running
                url = one.fetch.url
                if one.since == self.others():  # else somebody may have verified it since it was looked for
                    self._claims.owners.setdefault(url, self)
                mine = url in self._waited_for or self._claims.owners.get(url) is self
                if not mine or now.setdefault(url, one) is not one:
                    one.workflow.close()
                    waiting[one.number] = url
            owners = {url: self._claims.owners.get(url) for url in waiting.values()}
            if waiting and not now and all(owners.values()):
                self._claims.changed.wait()
                self._waited_for |= {url for url, owner in owners.items() if self._claims.owners.get(url) != owner}
        return list(now.values()), list(waiting)

    def keep(self, running: list[_Running[T]]) -> None:
        """Give up every claim but those of what is tried again, with another mirror."""
        kept = {one.fetch.url for one in running if one.fetch is not None}
        with self._claims.changed:
            for url in [url for url, owner in self._claims.owners.items() if owner is self and url not in kept]:
                del self._claims.owners[url]
                self._claims.done += 1
                self._done += 1
            self._claims.changed.notify_all()


class _Mirrors:
    """Where one workflow is in the list of mirrors, for the file it waits for."""

    def __init__(self, urls: tuple[str, ...]) -> None:
        self._urls = urls
        self.begin()

    def begin(self) -> None:
        self._next = 0
        self.last: str | None = None
        self.first_answer: str | None = None

    def remaining(self) -> list[str]:
        rest = list(self._urls[self._next :])
        self._next = len(self._urls)
        return rest

    def answered(self, base: str) -> None:
        self._next = self._urls.index(base) + 1
        self.last = redact(base)
        self.first_answer = self.first_answer or self.last
