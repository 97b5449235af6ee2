"""What Resend posts to a webhook, signed as Svix does it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from notifications_service.providers.resend import ResendSettings, webhook_key
from notifications_service.reports.model import Event, Report, report_invalid, signature_expired, signature_invalid

_PROVIDER: Final = "resend"
_TOLERANCE: Final = timedelta(minutes=5)
_VERSION: Final = "v1,"


def reader(settings: ResendSettings) -> ResendReports | None:
    """Reads them where a secret is set."""
    return ResendReports(webhook_key(settings.webhook_secret)) if settings.webhook_secret else None


class ResendReports:
    """The reports of an account."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    async def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Report]:
        """What is reported."""
        self._check(headers, body)
        try:
            said = json.loads(body)
            event = _event(said)
            return [Report(str(said["data"]["email_id"]), event, _detail(said["data"]))] if event else []
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise report_invalid(_PROVIDER) from error

    def _check(self, headers: Mapping[str, str], body: bytes) -> None:
        named, signed, signatures = (headers.get(f"svix-{one}", "") for one in ("id", "timestamp", "signature"))
        content = f"{named}.{signed}.".encode() + body
        right = base64.b64encode(hmac.digest(self._key, content, hashlib.sha256)).decode()
        given = [one.removeprefix(_VERSION) for one in signatures.split() if one.startswith(_VERSION)]
        if not any(hmac.compare_digest(one.encode(), right.encode()) for one in given):
            raise signature_invalid(_PROVIDER)
        if not signed.isdecimal() or abs(self._clock() - int(signed)) > _TOLERANCE.total_seconds():
            raise signature_expired(_PROVIDER, _TOLERANCE)


def _event(said: Mapping[str, Any]) -> Event | None:
    match said["type"]:
        case "email.delivered":
            return Event.ARRIVED
        case "email.complained":
            return Event.COMPLAINED
        case "email.bounced":
            # Where nothing is said of its kind, the documentation's word holds: refused for good.
            return Event.BOUNCED if _bounce(said["data"]).get("type", "Permanent") == "Permanent" else Event.RETURNED
        case _:
            return None


def _detail(data: Mapping[str, Any]) -> str:
    return str(_bounce(data).get("message", ""))


def _bounce(data: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = data.get("bounce") or {}
    return found
