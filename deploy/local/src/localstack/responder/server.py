"""The responder: from a request to what goes back, and the sockets, UDP and TCP on one port."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.rrset
import dns.tsig
import dns.update
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from localstack.responder.zonedata import ZoneData

UDP_PAYLOAD = 1232
PLAIN_UDP = 512
LARGEST = 65_535
TRANSFER_BATCH = 100
IDLE = 10.0
LENGTH_BYTES = 2

TSIG_ERRORS: dict[type[dns.exception.DNSException], Rcode] = {
    dns.tsig.BadSignature: Rcode.BADSIG,
    dns.tsig.BadTime: Rcode.BADTIME,
    dns.tsig.BadKey: Rcode.BADKEY,
    dns.tsig.BadAlgorithm: Rcode.BADKEY,
}


@dataclass(frozen=True, slots=True)
class Responder:
    """Turns each request into what goes back. What cannot be read is not answered."""

    data: ZoneData
    key: dns.tsig.Key

    def over_udp(self, wire: bytes) -> bytes | None:
        """The datagram for a datagram; one that says "ask again over TCP" where the answer does not fit."""
        response = self._response(wire)
        if response is None:
            return None
        fits = min(response.request_payload, UDP_PAYLOAD) if response.edns >= 0 else PLAIN_UDP
        return response.to_wire(max_size=fits, prefer_truncation=True)

    def over_tcp(self, wire: bytes) -> Iterator[bytes]:
        """The messages for a message: several for a transfer of the zone."""
        response = self._response(wire)
        if response is None:
            return
        if response.rcode() == Rcode.NOERROR and _asks_for_transfer(response):
            yield from self._transfer(response)
        else:
            yield response.to_wire(max_size=LARGEST)

    def _response(self, wire: bytes) -> Message | None:
        try:
            request = dns.message.from_wire(wire, keyring=self.key)
        except tuple(TSIG_ERRORS) as error:
            return _not_authentic(dns.message.from_wire(wire, keyring=False), TSIG_ERRORS[type(error)])
        except dns.exception.DNSException:
            return None
        if request.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(request, our_payload=UDP_PAYLOAD)
        try:
            self._act(request, response)
        except Exception:  # noqa: BLE001 - a client is told of a fault of ours, and the log has the rest
            traceback.print_exc()
            response.set_rcode(Rcode.SERVFAIL)
        return response

    def _act(self, request: Message, response: Message) -> None:
        if isinstance(request, dns.update.UpdateMessage):
            response.set_rcode(self.data.update(request) if request.had_tsig else Rcode.REFUSED)
        elif request.opcode() == dns.opcode.QUERY and len(request.question) == 1:
            self._query(request, response)
        else:
            response.set_rcode(Rcode.NOTIMP)

    def _query(self, request: Message, response: Message) -> None:
        question = request.question[0]
        if question.rdtype in {RdataType.AXFR, RdataType.IXFR}:
            ours = request.had_tsig and question.name == self.data.origin
            response.set_rcode(Rcode.NOERROR if ours else Rcode.REFUSED)
            return
        found = self.data.answer(question.name, question.rdtype)
        response.set_rcode(found.rcode)
        response.answer, response.authority = found.answer, found.authority
        if found.rcode != Rcode.REFUSED:
            response.flags |= dns.flags.AA

    def _transfer(self, response: Message) -> Iterator[bytes]:
        """The zone in as many messages as it takes, signed as one."""
        response.flags |= dns.flags.AA
        rrsets = self.data.everything()
        context = None
        for start in range(0, len(rrsets), TRANSFER_BATCH):
            response.answer = rrsets[start : start + TRANSFER_BATCH]
            yield response.to_wire(max_size=LARGEST, multi=True, tsig_ctx=context)
            context = response.tsig_ctx


def _asks_for_transfer(response: Message) -> bool:
    return any(question.rdtype in {RdataType.AXFR, RdataType.IXFR} for question in response.question)


def _not_authentic(request: Message, error: Rcode) -> Message:
    """RFC 8945, 5.3.2: the refusal itself bears a TSIG record that says why, and no signature."""
    assert request.tsig is not None  # noqa: S101 - its signature is what was refused
    asked = request.tsig[0]
    response = dns.message.Message(id=request.id)
    response.flags = dns.flags.QR
    response.set_opcode(request.opcode())
    response.question = list(request.question)
    response.set_rcode(Rcode.NOTAUTH)
    why = dns.rdtypes.ANY.TSIG.TSIG(  # type: ignore[no-untyped-call]  # dnspython types no rdata class
        dns.rdataclass.ANY, RdataType.TSIG, asked.algorithm, int(time.time()), asked.fudge, b"", request.id, error, b""
    )
    response.additional.append(dns.rrset.from_rdata(request.tsig.name, 0, why))
    return response


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP socket."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._responder.over_udp(data)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def serving(responder: Responder, host: str, port: int) -> AsyncIterator[int]:
    """Serve inside the block; yields the port, which was chosen if 0 was asked for."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            while True:
                length = await asyncio.wait_for(reader.readexactly(LENGTH_BYTES), IDLE)
                wire = await asyncio.wait_for(reader.readexactly(int.from_bytes(length, "big")), IDLE)
                for answer in responder.over_tcp(wire):
                    writer.write(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, host, port)
    bound = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(responder), local_addr=(host, bound))
    try:
        yield bound
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
