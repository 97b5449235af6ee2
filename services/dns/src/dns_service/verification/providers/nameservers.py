"""Name servers asked over the network: each by its own address, over UDP, and over TCP where an answer was cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from dns_service.model import Record, RecordType
from dns_service.providers.presentation import from_rdata, host_from
from dns_service.verification.model import Reply, ReplyKind, Server
from dns_service.verification.providers import datagrams

_log = logging.getLogger(__name__)
# What passes through every network in one piece.
_PAYLOAD = 1232
_NOWHERE = ""
_NEXT = 1.0
"""Seconds after which the next resolver is asked for the servers of a zone."""
_KEPT = 60.0
"""Seconds for which the list of a zone's servers is kept: they change rarely, and rounds follow one another fast."""


class NetworkNameServers:
    """The name servers of the world."""

    def __init__(self, *, resolvers: Sequence[Server], own: Sequence[Server], patience: timedelta) -> None:
        """Compose it.

        Args:
            resolvers: whose view counts, and who finds the servers of a zone.
            own: servers to take for each zone's own, instead of those it lists.
            patience: how long to wait for one answer of one server.
        """
        self._resolvers = tuple(resolvers)
        self._own = tuple(own)
        self._patience = patience.total_seconds()
        self._found: dict[str, tuple[float, tuple[Server, ...]]] = {}

    def resolvers(self) -> Sequence[Server]:
        """The resolvers that were configured."""
        return self._resolvers

    async def authoritative(self, zone: str) -> Sequence[Server]:
        """Those configured, or those that the zone lists, at each of their addresses."""
        if self._own:
            return self._own
        until, servers = self._found.get(zone, (0.0, ()))
        if until < monotonic():
            servers = await self._find(zone)
            if servers:
                self._found[zone] = (monotonic() + _KEPT, servers)
        return servers

    async def ask_authority(self, server: Server, record: Record) -> Reply:
        """The record, and the zone's serial, from one of the zone's own servers."""
        if server.address == _NOWHERE:
            return Reply(ReplyKind.FAILED, detail="is listed by the zone and has no address")
        kind = _asked_type(record)
        found, soa = await self._ask(server, (record.key.name, kind), (record.zone, RdataType.SOA), recurse=False)
        reply = _reply(found, kind)
        return replace(reply, serial=_serial(soa) or reply.serial, keeps=timedelta())

    async def ask_resolver(self, server: Server, record: Record) -> Reply:
        """The record from a resolver."""
        kind = _asked_type(record)
        (found,) = await self._ask(server, (record.key.name, kind), recurse=True)
        return _reply(found, kind)

    async def exists(self, server: Server, host: str) -> bool | None:
        """Whether a resolver knows the host; None where it cannot tell."""
        (answer,) = await self._ask(server, (host, RdataType.A), recurse=True)
        if isinstance(answer, Reply):
            return None
        # One of the zone's own servers refuses what is not its to answer, or refers to others.
        knows = answer.flags & (dns.flags.AA | dns.flags.RA)
        return {Rcode.NOERROR: True, Rcode.NXDOMAIN: False}.get(answer.rcode()) if knows else None

    async def _ask(self, server: Server, *questions: tuple[str, RdataType], recurse: bool) -> list[Message | Reply]:
        """The answer to each question, or why there is none: over UDP, and over TCP where it was cut short."""
        flags = dns.flags.RD if recurse else dns.flags.Flag(0)
        queries = [
            dns.message.make_query(f"{name}.", kind, use_edns=0, payload=_PAYLOAD, flags=flags)
            for name, kind in questions
        ]
        try:
            answers = await datagrams.exchange(server.address, server.port, queries, self._patience)
        except OSError as error:
            return [_unreachable(error) for _ in queries]
        return [await self._complete(server, query, answer) for query, answer in zip(queries, answers, strict=True)]

    async def _complete(self, server: Server, query: Message, answer: Message | None) -> Message | Reply:
        if answer is None:
            return self._silent()
        if not answer.flags & dns.flags.TC:
            return answer
        try:
            return await dns.asyncquery.tcp(query, server.address, self._patience, server.port)
        except dns.exception.Timeout:
            return self._silent()
        except OSError as error:
            return _unreachable(error)
        except (dns.exception.DNSException, EOFError):
            return Reply(ReplyKind.FAILED, detail="answered what is no answer")

    def _silent(self) -> Reply:
        return Reply(ReplyKind.SILENT, detail=f"did not answer within {self._patience:g} s")

    async def _find(self, zone: str) -> tuple[Server, ...]:
        try:
            listed = await self._resolve(zone, RdataType.NS)
            found = await asyncio.gather(*(self._addresses(host_from(one.target)) for one in listed))
        except dns.exception.DNSException as error:
            _log.warning("a zone's own servers were not found", extra={"zone": zone, "error": repr(error)})
            return ()
        return tuple(server for servers in found for server in servers)

    async def _addresses(self, host: str) -> list[Server]:
        """The server at each of its addresses; of IPv6 only where it has no other, for not every network has that."""
        for kind in (RdataType.A, RdataType.AAAA):
            try:
                found = await self._resolve(host, kind)
            except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
                continue
            return [Server(host, one.address) for one in found]
        return [Server(host, _NOWHERE)]  # so that it is missed, and named

    async def _resolve(self, name: str, kind: RdataType) -> dns.resolver.Answer:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(one.address, one.port) for one in self._resolvers]
        resolver.timeout = _NEXT
        return await resolver.resolve(f"{name}.", kind, lifetime=self._patience)


def _unreachable(error: OSError) -> Reply:
    return Reply(ReplyKind.FAILED, detail=f"cannot be reached ({error.strerror or type(error).__name__})")


def _serial(answer: Message | Reply) -> int:
    """The serial in the answer for a zone; what is wrong with a server that has none shows in its other answer."""
    found = () if isinstance(answer, Reply) else answer.answer
    return next((int(one[0].serial) for one in found if one.rdtype == RdataType.SOA), 0)


def _asked_type(record: Record) -> RdataType:
    if record.veiled and record.key.type is RecordType.CNAME:
        return RdataType.A
    return dns.rdatatype.from_text(record.key.type.value)


def _reply(answer: Message | Reply, kind: RdataType) -> Reply:
    if isinstance(answer, Reply):
        return answer
    authority = bool(answer.flags & dns.flags.AA)
    soa = next((one for one in answer.authority if one.rdtype == RdataType.SOA), None)
    serial = int(soa[0].serial) if soa else 0
    if answer.rcode() not in {Rcode.NOERROR, Rcode.NXDOMAIN}:
        return Reply(ReplyKind.FAILED, (), authority, detail=f"answered {dns.rcode.to_text(answer.rcode())}")
    (question,) = answer.question
    found = answer.get_rrset(answer.answer, question.name, question.rdclass, question.rdtype)
    if found:
        values = tuple(sorted(from_rdata(RecordType(kind.name), rdata) for rdata in found))
        return Reply(ReplyKind.ANSWERED, values, authority, serial, timedelta(seconds=found.ttl))
    if answer.answer:
        alias = host_from(answer.answer[0][0].target) if answer.answer[0].rdtype == RdataType.CNAME else "another name"
        kept = timedelta(seconds=answer.answer[0].ttl)
        return Reply(ReplyKind.ANSWERED, (), authority, serial, kept, f"answers an alias to {alias}")
    # For how long a denial is kept is the smaller of the two (RFC 2308).
    kept = timedelta(seconds=min(soa.ttl, soa[0].minimum)) if soa else timedelta()
    return Reply(ReplyKind.ABSENT, (), authority, serial, kept)
