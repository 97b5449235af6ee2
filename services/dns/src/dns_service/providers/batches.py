"""Many small changes as few large ones, for vendors that take batches.

While one batch is under way the next one gathers: a lone change goes out at once, and the more come together the fewer
requests they cost. A batch that is refused says little about the innocent in it, so its halves are sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from faults import Fault

C = TypeVar("C")
R = TypeVar("R")


class Refused(Exception):  # noqa: N818 - names what happened
    """Some change of the batch cannot be made, so none was."""


@dataclass(slots=True)
class _Waiting(Generic[C, R]):
    """A change, and who waits for it."""

    change: C
    done: asyncio.Future[R] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batches(Generic[C, R]):
    """Gathers changes and sends them together."""

    def __init__(self, send: Callable[[Sequence[C]], Awaitable[R]], *, most: int, weigh: Callable[[C], int]) -> None:
        """Compose it.

        Args:
            send: makes all of the changes, or none; raises Refused when one of them is at fault.
            most: how much one batch may weigh.
            weigh: what one change weighs.
        """
        self._send = send
        self._most = most
        self._weigh = weigh
        self._waiting: list[_Waiting[C, R]] = []
        self._sender: asyncio.Task[None] | None = None

    async def submit(self, change: C) -> R:
        """Make this change, together with whatever else comes meanwhile; Refused when it is the one at fault."""
        waiting: _Waiting[C, R] = _Waiting(change)
        self._waiting.append(waiting)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._drain())
        return await waiting.done

    async def close(self) -> None:
        """Send nothing more; whoever still waits is told that it was cancelled."""
        if self._sender is not None:
            self._sender.cancel()
            with suppress(asyncio.CancelledError):
                await self._sender
        for one in self._waiting:
            one.done.cancel()

    async def _drain(self) -> None:
        # Whoever is about to submit in this very turn of the loop still gets into the first batch.
        await asyncio.sleep(0)
        while self._waiting:
            batch = self._next()
            try:
                await self._deliver(batch)
            finally:
                for one in batch:
                    one.done.cancel()  # nothing happens to those that were told

    def _next(self) -> list[_Waiting[C, R]]:
        """As many as fit, in the order they came; whose caller has given up is left out."""
        self._waiting = [one for one in self._waiting if not one.done.done()]
        weight, count = 0, 0
        for one in self._waiting:
            weight += self._weigh(one.change)
            if count and weight > self._most:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _deliver(self, batch: Sequence[_Waiting[C, R]]) -> None:
        if not batch:
            return
        try:
            result = await self._send([one.change for one in batch])
        except Refused as refused:
            if len(batch) == 1:
                _tell(batch[0], refused)
                return
            middle = len(batch) // 2
            await self._deliver(batch[:middle])
            await self._deliver(batch[middle:])
        except Exception as error:  # noqa: BLE001 - each caller gets it
            for one in batch:
                _tell(one, error)
        else:
            for one in batch:
                if not one.done.done():
                    one.done.set_result(result)


def _tell(waiting: _Waiting[C, R], error: Exception) -> None:
    if not waiting.done.done():
        waiting.done.set_exception(_own(error))


def _own(error: Exception) -> Exception:
    """An error of the caller's own: a traceback grows with every place that raises the same object."""
    if not isinstance(error, Fault):
        return error
    own = type(error)(error.message, reason=error.reason, facts=error.facts, retry_after=error.retry_after)
    own.__cause__ = error.__cause__
    return own
