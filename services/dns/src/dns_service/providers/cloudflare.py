"""Cloudflare.

Cloudflare keeps each value as a record of its own, with a comment. The stamp stands there, so it is written and removed
with the record by nature. A batch is applied whole or not at all; one that replaces deletes the old records by their
identifiers, which fails when somebody else replaced them. What two processes create at the same moment Cloudflare
refuses only if it is identical: writers of one process take turns, and one that finds another's values beside those it
has just made takes its own back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from cloudflare import APIConnectionError, APIStatusError, APITimeoutError, AsyncCloudflare

from dns_service.model import AUTOMATIC_TTL, Capability, Node, Record, RecordData, RecordKey, RecordType
from dns_service.providers import presentation, refusals, stamps
from dns_service.providers.batches import Batches, Refused
from dns_service.providers.budget import Budget
from dns_service.providers.turns import Turns
from dns_service.providers.zones import Zones
from faults import Fault
from settingskit import Secret, setting

_log = logging.getLogger(__name__)
_TYPES = frozenset(kind.value for kind in RecordType)
# The limit is 1,200 requests in five minutes; all of it may be used at once.
_WINDOW = timedelta(minutes=5)
_PAGE = 100
_APART = 2.0
"""Seconds within which those come back that gave way to each other."""
_AUTOMATIC = 1
# A record of that name, or an identical one, exists already; or one to be deleted does not.
_LOST = frozenset({81044, 81053, 81054, 81057, 81058})
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class CloudflareSettings:
    """Settings of the cloudflare provider."""

    token: Secret = setting("CLOUDFLARE_API_TOKEN", help="API token that may read zones and edit their DNS records.")
    zones: tuple[str, ...] = setting(
        "CLOUDFLARE_ZONES", default=(), help="Zones to serve, comma separated; all that the token reaches if not given."
    )
    url: str = setting("CLOUDFLARE_API_URL", default="https://api.cloudflare.com/client/v4", help="Address of the API.")
    tags: bool = setting(
        "CLOUDFLARE_TAGS", default=False, help="Tag records with their tenant as well; free plans have no tags."
    )
    comment_limit: int = setting(
        "CLOUDFLARE_COMMENT_LIMIT", default=100, minimum=100, maximum=500,
        help="How long a comment may be: 100 characters on free plans, 500 on others.",
    )  # fmt: skip
    batch: int = setting(
        "CLOUDFLARE_BATCH", default=200, minimum=1, maximum=3500,
        help="How many changes one batch may hold: 200 on free plans, 3500 on others.",
    )  # fmt: skip
    patience: timedelta = setting(
        "CLOUDFLARE_TIMEOUT", default=timedelta(seconds=10), help="How long one request may take."
    )
    requests: int = setting(
        "CLOUDFLARE_REQUESTS", default=1000, minimum=1,
        help="Requests in five minutes; a user has 1200, shared with everything else the user does.",
    )  # fmt: skip
    rate_patience: timedelta = setting(
        "CLOUDFLARE_RATE_TIMEOUT", default=timedelta(seconds=20), help="How long a request may wait for its turn."
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """What happens to one name."""

    zone: str
    deletes: tuple[str, ...]
    posts: tuple[Mapping[str, Any], ...]

    @property
    def weight(self) -> int:
        """Its share of a batch."""
        return len(self.deletes) + len(self.posts)


class CloudflareProvider:
    """Records in the zones of a Cloudflare account."""

    name = "cloudflare"
    capabilities: frozenset[Capability] = frozenset(Capability)
    types = frozenset(RecordType)
    resolvable = True
    Settings = CloudflareSettings

    def __init__(self, settings: CloudflareSettings) -> None:
        self._settings = settings
        self._budget = Budget(
            self.name,
            rate=settings.requests / _WINDOW.total_seconds(),
            burst=settings.requests,
            patience=settings.rate_patience,
        )
        self._zones = Zones(self.name, self._read_zones, settings.zones)
        self._turns = Turns()
        self._batches: dict[str, Batches[_Change, Sequence[Any]]] = {}
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._client = await self._opened.enter_async_context(
            AsyncCloudflare(
                api_token=self._settings.token.reveal(),
                base_url=self._settings.url,
                timeout=self._settings.patience.total_seconds(),
                # What is worth repeating is repeated where requests are counted.
                max_retries=0,
            )
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for batches in self._batches.values():
            await batches.close()
        await self._opened.aclose()

    async def check(self) -> None:
        """The API answers, and knows the configured zones."""
        await self._zones.check()

    async def zone_of(self, name: str) -> str:
        """The longest of the account's zones that holds the name."""
        return await self._zones.of(name)

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """Every record set at this name."""
        zone = await self.zone_of(name)
        held = [one async for one in self._list_at(zone, name, only)]
        records = tuple(self._record(zone, name, kind, found) for kind, found in _by_type(held).items())
        others = tuple(sorted({one.type for one in held} - _TYPES))
        identifiers = {kind: tuple(one.id for one in found) for kind, found in _by_type(held).items()}
        return Node(name, records, others, identifiers)

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Write the record, in place of what was seen, in one batch."""
        comment = str(stamps.Stamp.of(record))
        if len(comment) > self._settings.comment_limit:
            raise refusals.incapable(record.key.name, self.name, f"comments of {len(comment)} characters")
        posts = tuple(self._post(record, value, comment) for value in record.data.values)
        made = await self._change(record, seen, posts)
        return self._record(record.zone, record.key.name, record.key.type, made)

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Delete the record in one batch."""
        await self._change(record, seen, ())

    async def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears a stamp, zone by zone and page by page."""
        for zone in await self._zones.all():
            held: dict[tuple[str, RecordType], list[Any]] = {}
            async for one in self._list(zone, comment={"startswith": stamps.PREFIX}):
                if one.type in _TYPES:
                    held.setdefault((one.name, RecordType(one.type)), []).append(one)
            for (name, kind), found in held.items():
                record = self._record(zone, name, kind, found)
                if record.owner is not None:
                    yield record

    async def _change(self, record: Record, seen: Node, posts: tuple[Mapping[str, Any], ...]) -> Sequence[Any]:
        identifiers = seen.reading if isinstance(seen.reading, dict) else {}
        change = _Change(record.zone, identifiers.get(record.key.type, ()), posts)
        async with self._turns.of(record.key.name):
            if await self.at(record.key.name) != seen:
                raise refusals.changed(record.key)
            made = await self._submit(record, change)
            if posts and not change.deletes:
                await self._check_alone(record, made)
        return made

    async def _submit(self, record: Record, change: _Change) -> Sequence[Any]:
        """Send a change with whatever else there is; what was made for this record comes back."""
        try:
            made = await self._batch(record.zone).submit(change)
        except Refused as refused:
            raise self._refusal_of(record, refused) from refused
        return [one for one in made if one.name == record.key.name and one.type == record.key.type.value]

    async def _check_alone(self, record: Record, made: Sequence[Any]) -> None:
        """Whoever sees another beside its own gives way: the later of two always does, perhaps both do."""
        mine = {one.id for one in made}
        held = [one async for one in self._list_at(record.zone, record.key.name, record.key.type)]
        if all(one.id in mine for one in held):
            return
        await self._submit(record, _Change(record.zone, tuple(mine), ()))
        # Apart, so that not both come back at once.
        await asyncio.sleep(random.uniform(0, _APART))  # noqa: S311 - nobody gains by guessing it
        raise refusals.changed(record.key)

    def _batch(self, zone: str) -> Batches[_Change, Sequence[Any]]:
        if zone not in self._batches:
            self._batches[zone] = Batches(self._send, most=self._settings.batch, weigh=lambda change: change.weight)
        return self._batches[zone]

    async def _send(self, batch: Sequence[_Change]) -> Sequence[Any]:
        """Send one batch; what was made comes back."""
        zone = await self._zones.identifier(batch[0].zone)
        answer = await self._call(
            self._client.dns.records.batch,
            zone_id=zone,
            deletes=[{"id": identifier} for change in batch for identifier in change.deletes],
            posts=[post for change in batch for post in change.posts],
        )
        return answer.posts or () if answer else ()

    def _post(self, record: Record, value: str, comment: str) -> Mapping[str, Any]:
        """One value, as a record of its own."""
        proxied = {"proxied": record.data.proxied} if record.key.type in _PROXIABLE else {}
        owner = record.owner.tenant_id if record.owner else ""
        tags = {"tags": [f"tenant:{owner}"]} if self._settings.tags else {}
        return {
            "name": record.key.name,
            "type": record.key.type.value,
            "ttl": _AUTOMATIC if record.data.proxied else int(record.data.ttl.total_seconds()),
            "comment": comment,
            **_content(record.key.type, value),
            **proxied,
            **tags,
        }

    def _record(self, zone: str, name: str, kind: RecordType, found: Sequence[Any]) -> Record:
        """A record set from its records. It is ours only if every part of it is."""
        marks = {one.comment or "" for one in found}
        stamp = stamps.Stamp.parse(min(marks)) if len(marks) == 1 else None
        proxied = any(one.proxied for one in found)
        ttl = max((one.ttl for one in found), default=_AUTOMATIC)
        data = RecordData(
            tuple(sorted(_value(kind, one) for one in found)),
            # What is proxied has no TTL of its own.
            AUTOMATIC_TTL if ttl == _AUTOMATIC else timedelta(seconds=ttl),
            proxied,
        )
        identifier = ",".join(sorted(one.id for one in found))[:_IDENTIFIER_LIMIT]
        return stamps.record_of(self.name, zone, RecordKey(name, kind), data, stamp, identifier)

    async def _read_zones(self) -> Mapping[str, str]:
        return {zone.name: zone.id async for zone in self._pages(self._client.zones.list, per_page=50)}

    def _list_at(self, zone: str, name: str, only: RecordType | None) -> AsyncIterator[Any]:
        narrowed = {"type": only.value} if only else {}
        return self._list(zone, name={"exact": name}, match="all", **narrowed)

    async def _list(self, zone: str, **narrowed: Any) -> AsyncIterator[Any]:
        identifier = await self._zones.identifier(zone)
        async for one in self._pages(
            self._client.dns.records.list, zone_id=identifier, per_page=_PAGE, order="name", **narrowed
        ):
            yield one

    async def _pages(self, method: Any, **request: Any) -> AsyncIterator[Any]:
        """Every item of every page, each page counted as the request it is."""
        page = await self._call(method, **request)
        while True:
            for one in page.result:
                yield one
            if len(page.result) < request["per_page"] or not page.has_next_page():
                return
            page = await self._call(page.get_next_page)

    async def _call(self, method: Any, **request: Any) -> Any:
        await self._budget.take()
        try:
            return await method(**request)
        except APITimeoutError as error:
            raise refusals.timed_out(self.name) from error
        except APIConnectionError as error:
            _log.warning("Cloudflare failed", extra={"error": repr(error.__cause__)})
            raise refusals.unavailable(self.name) from error
        except APIStatusError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: APIStatusError) -> Exception:
        codes = _codes(error)
        said = error.response.text[:500]
        _log.warning("Cloudflare refused", extra={"status": error.status_code, "codes": codes, "said": said})
        match error.status_code:
            case HTTPStatus.TOO_MANY_REQUESTS:
                wait = refusals.retry_after(error.response.headers) or _WINDOW
                self._budget.pause(wait)
                return refusals.rate_limited(self.name, wait)
            case status if status in _REFUSED:
                return refusals.credentials_refused(self.name)
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return refusals.unavailable(self.name)
            case HTTPStatus.BAD_REQUEST | HTTPStatus.NOT_FOUND | HTTPStatus.CONFLICT if codes:
                return Refused(*codes)
            case status:
                return refusals.not_understood(self.name, status)

    def _refusal_of(self, record: Record, refused: Refused) -> Fault:
        """What a refused change means, once it stands alone."""
        if _LOST & set(refused.args):
            return refusals.changed(record.key)
        return refusals.not_taken(record)


def _codes(error: APIStatusError) -> tuple[int, ...]:
    """The numbers that Cloudflare gives its errors."""
    body = error.body if isinstance(error.body, dict) else {}
    return tuple(one["code"] for one in body.get("errors") or () if isinstance(one.get("code"), int))


def _by_type(held: Iterable[Any]) -> dict[RecordType, list[Any]]:
    found: dict[RecordType, list[Any]] = {}
    for kind in RecordType:
        of_kind = [one for one in held if one.type == kind.value]
        if of_kind:
            found[kind] = of_kind
    return found


def _content(kind: RecordType, value: str) -> Mapping[str, Any]:
    """A value in the fields that Cloudflare has for its type."""
    match kind:
        case RecordType.MX:
            preference, _, host = value.partition(" ")
            return {"content": host, "priority": int(preference)}
        case RecordType.CAA:
            flags, tag, text = value.split(" ", 2)
            return {"data": {"flags": int(flags), "tag": tag, "value": text.strip('"')}}
        case RecordType.TXT:
            return {"content": presentation.text_to(value)}
        case _:
            return {"content": value}


def _value(kind: RecordType, held: Any) -> str:
    """The value of one record, in the form of the model."""
    content = str(held.content or "")
    match kind:
        case RecordType.MX:
            return f"{int(held.priority or 0)} {content.lower().removesuffix('.')}"
        case RecordType.TXT:
            # Text from before Cloudflare asked for quotes stands there without.
            return presentation.text_from(content) if content.startswith('"') else content
        case _:
            return presentation.from_text(kind, content)


_PROXIABLE = frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME})
_IDENTIFIER_LIMIT = 256
