"""Connections to one name server, kept for what is asked soon after: to make one takes as long as a question does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import dns.message
import dns.query
from dns.message import Message

from dns_service.providers import answers

# Servers close what idles: PowerDNS after 5 s, Knot after 10 s, BIND after 30 s.
_KEPT = 3.0
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_NUMBER = 2
"""Octets of a message's length before it, and of its id at its beginning."""


class Connections:
    """At most so many at once, each for one exchange at a time."""

    def __init__(self, address: str, port: int, *, limit: int, patience: float) -> None:
        """Compose it.

        Args:
            address: IP address of the server.
            port: where it takes connections.
            limit: how many connections there may be at once.
            patience: how many seconds an exchange may take, once there is room for it.
        """
        self._where = address, port
        self._patience = patience
        self._kept: list[_Connection] = []
        self.room = asyncio.Semaphore(limit)
        """For who makes a connection of his own."""

    async def exchange(self, queries: Sequence[Message]) -> list[Message]:
        """Send all without waiting in between; answers what came back for each. No two may have the same id.

        Where the server has closed a kept connection they are sent once more, on a new one. Nobody knows whether it had
        read them by then, so they must be such as do no harm when they come twice.
        """
        async with self.room, asyncio.timeout(self._patience):
            wires = await self._exchange({query.id: query.to_wire() for query in queries})
        return [_answer(query, wires[query.id]) for query in queries]

    def close(self) -> None:
        """Close those that are kept."""
        while self._kept:
            self._kept.pop().close()

    async def _exchange(self, wires: dict[int, bytes]) -> dict[int, bytes]:
        while self._kept:
            connection = self._kept.pop()
            if connection.take():
                try:
                    return await self._over(connection, wires)
                except (OSError, EOFError):
                    break
        return await self._over(_Connection(*await asyncio.open_connection(*self._where)), wires)

    async def _over(self, connection: _Connection, wires: dict[int, bytes]) -> dict[int, bytes]:
        try:
            answers = await connection.exchange(wires)
        except BaseException:
            connection.close()  # an answer may be on its way that nobody is to take for his own
            raise
        connection.leave()
        self._kept.append(connection)
        return answers


@dataclass(slots=True)
class _Connection:
    """A connection, and when it is closed unless somebody takes it before."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closing: asyncio.TimerHandle | None = None

    async def exchange(self, wires: dict[int, bytes]) -> dict[int, bytes]:
        """Messages by their ids, and the answers by theirs, which come in any order."""
        self.writer.write(b"".join(len(wire).to_bytes(_NUMBER) + wire for wire in wires.values()))
        answers: dict[int, bytes] = {}
        while answers.keys() != wires.keys():
            length = int.from_bytes(await self.reader.readexactly(_NUMBER))
            wire = await self.reader.readexactly(length)
            answers[int.from_bytes(wire[:_NUMBER])] = wire
            if not answers.keys() <= wires.keys():
                raise dns.query.BadResponse
            self._acknowledge()
        return answers

    def _acknowledge(self) -> None:
        """Let the server know at once: many send no second short answer before they know that the first has come."""
        if _QUICKACK is not None:
            self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def leave(self) -> None:
        """Nobody needs it for now."""
        self.closing = asyncio.get_running_loop().call_later(_KEPT, self.close)

    def take(self) -> bool:
        """Use it again, if it is still open."""
        if self.closing is not None:
            self.closing.cancel()
        if self.reader.at_eof():
            self.close()
        return not self.writer.is_closing()

    def close(self) -> None:
        """Close it at once, whatever may still come."""
        if self.closing is not None:
            self.closing.cancel()
        self.writer.transport.abort()


def _answer(query: Message, wire: bytes) -> Message:
    signed = query.keyring is not None
    answer = dns.message.from_wire(wire, keyring=query.keyring, request_mac=query.mac) if signed else answers.read(wire)
    if not query.is_response(answer):
        raise dns.query.BadResponse
    return answer
