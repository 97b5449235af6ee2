"""PowerDNS by its HTTP API.

The API replaces whole record sets in one transaction, so a record and its stamp are never apart; but it compares
nothing, so writers in different processes may cross. Where several processes write, the rfc2136 provider suits PowerDNS
better: it takes prerequisites.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from dns_service.model import Capability, Node, Record, RecordData, RecordKey, RecordType
from dns_service.providers import presentation, refusals, stamps
from dns_service.providers.turns import Turns
from dns_service.providers.zones import Zones
from faults import Fault
from settingskit import Secret, setting

_log = logging.getLogger(__name__)
_TYPES = frozenset(kind.value for kind in RecordType)
RRSet = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PowerDnsSettings:
    """Settings of the powerdns provider."""

    url: str = setting("POWERDNS_URL", help="Address of the HTTP API, such as http://192.0.2.53:8081.")
    key: Secret = setting("POWERDNS_API_KEY", help="Key of the HTTP API.")
    server: str = setting("POWERDNS_SERVER", default="localhost", help="Identifier of the server within the API.")
    zones: tuple[str, ...] = setting(
        "POWERDNS_ZONES", default=(), help="Zones to serve, comma separated; all of the server's if not given."
    )
    patience: timedelta = setting(
        "POWERDNS_TIMEOUT", default=timedelta(seconds=10), help="How long one request may take."
    )


class PowerDnsProvider:
    """Records on a PowerDNS server."""

    name = "powerdns"
    capabilities: frozenset[Capability] = frozenset()
    types = frozenset(RecordType)
    resolvable = True
    Settings = PowerDnsSettings

    def __init__(self, settings: PowerDnsSettings) -> None:
        self._settings = settings
        self._zones = Zones(self.name, self._read_zones, settings.zones)
        self._turns = Turns()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        base = f"{self._settings.url.rstrip('/')}/api/v1/servers/{self._settings.server}/"
        client = httpx.AsyncClient(
            base_url=base,
            headers={"X-API-Key": self._settings.key.reveal()},
            timeout=self._settings.patience.total_seconds(),
        )
        self._client = await self._opened.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def check(self) -> None:
        """The API answers, and knows the configured zones."""
        await self._zones.check()

    async def zone_of(self, name: str) -> str:
        """The longest of the server's zones that holds the name."""
        return await self._zones.of(name)

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """Every record set at this name."""
        zone = await self.zone_of(name)
        sets, stamp = await asyncio.gather(self._sets(zone, name), self._sets(zone, stamps.name_of_stamp(name)))
        data = {kind: one for kind, one in _data(sets).items() if only in {None, kind}}
        others = tuple(sorted({one["type"] for one in sets} - _TYPES))
        return Node(name, stamps.assemble(self.name, zone, name, data, _texts(stamp)), others, _texts(stamp))

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Replace the record set and its stamp in one request."""
        async with self._turns.of(record.key.name):
            await self._check_unchanged(record.key, seen)
            values = [presentation.to_text(record.key.type, value) for value in record.data.values]
            written = _replace(record.key.name, record.key.type.value, record.data.ttl, values)
            await self._change(record, [written, _stamp(record.key, stamps.with_stamp(_raw(seen), record))])
        return record

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Delete the record set and its stamp in one request."""
        async with self._turns.of(record.key.name):
            await self._check_unchanged(record.key, seen)
            removed = _replace(record.key.name, record.key.type.value, record.data.ttl, [])
            await self._change(record, [removed, _stamp(record.key, stamps.without_stamp(_raw(seen), record.key.type))])

    async def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears a stamp, zone by zone."""
        for zone in await self._zones.all():
            nodes: dict[str, list[RRSet]] = {}
            for one in (await self._call("GET", f"zones/{zone}."))["rrsets"]:
                nodes.setdefault(_name(one), []).append(one)
            for place, sets in nodes.items():
                name = stamps.stamped_name(place)
                if name is None:
                    continue
                records = stamps.assemble(self.name, zone, name, _data(nodes.get(name, ())), _texts(sets))
                for record in records:
                    if record.owner is not None:
                        yield record

    async def _read_zones(self) -> Mapping[str, str]:
        return {_name(zone): zone["id"] for zone in await self._call("GET", "zones", params={"dnssec": "false"})}

    async def _sets(self, zone: str, name: str) -> list[RRSet]:
        held = await self._call("GET", f"zones/{zone}.", params={"rrset_name": f"{name}."})
        # Servers before 4.6 do not narrow the answer.
        return [one for one in held["rrsets"] if _name(one) == name]

    async def _check_unchanged(self, key: RecordKey, seen: Node) -> None:
        if await self.at(key.name) != seen:
            raise refusals.changed(key)

    async def _change(self, record: Record, sets: list[RRSet]) -> None:
        await self._call("PATCH", f"zones/{record.zone}.", record, json={"rrsets": sets})

    async def _call(self, method: str, path: str, record: Record | None = None, **request: Any) -> Any:
        try:
            answer = await self._client.request(method, path, **request)
        except httpx.TimeoutException as error:
            raise refusals.timed_out(self.name) from error
        except httpx.HTTPError as error:
            _log.warning("PowerDNS failed", extra={"path": path, "error": repr(error)})
            raise refusals.unavailable(self.name) from error
        if answer.is_error:
            raise self._fault(answer, path, record)
        return answer.json() if answer.content else None

    def _fault(self, answer: httpx.Response, path: str, record: Record | None) -> Fault:
        _log.warning("PowerDNS refused", extra={"path": path, "status": answer.status_code, "said": answer.text[:500]})
        match answer.status_code:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return refusals.credentials_refused(self.name)
            case HTTPStatus.NOT_FOUND:
                return refusals.zone_not_served(record.key.name if record else path, self.name)
            case HTTPStatus.UNPROCESSABLE_ENTITY if record:
                clash = "onflicts with" in answer.text
                return refusals.conflict(record.key, "other") if clash else refusals.not_taken(record)
            case HTTPStatus.TOO_MANY_REQUESTS:
                return refusals.rate_limited(self.name, refusals.retry_after(answer.headers))
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return refusals.unavailable(self.name)
            case status:
                return refusals.not_understood(self.name, status)


def _name(thing: Mapping[str, Any]) -> str:
    return str(thing["name"]).lower().removesuffix(".")


def _data(sets: Iterable[RRSet]) -> dict[RecordType, RecordData]:
    return {
        kind: RecordData(
            tuple(sorted(presentation.from_text(kind, record["content"]) for record in one["records"])),
            timedelta(seconds=one["ttl"]),
        )
        for one in sets
        if one["type"] in _TYPES and (kind := RecordType(one["type"]))
    }


def _texts(sets: Iterable[RRSet]) -> tuple[str, ...]:
    return tuple(
        presentation.text_from(record["content"]) for one in sets if one["type"] == "TXT" for record in one["records"]
    )


def _raw(seen: Node) -> tuple[str, ...]:
    return seen.reading if isinstance(seen.reading, tuple) else ()


def _stamp(key: RecordKey, texts: Iterable[str]) -> RRSet:
    return _replace(stamps.name_of_stamp(key.name), "TXT", stamps.TTL, map(presentation.text_to, texts))


def _replace(name: str, kind: str, ttl: timedelta, contents: Iterable[str]) -> RRSet:
    """What the API calls a replacement; one by nothing is a deletion."""
    records = [{"content": content, "disabled": False} for content in contents]
    return {
        "name": f"{name}.", "type": kind, "ttl": int(ttl.total_seconds()), "records": records,
        "changetype": "REPLACE" if records else "DELETE",
    }  # fmt: skip
