"""Any name server that takes dynamic updates (RFC 2136) signed with a key (RFC 8945): BIND, Knot, PowerDNS and others.

Each update carries what must still be so (its prerequisites), and the server applies all of it or nothing. So two
writers cannot cross, a record and its stamp are never apart, and sending an update twice is harmless.
"""

from __future__ import annotations

import binascii
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update
import dns.xfr
import dns.zone

from dns_service.model import Capability, Node, Record, RecordData, RecordKey, RecordType
from dns_service.providers import presentation, refusals, stamps, updates
from dns_service.providers.connections import Connections
from dns_service.providers.updates import Reading
from dns_service.verification.model import Server
from faults import Fault, Timeout, Unavailable
from settingskit import Problem, Secret, SettingsInvalid, setting

_log = logging.getLogger(__name__)
_ALGORITHMS = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
# DNSSEC's own records stand beside everything, and HINFO is what some servers answer instead of ANY (RFC 8482).
_INVISIBLE = frozenset({"RRSIG", "NSEC", "NSEC3", "HINFO"})
_TRANSFER_PATIENCE = 6


@dataclass(frozen=True, slots=True)
class Rfc2136Settings:
    """Settings of the rfc2136 provider."""

    nameserver: str = setting(
        "RFC2136_NAMESERVER", help="IP address of the primary server, with a port where it is not 53."
    )
    zones: tuple[str, ...] = setting("RFC2136_ZONE", help="Zones that may be updated there, comma separated.")
    key: str = setting("RFC2136_TSIG_KEY", help="Name of the key that updates and transfers are signed with.")
    secret: Secret = setting("RFC2136_TSIG_SECRET", help="Secret of that key, in base64.")
    algorithm: str = setting("RFC2136_TSIG_ALGORITHM", default="hmac-sha256", help="Algorithm of that key.")
    patience: timedelta = setting(
        "RFC2136_TIMEOUT", default=timedelta(seconds=5), help="How long one exchange with the server may take."
    )
    connections: int = setting(
        "RFC2136_CONNECTIONS", default=8, minimum=1, help="How many connections to the server there may be at once."
    )

    def __post_init__(self) -> None:
        """Refuse what the server could only refuse later."""
        problems = []
        if self.algorithm not in _ALGORITHMS:
            problems.append(Problem("RFC2136_TSIG_ALGORITHM", f"must be one of {', '.join(_ALGORITHMS)}"))
        try:
            Server.parse(self.nameserver)
        except ValueError:
            problems.append(Problem("RFC2136_NAMESERVER", "must be an IP address, or one with a port"))
        try:
            binascii.a2b_base64(self.secret.reveal(), strict_mode=True)
        except binascii.Error:
            problems.append(Problem("RFC2136_TSIG_SECRET", "must be base64"))
        if problems:
            raise SettingsInvalid(problems)


class Rfc2136Provider:
    """Records on a name server that takes dynamic updates."""

    name = "rfc2136"
    capabilities: frozenset[Capability] = frozenset()
    types = frozenset(RecordType)
    resolvable = True
    Settings = Rfc2136Settings

    def __init__(self, settings: Rfc2136Settings) -> None:
        self._settings = settings
        self._zones = tuple(zone.lower().removesuffix(".") for zone in settings.zones)
        server = Server.parse(settings.nameserver)
        self._where = server.address, server.port
        self._patience = settings.patience.total_seconds()
        self._key = dns.tsig.Key(settings.key, binascii.a2b_base64(settings.secret.reveal()), settings.algorithm)
        self._connections = Connections(
            server.address, server.port, limit=settings.connections, patience=self._patience
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections that were kept."""
        self._connections.close()

    async def check(self) -> None:
        """The server answers with authority for each zone, and knows the key."""
        for zone in self._zones:
            query = dns.message.make_query(f"{zone}.", "SOA")
            (answer,) = await self._ask([query])
            self._check_answer(answer, zone)
            query.use_tsig(self._key)
            await self._exchange(query)

    async def zone_of(self, name: str) -> str:
        """The longest of the configured zones that holds the name."""
        return refusals.zone_among(self._zones, name, self.name)

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """Every record set at this name, asked of the primary server."""
        zone = await self.zone_of(name)
        types = [only] if only else list(RecordType)
        asked = [(name, kind.value) for kind in types] + [(stamps.name_of_stamp(name), "TXT")]
        if only is None:
            asked.append((name, "ANY"))
        # Told apart for certain: among random numbers two may be equal.
        answers = await self._ask(
            [dns.message.make_query(f"{who}.", kind, id=number) for number, (who, kind) in enumerate(asked)]
        )
        for answer in answers:
            self._check_answer(answer, name)
        sets = {kind: found for kind, answer in zip(types, answers, strict=False) if (found := _set_in(answer))}
        reading = Reading(sets, _set_in(answers[len(types)]))
        others = _others_in(answers[-1]) if only is None else ()
        data = {kind: _data(kind, one) for kind, one in sets.items()}
        records = stamps.assemble(self.name, zone, name, data, _texts(reading.stamp))
        ours = any(record.owner for record in records)
        if (sets or others) and not ours and await self._is_synthesized(zone, name):
            return Node(name, reading=Reading())
        return Node(name, records, others, reading)

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Write the record and its stamp in one update."""
        was = _reading(seen)
        texts = stamps.with_stamp(_texts(was.stamp), record)
        await self._send(updates.to(record, record.data.values, texts, was, self._key), record.key, seen)
        return record

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Remove the record and its stamp in one update."""
        was = _reading(seen)
        texts = stamps.without_stamp(_texts(was.stamp), record.key.type)
        await self._send(updates.to(record, (), texts, was, self._key), record.key, seen)

    async def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears a stamp, by transfer of each zone."""
        for zone in self._zones:
            for record in await self._transfer(zone):
                yield record

    async def _transfer(self, zone: str) -> list[Record]:
        query = dns.message.make_query(f"{zone}.", "AXFR")
        query.use_tsig(self._key)
        held = dns.zone.Zone(f"{zone}.", relativize=False)
        host, port = self._where
        try:
            async with self._connections.room:
                await dns.asyncquery.inbound_xfr(
                    host, held, query, port=port, timeout=self._patience, lifetime=self._patience * _TRANSFER_PATIENCE
                )
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise self._fault(error) from error
        return list(self._stamped_in(held, zone))

    def _stamped_in(self, held: dns.zone.Zone, zone: str) -> Iterator[Record]:
        for node_name, node in held.nodes.items():
            label = presentation.host_from(node_name)
            stamp = node.get_rdataset(held.rdclass, dns.rdatatype.TXT)
            name = stamps.stamped_name(label)
            if stamp is None or name is None:
                continue
            neighbours = held.get_node(dns.name.from_text(f"{name}."))
            found = {
                kind: one
                for kind in RecordType
                if neighbours and (one := neighbours.get_rdataset(held.rdclass, dns.rdatatype.from_text(kind.value)))
            }
            sets = {kind: _data(kind, one) for kind, one in found.items()}
            records = stamps.assemble(self.name, zone, name, sets, _texts(stamp))
            yield from (record for record in records if record.owner is not None)

    async def _is_synthesized(self, zone: str, name: str) -> bool:
        """Whether a wildcard answers for the name while nothing stands there: an update that changes nothing tells."""
        update = updates.of_nothing(zone, self._key)
        update.present(f"{name}.")
        return await self._exchange(update) == dns.rcode.NXDOMAIN

    async def _send(self, update: dns.update.UpdateMessage, key: RecordKey, seen: Node) -> None:
        rcode = await self._exchange(update)
        match rcode:
            case dns.rcode.NOERROR:
                return
            case dns.rcode.YXDOMAIN if seen.reading is not None and not seen.records:
                raise refusals.conflict(key, "other")
            case dns.rcode.YXDOMAIN | dns.rcode.YXRRSET | dns.rcode.NXRRSET | dns.rcode.NXDOMAIN:
                raise refusals.changed(key)
            case dns.rcode.NOTZONE | dns.rcode.NOTAUTH:
                raise refusals.zone_not_served(key.name, self.name)
            case dns.rcode.REFUSED:
                raise refusals.credentials_refused(self.name)
            case dns.rcode.SERVFAIL:
                raise refusals.unavailable(self.name)
            case _:
                raise refusals.not_understood(self.name, dns.rcode.to_text(rcode))

    async def _exchange(self, message: dns.message.Message) -> dns.rcode.Rcode:
        """Send a signed message, once more if its reply was lost: prerequisites keep updates from counting twice."""
        try:
            (answer,) = await self._ask([message])
        except (Unavailable, Timeout):
            (answer,) = await self._ask([message])
        return answer.rcode()

    async def _ask(self, queries: Sequence[dns.message.Message]) -> list[dns.message.Message]:
        try:
            return await self._connections.exchange(queries)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise self._fault(error) from error

    def _check_answer(self, answer: dns.message.Message, name: str) -> None:
        if answer.rcode() == dns.rcode.SERVFAIL:
            raise refusals.unavailable(self.name)
        known = answer.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
        if not (known and answer.flags & dns.flags.AA):
            raise refusals.zone_not_served(name, self.name)

    def _fault(self, error: Exception) -> Fault:
        """What an exchange that went wrong means."""
        _log.warning("the name server failed", extra={"server": self._settings.nameserver, "error": repr(error)})
        match error:
            case TimeoutError() | dns.exception.Timeout():
                return refusals.timed_out(self.name)
            case dns.tsig.PeerError() | dns.xfr.TransferError():
                return refusals.credentials_refused(self.name)
            case dns.exception.FormError() if type(error) is dns.exception.FormError:
                # PowerDNS answers a key it does not accept without a signature.
                return refusals.credentials_refused(self.name)
            case _:
                return refusals.unavailable(self.name)


def _reading(seen: Node) -> Reading:
    return seen.reading if isinstance(seen.reading, Reading) else Reading()


def _set_in(answer: dns.message.Message) -> dns.rdataset.Rdataset | None:
    """The record set that was asked for; not what an alias led to."""
    (question,) = answer.question
    found = answer.get_rrset(answer.answer, question.name, question.rdclass, question.rdtype)
    return found.to_rdataset() if found else None


def _others_in(answer: dns.message.Message) -> tuple[str, ...]:
    """The types among everything at a name that tenants cannot have."""
    (question,) = answer.question
    types = {dns.rdatatype.to_text(one.rdtype) for one in answer.answer if one.name == question.name}
    return tuple(sorted(types - _INVISIBLE - {kind.value for kind in RecordType}))


def _data(kind: RecordType, found: dns.rdataset.Rdataset) -> RecordData:
    values = sorted(presentation.from_rdata(kind, rdata) for rdata in found)
    return RecordData(tuple(values), timedelta(seconds=found.ttl))


def _texts(stamp: dns.rdataset.Rdataset | None) -> tuple[str, ...]:
    return tuple(presentation.from_rdata(RecordType.TXT, rdata) for rdata in stamp or ())
