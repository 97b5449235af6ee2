"""Questions to one name server in datagrams from one port, and their answers among whatever else comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import dns.exception
from dns.message import Message

from dns_service.providers import answers


async def exchange(address: str, port: int, queries: Sequence[Message], patience: float) -> list[Message | None]:
    """Ask all at once; each one's answer, which may be cut short, or None where `patience` seconds brought none.

    Raises:
        OSError: where nothing can be sent.
    """
    transport, heard = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Answers(queries), remote_addr=(address, port)
    )
    try:
        for query in queries:
            transport.sendto(query.to_wire())
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await heard.complete.wait()
    finally:
        transport.close()
    return heard.answers


class _Answers(asyncio.DatagramProtocol):
    """What was heard so far. The kernel lets through what comes from the server; others can forge that address."""

    def __init__(self, queries: Sequence[Message]) -> None:
        self._queries = queries
        self.answers: list[Message | None] = [None] * len(queries)
        self.complete = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take it where it answers a question that is still open; ignore it, and go on listening, where it does not."""
        del addr
        with suppress(dns.exception.DNSException):
            answer = answers.read(data)
            for number, query in enumerate(self._queries):
                if self.answers[number] is None and query.is_response(answer):
                    self.answers[number] = answer
                    break
        if None not in self.answers:
            self.complete.set()
