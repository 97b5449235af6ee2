"""The sender of a process: takes on what is due, a bounded number at once, and puts on record what came of it.

Before a provider is asked, that is on record; so if the process dies, another one knows that the message may be under
way. What came of messages is put on record together, as many as there are by then; until it is, each keeps its place
among those that are being sent, so that nothing piles up while the database is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

from faults import Fault, Unavailable
from notifications_service.deliveries.ports import WakeUps
from notifications_service.model import Failure, Mailbox, Message, State, Verdict
from notifications_service.sending.model import Claim, Outcome, Patience, forgotten
from notifications_service.sending.ports import Composer, Queue
from notifications_service.service import Chain
from notifications_service.templates.service import Templates

_log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at the queue when nobody rings: for what is tried again, or was left by who died."""
_PAUSE: Final = 1.0
_FORGET_EVERY: Final = 60.0
_MANY: Final = 16
_GATHER: Final = 0.05
"""Seconds between two writings of outcomes, unless many wait: one statement for many costs hardly more than for one."""
_LAST_WORDS: Final = 10.0
"""Seconds that messages in hand get when the process ends."""


class Bell:
    """Rings here at once, and in other processes a little later. A resource."""

    def __init__(self, hints: WakeUps) -> None:
        self.name = hints.name
        self._hints = hints
        self._next = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._hints.__aenter__()
        self._task = asyncio.create_task(self._listen(), name="bell")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            await _ended(self._task)
        await self._hints.__aexit__(kind, error, trace)

    async def check(self) -> None:
        """Deaf to other processes, everybody still looks from time to time."""

    def ring(self) -> None:
        """Let everybody look."""
        self._strike()
        self._hints.wake()

    def next(self) -> asyncio.Event:
        """Set at the next ring."""
        return self._next

    async def _listen(self) -> None:
        async for _ in self._hints.wakeups():
            self._strike()

    def _strike(self) -> None:
        rung, self._next = self._next, asyncio.Event()
        rung.set()


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes the message of a claim."""

    templates: Templates
    sender: Mailbox
    unsubscribe_url: Callable[[UUID, str], str]

    def compose(self, claim: Claim) -> Message:
        """The message, the same each time."""
        variables = claim.content.variables
        rendered = self.templates.write(
            claim.template_id, variables, claim.branding, claim.language, recipient=claim.position
        )
        branding = self.templates.branded(claim.branding)
        return Message(
            key=claim.key,
            time=claim.create_time,
            tenant_id=claim.tenant_id,
            template_id=claim.template_id,
            language=rendered.language,
            sender=Mailbox(self.sender.email, branding.sender_name or branding.product_name),
            recipient=Mailbox(claim.email, claim.display_name),
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            reply_to=branding.reply_to,
            unsubscribe_url=self.unsubscribe_url(claim.tenant_id, claim.email) if claim.optional else "",
            variables=variables,
        )


class Sender:
    """Sends what is queued. A resource: it works for as long as it is open."""

    name = "sender"

    def __init__(
        self,
        queue: Queue,
        chain: Chain,
        letters: Composer,
        bell: Bell,
        *,
        patience: Patience,
        lease: timedelta,
        limit: int,
    ) -> None:
        """Describe it.

        Args:
            queue: what waits.
            chain: who carries.
            letters: writes.
            bell: rings when something was queued, and is rung when something was sent.
            patience: when a message is tried again.
            lease: after how long a claim's sender is taken for dead.
            limit: how many messages are in hand at once.
        """
        self._queue = queue
        self._chain = chain
        self._letters = letters
        self._bell = bell
        self._patience = patience
        self._lease = lease
        self._limit = limit
        self._busy: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        self._recorder = Recorder(queue, bell)
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self._blind = False

    async def __aenter__(self) -> Self:
        await self._recorder.__aenter__()
        self._tasks = [
            asyncio.create_task(self._live(), name=self.name),
            asyncio.create_task(self._forget(), name="forget"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take on nothing more, and let what is in hand come to its end."""
        await _ended(*self._tasks)
        if self._busy:
            _, late = await asyncio.wait(self._busy, timeout=_LAST_WORDS)
            await _ended(*late)
        await self._recorder.__aexit__(kind, error, trace)

    async def check(self) -> None:
        """Raise while the queue cannot be read."""
        if self._blind:
            raise Unavailable(
                "The queue cannot be read.",
                reason="DEPENDENCY_UNAVAILABLE",
                facts={"dependency": self.name},
                domain="tenantmesh",
            )

    async def _live(self) -> None:
        while True:
            rung = self._bell.next()
            try:
                await self._take_on()
                self._blind = False
            except Exception:  # noqa: BLE001 - a sender that ended would be missed by nobody until messages do not arrive
                self._blind = True
                _log.exception("the queue cannot be read")
                await asyncio.sleep(_PAUSE)
                continue
            await self._anything(rung)

    async def _forget(self) -> None:
        """Erase what is kept too long, a little at a time: nobody waits for that."""
        while True:
            more = False
            try:
                more = await self._queue.forget()
            except Exception:  # noqa: BLE001 - what could not be erased now is erased the next time
                _log.exception("what is kept too long cannot be erased")
            await asyncio.sleep(_PAUSE if more else _FORGET_EVERY)

    async def _take_on(self) -> None:
        """Begin to send as many messages as there is room for; in batches, not one by one."""
        self._freed.clear()
        room = self._limit - len(self._busy)
        if room * 2 < self._limit:
            return
        claims = await self._queue.claim(room, first=self._chain.first, lease=self._lease)
        for claim in claims:
            task = asyncio.create_task(self._deliver(claim), name=f"send {claim.key}")
            self._busy.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        if (self._limit - len(self._busy)) * 2 >= self._limit:
            self._freed.set()
        if not task.cancelled() and (error := task.exception()):
            _log.error("a message was left to whoever comes after this claim", exc_info=error)

    async def _anything(self, rung: asyncio.Event) -> None:
        """Wait for a ring, for room, or for a while."""
        waits = {asyncio.create_task(rung.wait()), asyncio.create_task(self._freed.wait())}
        try:
            await asyncio.wait(waits, timeout=_LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _ended(*waits)

    async def _deliver(self, claim: Claim) -> None:
        provider, verdict = await self._sent(claim)
        again = self._patience.again_in(verdict, claim.tries, repeatable=self._chain.repeatable(provider))
        await self._recorder.record(Outcome(claim, provider, verdict, again))

    async def _sent(self, claim: Claim) -> tuple[str, Verdict]:
        if claim.suppressed:
            return "", Verdict(State.SUPPRESSED)
        if claim.forgotten:
            return claim.asked, forgotten()
        try:
            message = self._letters.compose(claim)
        except Fault as fault:  # the template was changed since the order was taken
            return claim.asked, Verdict.failed(Failure.MESSAGE_REFUSED, fault.message)

        async def moving(provider: str) -> None:
            await self._queue.moving(claim, provider)

        return await self._chain.send(message, moving=moving, open_at=claim.asked)


class Recorder:
    """Puts outcomes on record, all together that have come while the last ones were written."""

    def __init__(self, queue: Queue, bell: Bell) -> None:
        self._queue = queue
        self._bell = bell
        self._waiting: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live(), name="recorder")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            await _ended(self._task)

    async def record(self, outcome: Outcome) -> None:
        """Put an outcome on record; returns when it is."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, done))
        self._some.set()
        if len(self._waiting) >= _MANY:
            self._many.set()
        await done

    async def _live(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            self._many.clear()
            batch, self._waiting = self._waiting, []
            await self._write([outcome for outcome, _ in batch])
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
            self._bell.ring()
            if len(batch) > 1:  # where one came alone, somebody waits for it before the next one is asked for
                await self._gather()

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GATHER):
                await self._many.wait()

    async def _write(self, outcomes: Sequence[Outcome]) -> None:
        """Until it stands: what was sent must not be forgotten because the database was away."""
        while True:
            try:
                await self._queue.record(outcomes)
            except Exception:  # noqa: BLE001 - what was sent is known only here until it is on record
                _log.exception("outcomes wait to be put on record", extra={"count": len(outcomes)})
                await asyncio.sleep(_PAUSE)
            else:
                return


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
