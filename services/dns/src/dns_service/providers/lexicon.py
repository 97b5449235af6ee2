"""The long tail of hosters, by the dns-lexicon library.

What each hoster's API can do differs, and the library knows neither comments nor transactions: a stamp is a TXT record
that is written before its record and removed after it, so that a crash leaves a stamp without a record, which a sweep
finds, and never a record without its stamp. Replacing values takes the old ones away first, for a moment. The library
blocks, so it runs in threads, one writer a name at a time.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote_plus

import requests

# The library's Client guesses the zone of a name from a list that it downloads; zones are configured here.
from lexicon._private.discovery import find_providers, load_provider_module
from lexicon.config import ConfigResolver
from lexicon.exceptions import AuthenticationError

from dns_service.model import Capability, Node, Record, RecordData, RecordKey, RecordType
from dns_service.providers import presentation, refusals, stamps
from dns_service.providers.budget import Budget
from dns_service.providers.turns import Turns
from faults import Fault
from settingskit import Problem, Secret, SettingsInvalid, setting

T = TypeVar("T")

_log = logging.getLogger(__name__)
_ALL_TYPES = frozenset(kind.value for kind in RecordType)
_TEXT_LIMIT = 255


@dataclass(frozen=True, slots=True)
class LexiconSettings:
    """Settings of the lexicon provider."""

    hoster: str = setting("LEXICON_PROVIDER", help="The hoster, by dns-lexicon's name for it, such as hetzner.")
    options: Secret = setting(
        "LEXICON_OPTIONS", help="What dns-lexicon needs to log in there, such as auth_token=abc, comma separated."
    )
    zones: tuple[str, ...] = setting("LEXICON_ZONES", help="Zones to serve, comma separated.")
    patience: timedelta = setting(
        "LEXICON_TIMEOUT",
        default=timedelta(seconds=30),
        help="How long one change, which is several requests, may take.",
    )
    rate: float = setting(
        "LEXICON_REQUESTS_PER_SECOND", default=2.0, minimum=0.01, help="Requests a second that the hoster allows."
    )
    burst: int = setting("LEXICON_BURST", default=20, minimum=10, help="Requests that the hoster allows at once.")
    rate_patience: timedelta = setting(
        "LEXICON_RATE_TIMEOUT", default=timedelta(seconds=20), help="How long a change may wait for its turn."
    )

    def __post_init__(self) -> None:
        """Refuse a hoster that the library does not know."""
        problems = []
        if not find_providers().get(self.hoster):
            problems.append(Problem("LEXICON_PROVIDER", f"dns-lexicon cannot serve {self.hoster} as it is installed"))
        if not all("=" in option for option in self.options.reveal().split(",")):
            problems.append(Problem("LEXICON_OPTIONS", "must be NAME=VALUE pairs, comma separated"))
        if problems:
            raise SettingsInvalid(problems)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One record of the hoster."""

    id: str | None
    type: str
    name: str
    content: str
    ttl: int


class LexiconProvider:
    """Records at whichever hoster dns-lexicon knows."""

    name = "lexicon"
    capabilities: frozenset[Capability] = frozenset()
    # Hosters differ in how they want MX and CAA records, and the library passes that on.
    types = frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME, RecordType.TXT})
    resolvable = True
    Settings = LexiconSettings

    def __init__(self, settings: LexiconSettings) -> None:
        self._settings = settings
        self._zones = tuple(zone.lower().removesuffix(".") for zone in settings.zones)
        self._budget = Budget(self.name, rate=settings.rate, burst=settings.burst, patience=settings.rate_patience)
        self._turns = Turns()
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="lexicon")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """The hoster lets us in, for each zone."""
        for zone in self._zones:
            await self._run(zone, 1, lambda _: None)

    async def zone_of(self, name: str) -> str:
        """The longest of the configured zones that holds the name."""
        return refusals.zone_among(self._zones, name, self.name)

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """Every record set at this name."""
        zone = await self.zone_of(name)
        return self._node(zone, name, await self._run(zone, 3, lambda hoster: _entries_at(hoster, name)), only)

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Write the stamp, then the record in place of what was seen."""
        self._check_sayable(record)
        texts = stamps.with_stamp(_stamps_in(_seen(seen), record.key.name), record)
        async with self._turns.of(record.key.name):
            await self._write(record, seen, texts, record.data.values)
        return record

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Delete the record, then its stamp."""
        texts = stamps.without_stamp(_stamps_in(_seen(seen), record.key.name), record.key.type)
        async with self._turns.of(record.key.name):
            await self._write(record, seen, texts, ())

    async def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears a stamp, zone by zone."""
        for zone in self._zones:
            nodes: dict[str, list[_Entry]] = {}
            for one in await self._run(zone, 2, lambda hoster: _entries(hoster, None)):
                nodes.setdefault(one.name, []).append(one)
            for place, entries in nodes.items():
                name = stamps.stamped_name(place)
                if name is None:
                    continue
                for record in self._node(zone, name, [*entries, *nodes.get(name, ())], None).records:
                    if record.owner is not None:
                        yield record

    def _node(self, zone: str, name: str, entries: list[_Entry], only: RecordType | None) -> Node:
        here = [one for one in entries if one.name == name]
        data = {
            kind: RecordData(tuple(sorted(_value(kind, one) for one in found)), timedelta(seconds=found[0].ttl))
            for kind in RecordType
            if only in {None, kind} and (found := [one for one in here if one.type == kind.value])
        }
        others = tuple(sorted({one.type for one in here} - _ALL_TYPES))
        return Node(name, stamps.assemble(self.name, zone, name, data, _stamps_in(entries, name)), others, entries)

    async def _write(self, record: Record, seen: Node, texts: Iterable[str], values: tuple[str, ...]) -> None:
        """One change, in the order that never leaves a record without its stamp."""
        zone, key, stamp = record.zone, record.key, stamps.name_of_stamp(record.key.name)
        ttl = int(record.data.ttl.total_seconds())

        def change(hoster: Any) -> tuple[bool, bool]:
            now = _entries_at(hoster, key.name)
            if self._node(zone, key.name, now, None) != seen:
                return False, False
            wanted = set(texts)
            had = {one.content: one for one in now if one.name == stamp and one.type == "TXT"}
            for text in wanted - had.keys():
                hoster.create_record("TXT", f"{stamp}.", text)
            for one in now:
                if one.name == key.name and one.type == key.type.value:
                    hoster.delete_record(one.id, one.type, one.name, one.content)
            for value in values:
                hoster.create_record(key.type.value, f"{key.name}.", _sayable(key.type, value))
            for text in had.keys() - wanted:
                hoster.delete_record(had[text].id, "TXT", stamp, text)
            return True, self._is_held(hoster, key, values)

        before, after = await self._run(zone, 10, change, ttl=ttl)
        if not before:
            raise refusals.changed(key)
        if not after:
            raise refusals.incapable(key.name, self.name, f"this {key.type.value} value")

    def _is_held(self, hoster: Any, key: RecordKey, values: tuple[str, ...]) -> bool:
        """Whether the hoster has what it was told; where it made something else of it, that is taken back."""
        made = [one for one in _entries(hoster, key.name) if one.type == key.type.value]
        if {_value(key.type, one) for one in made} == set(values):
            return True
        for one in (*made, *(one for one in _entries(hoster, stamps.name_of_stamp(key.name)) if _is_stamp(one, key))):
            hoster.delete_record(one.id, one.type, one.name, one.content)
        return False

    async def _run(self, zone: str, cost: int, work: Callable[[Any], T], *, ttl: int = 0) -> T:
        """Do some work at the hoster, in a thread."""
        await self._budget.take(cost)
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._logged_in, zone, ttl, work)
        try:
            return await asyncio.wait_for(running, self._settings.patience.total_seconds())
        except Exception as error:  # noqa: BLE001 - the library's hosters raise whatever comes to them
            fault = self._fault(error)
        # Not the error itself: some hosters take their secrets in addresses, and errors quote those.
        raise fault

    def _logged_in(self, zone: str, ttl: int, work: Callable[[Any], T]) -> T:
        hoster = self._settings.hoster
        said: dict[str, Any] = {"provider_name": hoster, "domain": zone, "delegated": zone, hoster: self._options()}
        config = ConfigResolver()  # type: ignore[no-untyped-call]  # the library gives it no types
        config.with_dict(said | ({"ttl": ttl} if ttl else {}))
        client = load_provider_module(hoster).Provider(config)
        client.authenticate()
        try:
            return work(client)
        finally:
            client.cleanup()

    def _options(self) -> dict[str, str]:
        return dict(option.split("=", 1) for option in self._settings.options.reveal().split(","))

    def _fault(self, error: Exception) -> Fault:
        """What an error means. The log gets all of it but the secrets."""
        answer = getattr(error, "response", None)
        self._log_error(error, answer)
        match error:
            case TimeoutError() | requests.Timeout():
                return refusals.timed_out(self.name)
            case requests.HTTPError() if answer is not None:
                return self._refusal(answer)
            case requests.RequestException():
                return refusals.unavailable(self.name)
            case AuthenticationError():
                return refusals.credentials_refused(self.name)
            case _:
                return refusals.not_understood(self.name, type(error).__name__)

    def _log_error(self, error: Exception, answer: requests.Response | None) -> None:
        text = "".join(traceback.format_exception(error)) + (answer.text[:500] if answer is not None else "")
        for secret in filter(None, self._options().values()):
            text = text.replace(secret, "***").replace(quote_plus(secret), "***")
        _log.warning("the hoster failed", extra={"hoster": self._settings.hoster, "error": text})

    def _refusal(self, answer: requests.Response) -> Fault:
        match answer.status_code:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return refusals.credentials_refused(self.name)
            case HTTPStatus.NOT_FOUND:
                return refusals.zone_not_served("the zone", self.name)
            case HTTPStatus.TOO_MANY_REQUESTS:
                wait = refusals.retry_after(answer.headers)
                self._budget.pause(wait or timedelta(seconds=1))
                return refusals.rate_limited(self.name, wait)
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return refusals.unavailable(self.name)
            case status:
                return refusals.not_understood(self.name, status)

    def _check_sayable(self, record: Record) -> None:
        """The library quotes text in as many ways as there are hosters; only plain text means the same to all."""
        if record.key.type is not RecordType.TXT:
            return
        if any(len(value) > _TEXT_LIMIT or {'"', "\\"} & set(value) for value in record.data.values):
            raise refusals.incapable(record.key.name, self.name, "text with quotes, backslashes or over 255 characters")


def _entries_at(hoster: Any, name: str) -> list[_Entry]:
    """What stands at a name and at its stamp."""
    return [*_entries(hoster, name), *_entries(hoster, stamps.name_of_stamp(name))]


def _entries(hoster: Any, name: str | None) -> list[_Entry]:
    found = hoster.list_records(None, name, None)
    entries = [_entry(one) for one in found]
    return [one for one in entries if name in {None, one.name}]


def _entry(listed: Mapping[str, Any]) -> _Entry:
    identifier, content = listed.get("id"), str(listed["content"])
    text = presentation.text_from(content) if listed["type"] == "TXT" and content.startswith('"') else content
    return _Entry(
        None if identifier is None else str(identifier),
        str(listed["type"]).upper(),
        str(listed["name"]).lower().removesuffix("."),
        text,
        int(listed.get("ttl") or 0),
    )


def _sayable(kind: RecordType, value: str) -> str:
    """A value as most hosters take it: names to the last dot, text in quotes only where it has spaces."""
    if kind is RecordType.TXT:
        return f'"{value}"' if " " in value else value
    return presentation.to_text(kind, value)


def _is_stamp(entry: _Entry, key: RecordKey) -> bool:
    stamp = stamps.Stamp.parse(entry.content)
    return stamp is not None and stamp.type is key.type


def _value(kind: RecordType, entry: _Entry) -> str:
    return entry.content if kind is RecordType.TXT else presentation.from_text(kind, entry.content)


def _stamps_in(entries: Iterable[_Entry], name: str) -> tuple[str, ...]:
    place = stamps.name_of_stamp(name)
    return tuple(one.content for one in entries if one.name == place and one.type == "TXT")


def _seen(seen: Node) -> list[_Entry]:
    return seen.reading if isinstance(seen.reading, list) else []
