"""Has a record reached the world? The zone's own servers are asked first, each of them, until all agree.

Only then are resolvers asked: a resolver that is asked too early keeps the denial for as long as the zone allows, and
would hide the record from everybody behind it. One that already keeps a denial, or an old answer, is left alone until
it has forgotten it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dns_service.model import Record
from dns_service.verification.model import (
    Outcome,
    Reply,
    ReplyKind,
    Server,
    ServerAnswer,
    Verification,
    VerificationState,
)
from dns_service.verification.ports import NameServers

_SERIAL_HALF = 1 << 31
_SERIAL_RANGE = 1 << 32

Ask = Callable[[Server, Record], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait between rounds: short at first, then longer and longer."""

    first: timedelta = timedelta(milliseconds=100)
    factor: float = 2
    longest: timedelta = timedelta(seconds=5)
    silence: timedelta = timedelta(minutes=1)
    """After so long the caller hears again, even where nobody is worth asking: who says nothing is taken for dead."""

    def pause(self, rounds: int) -> timedelta:
        """The pause after so many rounds."""
        # The exponent is bounded, because a float is.
        return min(self.longest, self.first * self.factor ** min(rounds - 1, 32))


class LiveVerifier:
    """Verifies by asking name servers."""

    def __init__(
        self,
        servers: NameServers,
        *,
        quorum: int,
        pace: Pace | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Compose it.

        Args:
            servers: who can be asked.
            quorum: how many resolvers must have the record.
            pace: how long to wait between rounds.
            clock: the time.
            sleep: lets time pass.
        """
        self._servers = servers
        self._quorum = quorum
        self._pace = pace or Pace()
        self._clock = clock
        self._sleep = sleep

    async def verify(self, record: Record, patience: timedelta) -> AsyncIterator[Verification]:
        """Ask until all agree or `patience` has passed; each round yields how it stands."""
        deadline = self._clock() + patience
        resolvers: dict[Server, _Asked] = {}
        rounds = 0
        while True:
            rounds += 1
            authoritative = await self._ask_authority(record)
            lagging = [answer for answer in authoritative if answer.outcome is not Outcome.MATCH]
            if authoritative and not lagging:
                await self._ask_resolvers(record, resolvers)
            answers = (*authoritative, *(asked.answer for asked in resolvers.values()))
            state, detail = self._judge(authoritative, resolvers)
            left = deadline - self._clock()
            if state is not VerificationState.VERIFIED and left <= timedelta():
                state = VerificationState.TIMED_OUT
            yield Verification(state, answers, rounds, detail)
            if state in {VerificationState.VERIFIED, VerificationState.TIMED_OUT}:
                return
            wait = self._wait(rounds, resolvers if not lagging else {})
            await self._sleep(min(wait, left).total_seconds())

    async def _ask_authority(self, record: Record) -> list[ServerAnswer]:
        servers = await self._servers.authoritative(record.zone)
        replies = await _ask_all(self._servers.ask_authority, servers, record)
        newest = _newest([reply.serial for reply in replies if reply.serial])
        return [
            self._answer(server, reply, record, authoritative=True, newest=newest)
            for server, reply in zip(servers, replies, strict=True)
        ]

    async def _ask_resolvers(self, record: Record, asked: dict[Server, _Asked]) -> None:
        """Ask those that were not asked yet, and those that have forgotten what they said."""
        now = self._clock()
        due = [
            server
            for server in self._servers.resolvers()
            if server not in asked or (asked[server].answer.outcome is not Outcome.MATCH and asked[server].until <= now)
        ]
        replies = await _ask_all(self._servers.ask_resolver, due, record)
        for server, reply in zip(due, replies, strict=True):
            answer = self._answer(server, reply, record, authoritative=False)
            asked[server] = _Asked(answer, self._clock() + reply.keeps)

    def _answer(
        self, server: Server, reply: Reply, record: Record, *, authoritative: bool, newest: int = 0
    ) -> ServerAnswer:
        outcome = _outcome(reply, record, authoritative=authoritative)
        now = self._clock()
        detail = reply.detail
        if reply.kind is ReplyKind.ANSWERED and authoritative and not reply.with_authority:
            detail = "answers without authority"
        elif outcome is not Outcome.MATCH and reply.serial and _is_older(reply.serial, newest):
            detail = f"still serves serial {reply.serial}, others serve {newest}"
        elif outcome in {Outcome.ABSENT, Outcome.MISMATCH} and reply.keeps:
            detail = f"keeps this answer until {now + reply.keeps:%H:%M:%S} UTC"
        return ServerAnswer(str(server), authoritative, outcome, reply.values, reply.serial, detail, now)

    def _judge(
        self, authoritative: Sequence[ServerAnswer], resolvers: dict[Server, _Asked]
    ) -> tuple[VerificationState, str]:
        if not authoritative:
            return VerificationState.WAITING_FOR_AUTHORITATIVE, "The zone's own servers could not be found."
        lagging = [answer for answer in authoritative if answer.outcome is not Outcome.MATCH]
        if lagging:
            return VerificationState.WAITING_FOR_AUTHORITATIVE, _name(lagging)
        answers = [asked.answer for asked in resolvers.values()]
        behind = [answer for answer in answers if answer.outcome is not Outcome.MATCH]
        if len(answers) - len(behind) < min(self._quorum, len(answers)):
            return VerificationState.WAITING_FOR_RESOLVERS, _name(behind)
        detail = f"Every server of the zone and {len(answers) - len(behind)} of {len(answers)} resolvers have it."
        return VerificationState.VERIFIED, detail

    def _wait(self, rounds: int, resolvers: dict[Server, _Asked]) -> timedelta:
        """The usual pause, or longer where every resolver that is behind says for how long it will be."""
        behind = [asked for asked in resolvers.values() if asked.answer.outcome is not Outcome.MATCH]
        pause = self._pace.pause(rounds)
        if not behind:
            return pause
        return min(self._pace.silence, max(pause, min(asked.until for asked in behind) - self._clock()))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a resolver said, and until when it will say the same."""

    answer: ServerAnswer
    until: datetime


async def _ask_all(ask: Ask, servers: Sequence[Server], record: Record) -> list[Reply]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_tell(ask, server, record)) for server in servers]
    return [task.result() for task in tasks]


async def _tell(ask: Ask, server: Server, record: Record) -> Reply:
    return await ask(server, record)


def _outcome(reply: Reply, record: Record, *, authoritative: bool) -> Outcome:
    match reply.kind:
        case ReplyKind.SILENT:
            return Outcome.TIMEOUT
        case ReplyKind.FAILED:
            return Outcome.ERROR
        case ReplyKind.ABSENT:
            return Outcome.ABSENT
        case ReplyKind.ANSWERED:
            if authoritative and not reply.with_authority:
                return Outcome.ERROR
            matches = bool(reply.values) if record.veiled else reply.values == record.data.values
            return Outcome.MATCH if matches else Outcome.MISMATCH


def _name(behind: Sequence[ServerAnswer]) -> str:
    said = "; ".join(f"{answer.server} {answer.detail or answer.outcome.value}" for answer in behind)
    return f"Not yet: {said}"[:_DETAIL_LIMIT]


def _newest(serials: Sequence[int]) -> int:
    newest = serials[0] if serials else 0
    for serial in serials:
        if _is_older(newest, serial):
            newest = serial
    return newest


def _is_older(serial: int, other: int) -> bool:
    """Whether a zone's serial comes before another, in the arithmetic of serials, which wraps (RFC 1982)."""
    return serial != other and (other - serial) % _SERIAL_RANGE < _SERIAL_HALF


_DETAIL_LIMIT = 512
