"""What SES publishes to a topic of Amazon SNS, and SNS posts here.

Messages carry their signature and say where its certificate is. That is believed only of Amazon's own addresses, and
only of the topic that is set; the topic must sign with version 2, SHA-256, which is an attribute of topics.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate

from faults import Unavailable
from notifications_service.providers.ses import SesSettings
from notifications_service.reports.model import Event, Report, report_invalid, signature_expired, signature_invalid

_PROVIDER: Final = "ses"
_TOLERANCE: Final = timedelta(hours=2)
"""SNS tries for an hour, with the time and the signature of the first try."""
_HOST: Final = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?/"
_CERTIFICATE: Final = re.compile(_HOST + r"SimpleNotificationService-[0-9a-f]{1,64}\.pem")
_CONFIRMATION: Final = re.compile(_HOST + r"\?Action=ConfirmSubscription&[\x21-\x7e]{1,2000}")
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""What the signature of each kind covers, in its order; what is not there is left out."""

Fetch = Callable[[str], Awaitable[bytes]]


def reader(settings: SesSettings) -> SesReports | None:
    """Reads them where a topic is set."""
    return SesReports(settings.topic) if settings.topic else None


async def fetched(url: str) -> bytes:
    """What is at an address of Amazon's."""
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.get(url)
            return answer.raise_for_status().content
    except httpx.HTTPError as error:
        raise Unavailable(
            "Amazon SNS could not be asked.",
            reason="DEPENDENCY_UNAVAILABLE",
            facts={"dependency": "sns"},
            domain="tenantmesh",
        ) from error


def _now() -> datetime:
    return datetime.now(UTC)


class SesReports:
    """The reports that come by one topic."""

    def __init__(self, topic: str, fetch: Fetch = fetched, clock: Callable[[], datetime] = _now) -> None:
        self._topic = topic
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}

    async def read(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - the signature is in the body
        body: bytes,
    ) -> Sequence[Report]:
        """What is reported; a topic that asks whether it may is told that it may."""
        message = _fields(body)
        await self._check(message)
        try:
            if message["Type"] == "SubscriptionConfirmation":
                await self._confirm(message["SubscribeURL"])
                return []
            return list(_reports(json.loads(message["Message"])))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise report_invalid(_PROVIDER) from error

    async def _check(self, message: Mapping[str, str]) -> None:
        signed = _SIGNED.get(message.get("Type", ""))
        if not signed or message.get("TopicArn") != self._topic or message.get("SignatureVersion") != "2":
            raise signature_invalid(_PROVIDER)
        content = "".join(f"{name}\n{message[name]}\n" for name in signed if name in message)
        key = await self._key(message.get("SigningCertURL", ""))
        try:
            key.verify(base64.b64decode(message.get("Signature", "")), content.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError) as error:
            raise signature_invalid(_PROVIDER) from error
        if not self._is_recent(message.get("Timestamp", "")):
            raise signature_expired(_PROVIDER, _TOLERANCE)

    async def _key(self, url: str) -> RSAPublicKey:
        if not _CERTIFICATE.fullmatch(url):
            raise signature_invalid(_PROVIDER)
        if url not in self._keys:
            key = load_pem_x509_certificate(await self._fetch(url)).public_key()
            if not isinstance(key, RSAPublicKey):
                raise signature_invalid(_PROVIDER)
            self._keys = {url: key}  # one is in use, and another one after a year
        return self._keys[url]

    async def _confirm(self, url: str) -> None:
        if not _CONFIRMATION.fullmatch(url):
            raise ValueError(url)
        await self._fetch(url)

    def _is_recent(self, signed: str) -> bool:
        try:
            return abs(self._clock() - datetime.fromisoformat(signed)) <= _TOLERANCE
        except (ValueError, TypeError):
            return False


def _fields(body: bytes) -> Mapping[str, str]:
    try:
        said = json.loads(body)
    except ValueError as error:
        raise signature_invalid(_PROVIDER) from error
    if not isinstance(said, dict):
        raise signature_invalid(_PROVIDER)
    return {name: value for name, value in said.items() if isinstance(value, str)}


def _reports(said: Mapping[str, Any]) -> Sequence[Report]:
    """What an event says; `notificationType` is what events are called that come without a configuration set."""
    event, detail = None, ""
    match said.get("eventType") or said.get("notificationType"):
        case "Delivery":
            event = Event.ARRIVED
        case "Complaint":
            event, detail = Event.COMPLAINED, str(said["complaint"].get("complaintFeedbackType", ""))
        case "Bounce":
            event = Event.BOUNCED if said["bounce"]["bounceType"] == "Permanent" else Event.RETURNED
            detail = str(said["bounce"]["bouncedRecipients"][0].get("diagnosticCode", ""))
    return [Report(str(said["mail"]["messageId"]), event, detail)] if event else []
