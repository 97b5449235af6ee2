"""Amazon Route 53.

A change batch is applied whole or not at all; CREATE refuses what exists and DELETE what is not exactly so, which makes
every change one that compares. Changes that come together share a batch: an account may send few requests a second.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aioboto3  # type: ignore[import-untyped]  # it comes without types
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ReadTimeoutError,
)

from dns_service.model import Capability, Node, Record, RecordData, RecordKey, RecordType
from dns_service.providers import presentation, refusals, stamps
from dns_service.providers.batches import Batches, Refused
from dns_service.providers.budget import Budget
from dns_service.providers.zones import Zones
from settingskit import Secret, setting

_log = logging.getLogger(__name__)
_TYPES = frozenset(kind.value for kind in RecordType)
_PAGE = "300"
_FEW = "20"
"""More than stand at any name, so that its stamp, which follows close by, mostly comes along."""
# The limits of one change batch: records, and characters of their values.
_MOST_RECORDS = 1000
_MOST_CHARACTERS = 32_000
_BREATHER = timedelta(seconds=1)
"""For how long nothing is sent once Route 53 has said that it was too much."""
_OCTAL = re.compile(r"\\(\d{3})")
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "PriorRequestNotComplete", "TooManyRequestsException"})
_REFUSED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "ExpiredToken", "InvalidClientTokenId", "InvalidSignatureException",
        "MissingAuthenticationToken", "SignatureDoesNotMatch", "UnrecognizedClientException",
    }
)  # fmt: skip

RecordSet = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route53Settings:
    """Settings of the route53 provider."""

    key_id: str | None = setting(
        "AWS_ACCESS_KEY_ID", default=None, help="Access key; without one, the identity of the machine or pod is used."
    )
    key: Secret | None = setting("AWS_SECRET_ACCESS_KEY", default=None, help="Secret of the access key.")
    token: Secret | None = setting("AWS_SESSION_TOKEN", default=None, help="Session token of temporary credentials.")
    region: str = setting("AWS_REGION", default="us-east-1", help="Region to sign requests for.")
    endpoint: str | None = setting(
        "ROUTE53_ENDPOINT", default=None, help="Address of the Route 53 API, where it is not Amazon's usual one."
    )
    zones: tuple[str, ...] = setting(
        "ROUTE53_ZONES",
        default=(),
        help="Public hosted zones to serve, comma separated; all of the account's if not given.",
    )
    patience: timedelta = setting(
        "ROUTE53_TIMEOUT", default=timedelta(seconds=10), help="How long one request may take."
    )
    sync_patience: timedelta = setting(
        "ROUTE53_SYNC_TIMEOUT", default=timedelta(minutes=2), help="How long to wait until a change is on every server."
    )
    sync_pause: timedelta = setting(
        "ROUTE53_SYNC_PAUSE", default=timedelta(seconds=2), help="How long to wait between questions about that."
    )
    rate: float = setting(
        "ROUTE53_REQUESTS_PER_SECOND", default=5.0, minimum=0.1,
        help="Requests a second; an account has 10, shared with everything else in it.",
    )  # fmt: skip
    rate_patience: timedelta = setting(
        "ROUTE53_RATE_TIMEOUT", default=timedelta(seconds=20), help="How long a request may wait for its turn."
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """What happens to one name, within one zone."""

    zone: str
    key: RecordKey
    changes: tuple[tuple[str, RecordSet], ...]

    @property
    def weight(self) -> int:
        """Its share of a batch, in records; long values weigh as much as the records they could have been."""
        values = [one["Value"] for _, held in self.changes for one in held.get("ResourceRecords", ())]
        return max(len(values), sum(map(len, values)) * _MOST_RECORDS // _MOST_CHARACTERS + 1)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The record sets at a name by type, and the one of its stamp, as they were read."""

    sets: Mapping[str, RecordSet]
    stamp: RecordSet | None


class Route53Provider:
    """Records in the hosted zones of an AWS account."""

    name = "route53"
    capabilities: frozenset[Capability] = frozenset()
    types = frozenset(RecordType)
    resolvable = True
    Settings = Route53Settings

    def __init__(self, settings: Route53Settings) -> None:
        self._settings = settings
        self._budget = Budget(
            self.name, rate=settings.rate, burst=max(1.0, settings.rate), patience=settings.rate_patience
        )
        self._zones = Zones(self.name, self._read_zones, settings.zones)
        self._batches: dict[str, Batches[_Change, asyncio.Task[None]]] = {}
        self._syncing: set[asyncio.Task[None]] = set()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        settings = self._settings
        patience = settings.patience.total_seconds()
        session = aioboto3.Session(
            aws_access_key_id=settings.key_id,
            aws_secret_access_key=settings.key.reveal() if settings.key else None,
            aws_session_token=settings.token.reveal() if settings.token else None,
            region_name=settings.region,
        )
        client = session.client(
            "route53",
            endpoint_url=settings.endpoint,
            # One attempt: what is worth repeating is repeated here, where requests are counted.
            config=Config(connect_timeout=patience, read_timeout=patience, retries={"total_max_attempts": 1}),
        )
        self._client: Any = await self._opened.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for batches in self._batches.values():
            await batches.close()
        for task in self._syncing:
            task.cancel()
        await asyncio.gather(*self._syncing, return_exceptions=True)
        await self._opened.aclose()

    async def check(self) -> None:
        """The API answers, and knows the configured zones."""
        await self._zones.check()

    async def zone_of(self, name: str) -> str:
        """The longest of the account's public zones that holds the name."""
        return await self._zones.of(name)

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """Every record set at this name."""
        zone = await self.zone_of(name)
        place = stamps.name_of_stamp(name)
        page = await self._list(zone, StartRecordName=f"{name}.")
        held = page["ResourceRecordSets"]
        stamp = _stamp_in(held, place)
        if stamp is None and page["IsTruncated"]:
            page = await self._list(zone, StartRecordName=f"{place}.", StartRecordType="TXT", MaxItems="1")
            stamp = _stamp_in(page["ResourceRecordSets"], place)
        sets = {one["Type"]: one for one in held if _name(one) == name}
        data = {kind: one for kind, one in _data(sets.values()).items() if only in {None, kind}}
        others = tuple(sorted(sets.keys() - _TYPES))
        records = stamps.assemble(self.name, zone, name, data, _texts(stamp))
        return Node(name, records, others, _Reading(sets, stamp))

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Write the record and its stamp in one batch."""
        values = [presentation.to_text(record.key.type, value) for value in record.data.values]
        written = _record_set(record.key.name, record.key.type.value, record.data.ttl, values)
        stamp = _stamp_set(record.key, stamps.with_stamp(_texts(_reading(seen).stamp), record))
        await self._change(record, seen, [written, stamp])
        return record

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Delete the record and its stamp in one batch."""
        stamp = _stamp_set(record.key, stamps.without_stamp(_texts(_reading(seen).stamp), record.key.type))
        await self._change(record, seen, [stamp])

    async def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears a stamp, zone by zone and page by page."""
        for zone in await self._zones.all():
            nodes: dict[str, list[RecordSet]] = {}
            start: dict[str, str] = {}
            while True:
                page = await self._list(zone, MaxItems=_PAGE, **start)
                for one in page["ResourceRecordSets"]:
                    nodes.setdefault(_name(one), []).append(one)
                if not page["IsTruncated"]:
                    break
                start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
            for place, sets in nodes.items():
                name = stamps.stamped_name(place)
                if name is None:
                    continue
                texts = _texts(_stamp_in(sets, place))
                for record in stamps.assemble(self.name, zone, name, _data(nodes.get(name, ())), texts):
                    if record.owner is not None:
                        yield record

    async def _change(self, record: Record, seen: Node, written: Iterable[RecordSet]) -> None:
        reading = _reading(seen)
        before = [reading.sets.get(record.key.type.value), reading.stamp]
        after = [one for one in written if one["ResourceRecords"]]
        changes = [("DELETE", one) for one in before if one is not None and one not in after]
        changes += [("CREATE", one) for one in after if one not in before]
        try:
            synced = await self._batch(record.zone).submit(_Change(record.zone, record.key, tuple(changes)))
        except Refused as refused:
            # The refusal is prose. Whether somebody was faster shows in a second look.
            if await self.at(record.key.name) != seen:
                raise refusals.changed(record.key) from refused
            raise refusals.not_taken(record) from refused
        await asyncio.shield(synced)

    def _batch(self, zone: str) -> Batches[_Change, asyncio.Task[None]]:
        if zone not in self._batches:
            self._batches[zone] = Batches(self._send, most=_MOST_RECORDS, weigh=lambda change: change.weight)
        return self._batches[zone]

    async def _send(self, batch: Sequence[_Change]) -> asyncio.Task[None]:
        """Send one batch; the task ends when it is on every server."""
        changes = [{"Action": action, "ResourceRecordSet": held} for change in batch for action, held in change.changes]
        zone = await self._zones.identifier(batch[0].zone)
        answer = await self._call("change_resource_record_sets", HostedZoneId=zone, ChangeBatch={"Changes": changes})
        task = asyncio.create_task(self._until_synced(answer["ChangeInfo"]))
        self._syncing.add(task)
        task.add_done_callback(self._syncing.discard)
        return task

    async def _until_synced(self, info: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._settings.sync_patience.total_seconds()):
                while info["Status"] != "INSYNC":
                    await asyncio.sleep(self._settings.sync_pause.total_seconds())
                    info = (await self._call("get_change", Id=info["Id"]))["ChangeInfo"]
        except TimeoutError as error:
            raise refusals.timed_out(self.name) from error

    async def _read_zones(self) -> Mapping[str, str]:
        zones: dict[str, str] = {}
        start: dict[str, str] = {}
        while True:
            page = await self._call("list_hosted_zones", **start)
            zones |= {_name(zone): zone["Id"] for zone in page["HostedZones"] if not zone["Config"]["PrivateZone"]}
            if not page["IsTruncated"]:
                return zones
            start = {"Marker": page["NextMarker"]}

    async def _list(self, zone: str, **start: str) -> Any:
        identifier = await self._zones.identifier(zone)
        return await self._call("list_resource_record_sets", HostedZoneId=identifier, **{"MaxItems": _FEW} | start)

    async def _call(self, method: str, **request: Any) -> Any:
        await self._budget.take()
        try:
            return await getattr(self._client, method)(**request)
        except ClientError as error:
            raise self._refusal(error, method) from error
        except (ConnectTimeoutError, ReadTimeoutError) as error:
            raise refusals.timed_out(self.name) from error
        except NoCredentialsError as error:
            raise refusals.credentials_refused(self.name) from error
        except BotoCoreError as error:
            _log.warning("Route 53 failed", extra={"method": method, "error": repr(error)})
            raise refusals.unavailable(self.name) from error

    def _refusal(self, error: ClientError, method: str) -> Exception:
        code = error.response["Error"].get("Code", "")
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        said = error.response["Error"].get("Message", "")
        _log.warning("Route 53 refused", extra={"method": method, "code": code, "status": status, "said": said})
        if code in _THROTTLED:
            self._budget.pause(_BREATHER)
            return refusals.rate_limited(self.name, _BREATHER)
        if code in _REFUSED:
            return refusals.credentials_refused(self.name)
        if code in {"InvalidChangeBatch", "InvalidInput"} and method == "change_resource_record_sets":
            return Refused(said)
        if code == "NoSuchHostedZone":
            return refusals.zone_not_served("the hosted zone", self.name)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return refusals.unavailable(self.name)
        return refusals.not_understood(self.name, code)


def _reading(seen: Node) -> _Reading:
    return seen.reading if isinstance(seen.reading, _Reading) else _Reading({}, None)


def _name(thing: Mapping[str, Any]) -> str:
    """A name as we write it: without the last dot, and with what Route 53 writes as octal numbers."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), thing["Name"]).lower().removesuffix(".")


def _data(sets: Iterable[RecordSet]) -> dict[RecordType, RecordData]:
    return {RecordType(one["Type"]): _data_of(one) for one in sets if one["Type"] in _TYPES}


def _data_of(held: RecordSet) -> RecordData:
    kind = RecordType(held["Type"])
    alias = held.get("AliasTarget")
    if alias:
        return RecordData((f"ALIAS {alias['DNSName']}",), timedelta())
    values = (presentation.from_text(kind, one["Value"]) for one in held.get("ResourceRecords", ()))
    return RecordData(tuple(sorted(values)), timedelta(seconds=held.get("TTL", 0)))


def _stamp_in(sets: Iterable[RecordSet], place: str) -> RecordSet | None:
    return next((one for one in sets if one["Type"] == "TXT" and _name(one) == place), None)


def _texts(stamp: RecordSet | None) -> tuple[str, ...]:
    return tuple(presentation.text_from(one["Value"]) for one in (stamp or {}).get("ResourceRecords", ()))


def _stamp_set(key: RecordKey, texts: Iterable[str]) -> RecordSet:
    return _record_set(stamps.name_of_stamp(key.name), "TXT", stamps.TTL, map(presentation.text_to, texts))


def _record_set(name: str, kind: str, ttl: timedelta, values: Iterable[str]) -> RecordSet:
    records = [{"Value": value} for value in values]
    return {"Name": f"{name}.", "Type": kind, "TTL": int(ttl.total_seconds()), "ResourceRecords": records}
