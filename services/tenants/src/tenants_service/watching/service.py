"""Following the record of events: one reader for all the watchers of a process, each at its own place.

The reader looks when somebody says that there is something new, takes what is complete (`model.Horizon` knows), and
keeps the last of it in memory. A watcher that keeps up is served from there; one that is further back reads the record
itself, up to where the reader is. While nobody watches, nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from faults import Exhausted, Fault, Timeout, Unavailable
from tenants_service.events.model import Filter, Recorded
from tenants_service.watching.model import Horizon, Sighting
from tenants_service.watching.ports import Record, WakeUps

_log = logging.getLogger(__name__)

_EVERYTHING: Final = Filter()
_PAGE: Final = 500
_KEPT: Final = 4096
"""Events kept in memory for the watchers that keep up."""
_KEPT_SIZE: Final = 16 * 2**20
"""And characters of their data."""
_HISTORY_READERS: Final = 3
"""How many watchers that are further back may read at once: the rest of the connections is for who writes."""
_LOOK_AGAIN: Final = timedelta(milliseconds=20)
_PAUSE: Final = timedelta(milliseconds=100)
_LONGEST_PAUSE: Final = timedelta(seconds=2)
BLIND: Final = timedelta(seconds=10)
"""How long a stream may go on while the record cannot be read, before it says so by ending."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """The events behind one position and up to the next batch's."""

    after: int
    events: tuple[Recorded, ...]

    @property
    def size(self) -> int:
        return sum(event.size for event in self.events)


class Tail:
    """The end of the record, and everybody who follows it. A resource."""

    name = "events"

    def __init__(self, record: Record, hints: WakeUps, *, kept: int = _KEPT, blind: timedelta = BLIND) -> None:
        self._record = record
        self._hints = hints
        self._kept = kept
        self._blind = blind.total_seconds()
        self._horizon = Horizon()
        self._end = 0  # up to where watchers may go: behind the batches, and never behind the horizon
        self._batches: list[_Batch] = []
        self._following = False  # whether the batches go on from one look to the next
        self._watchers = 0
        self._wanted = asyncio.Event()
        self._looked = asyncio.Event()  # of one look; the next one has its own
        self._seeing = 0.0  # when a look last succeeded, or somebody began to wait for one
        self._history = asyncio.Semaphore(_HISTORY_READERS)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live(), name=self.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def check(self) -> None:
        """Raise when somebody watches and the record cannot be read."""
        if self._watchers and self._is_blind():
            raise _away()

    async def watch(self, wanted: Filter, *, after: int | None, silence: timedelta) -> AsyncGenerator[Sighting, None]:
        """Everything wanted behind a position, for ever; signs of life where there is nothing for a while.

        Args:
            wanted: which events.
            after: the position to begin behind; None begins with what is put on record from now on, and says at once
                where that is.
            silence: how long to say nothing.

        Raises:
            Unavailable: when the record cannot be read for a while. Begin again behind the last position.
        """
        loop = asyncio.get_running_loop()
        with self._watching():
            place = Sighting(await self._newest() if after is None else after)
            if after is None:
                yield place
            said = loop.time()
            while True:
                events, upto = await self._next(wanted, place.position)
                for event in events:
                    yield Sighting(event.position, event)
                    said = loop.time()
                place = Sighting(upto)
                if loop.time() - said >= silence.total_seconds():
                    self._insist()
                    yield place
                    said = loop.time()
                await self._beyond(place.position, until=said + silence.total_seconds())

    async def _next(self, wanted: Filter, after: int) -> tuple[list[Recorded], int]:
        """What comes next for a watcher at a position, and the position it is at then."""
        if after >= self._end:
            return [], after
        if self._batches and after >= self._batches[0].after:
            here = bisect_right(self._batches, after, key=lambda batch: batch.after) - 1
            upto = self._end
            kept = (event for batch in self._batches[here:] for event in batch.events)
            return [event for event in kept if event.position > after and wanted.admits(event)], upto
        return await self._read_back(wanted, after, self._end)

    async def _read_back(self, wanted: Filter, after: int, upto: int) -> tuple[list[Recorded], int]:
        try:
            async with self._history:
                events = await self._record.read(wanted, after=after, upto=upto, limit=_PAGE)
        except (Unavailable, Timeout, Exhausted):
            self._insist()
            await self._look_or(asyncio.get_running_loop().time() + self._blind)
            return [], after
        return list(events), events[-1].position if len(events) == _PAGE else upto

    async def _beyond(self, position: int, *, until: float) -> None:
        """Wait until there is something behind the position, or that time has come."""
        while self._end <= position and asyncio.get_running_loop().time() < until:
            await self._look_or(until)

    async def _newest(self) -> int:
        """A position with everything on record now before it, and everything that is not yet behind it."""
        last = await self._record.last()
        while self._end < last or not self._following:
            self._insist()
            await self._look_or(asyncio.get_running_loop().time() + self._blind)
        return self._end

    async def _look_or(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._looked.wait()
        except TimeoutError:
            return

    def _insist(self) -> None:
        if self._is_blind():
            raise _away()

    def _is_blind(self) -> bool:
        return asyncio.get_running_loop().time() - self._seeing > self._blind

    @contextmanager
    def _watching(self) -> Iterator[None]:
        if not self._watchers:
            self._seeing = asyncio.get_running_loop().time()
        self._watchers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._wanted.clear()

    async def _live(self) -> None:
        async with self._hints:
            await self._follow()

    async def _follow(self) -> None:
        while True:
            await self._wanted.wait()
            async with aclosing(self._hints.wakeups()) as hints:  # type: ignore[type-var]  # a generator, as it says
                async for _ in hints:
                    await self._catch_up()
                    if not self._watchers:
                        break
            self._following = False
            self._batches.clear()

    async def _catch_up(self) -> None:
        """Look until everything there is to see is complete."""
        pause = _PAUSE
        while self._watchers:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, tried again, and told to who waits
                expected = isinstance(error, Fault) and error.kind.retryable
                _log.log(logging.WARNING if expected else logging.ERROR, "cannot read events: %r", error)
                await asyncio.sleep(pause.total_seconds())
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if not self._horizon.waits:
                return
            await asyncio.sleep(_LOOK_AGAIN.total_seconds())

    async def _look(self) -> None:
        moved = self._horizon.learn(await self._record.look())
        if self._following:
            await self._take()
        elif moved or not self._horizon.waits:
            self._following = True
            self._end = self._horizon.position
        self._seeing = asyncio.get_running_loop().time()
        self._looked.set()
        self._looked = asyncio.Event()

    async def _take(self) -> None:
        """Read on to the horizon, and keep the last of it."""
        upto = self._horizon.position
        while self._end < upto:
            events = await self._record.read(_EVERYTHING, after=self._end, upto=upto, limit=_PAGE)
            self._batches.append(_Batch(self._end, tuple(events)))
            self._end = events[-1].position if len(events) == _PAGE else upto
            self._forget()

    def _forget(self) -> None:
        count = sum(len(batch.events) for batch in self._batches)
        size = sum(batch.size for batch in self._batches)
        while len(self._batches) > 1 and (count > self._kept or size > _KEPT_SIZE):
            oldest = self._batches.pop(0)
            count, size = count - len(oldest.events), size - oldest.size


def _away() -> Unavailable:
    return Unavailable(
        "The record of events cannot be read. Begin again with the last token.",
        reason="DEPENDENCY_UNAVAILABLE",
        facts={"dependency": "postgres"},
        domain="tenantmesh",
    )
