"""The layer that refuses work the process cannot take: because it has enough, or because it is stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, cast

from chassis.interceptors.call import Call, Handler, Method, refusal
from faults import Exhausted, Unavailable

_COME_BACK = timedelta(milliseconds=500)


class Load:
    """The calls in flight: their number has a limit, and stopping means to wait for them, then to interrupt them.

    Streams that watch are counted apart: they stay for hours, and would leave no room for work. Nor does stopping wait
    for them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._stopping = False
        self._calls: set[asyncio.Task[Any]] = set()
        self._watches: set[asyncio.Task[Any]] = set()
        self._builtin: set[asyncio.Task[Any]] = set()
        self._interrupted: set[asyncio.Task[Any]] = set()

    @property
    def in_flight(self) -> int:
        """How many calls are being served; those of health, reflection and channelz do not count."""
        return len(self._calls) + len(self._watches)

    def layer(self, method: Method, proceed: Handler) -> Handler:
        """Admit the calls of a method while there is room. Health, reflection and channelz are always admitted."""
        tasks = self._builtin if method.builtin else self._watches if method.watching else self._calls
        this_task = cast("Callable[[], asyncio.Task[Any]]", asyncio.current_task)

        async def handle(call: Call) -> Any:
            if not method.builtin:
                self._admit(method, len(tasks))
            task = this_task()  # gRPC serves every call in a task of its own
            tasks.add(task)
            try:
                return await proceed(call)
            except asyncio.CancelledError:
                if task not in self._interrupted:
                    raise
                task.uncancel()
                raise _stopping(method) from None
            finally:
                tasks.discard(task)

        return handle

    async def drain(self, grace: float) -> None:
        """Refuse new calls, end watches, wait up to `grace` seconds for calls in flight, and interrupt what is left.

        Those who watch health never end by themselves either; they live until the calls are done, so that they hear in
        time that this process serves no more.
        """
        self._stopping = True
        self._interrupt(self._watches)
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace)
        self._interrupt(self._calls | self._builtin)

    def _interrupt(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tasks:
            self._interrupted.add(task)
            task.cancel()

    def _admit(self, method: Method, in_flight: int) -> None:
        if self._stopping:
            raise _stopping(method)
        if in_flight >= self._limit:
            message = "The service has as many calls as it can serve."
            raise refusal(Exhausted, "OVERLOADED", message, method, retry_after=_COME_BACK, limit=self._limit)


def _stopping(method: Method) -> Unavailable:
    return refusal(Unavailable, "SHUTTING_DOWN", "The process is stopping. Another replica answers.", method)
