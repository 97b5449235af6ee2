"""Resend, by its HTTP API.

One POST is all there is to it, and its own library keeps the key in a global variable of the process; so it is httpx.
A message handed over twice within 24 hours under one Idempotency-Key is sent once.
"""

from __future__ import annotations

import base64
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import httpx

from notifications_service.model import Failure, Message, Verdict
from notifications_service.providers import http, refusals
from notifications_service.providers.mime import display, headers
from notifications_service.providers.pace import Pace
from settingskit import Problem, Secret, SettingsInvalid, setting

_log = logging.getLogger(__name__)

_CREDENTIALS: Final = frozenset({"missing_api_key", "restricted_api_key", "invalid_api_key"})
_USED_BEFORE: Final = "invalid_idempotent_request"


@dataclass(frozen=True, slots=True)
class ResendSettings:
    """Settings of the Resend provider."""

    enabled: bool = setting("RESEND_ENABLED", default=True, help="Whether Resend is asked; false skips every message.")
    key: Secret | None = setting("RESEND_API_KEY", default=None, help="Key of the Resend account; required.")
    url: str = setting("RESEND_URL", default="https://api.resend.com", help="Address of the Resend API.")
    timeout: timedelta = setting("RESEND_TIMEOUT", default=timedelta(seconds=10), help="For each answer.")
    rate: float = setting(
        "RESEND_REQUESTS_PER_SECOND", default=2.0, minimum=0.1, help="Requests a second that the account allows."
    )

    webhook_secret: Secret | None = setting(
        "RESEND_WEBHOOK_SECRET",
        default=None,
        help="Signing secret of the webhook that reports what became of messages, whsec_...; empty takes no reports.",
    )

    def __post_init__(self) -> None:
        """Refuse to ask without a key, and secrets that are none."""
        problems = []
        if self.enabled and self.key is None:
            problems.append(Problem("RESEND_API_KEY", "is required, or RESEND_ENABLED=false"))
        if self.webhook_secret is not None and not webhook_key(self.webhook_secret):
            problems.append(Problem("RESEND_WEBHOOK_SECRET", "must be whsec_ and Base64, as Resend shows it"))
        if problems:
            raise SettingsInvalid(problems)


def webhook_key(secret: Secret) -> bytes:
    """The key of a webhook's secret; nothing where it is none."""
    try:
        return base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    except ValueError:
        return b""


class ResendProvider:
    """A Resend account."""

    name = "resend"
    repeatable = True
    Settings = ResendSettings

    def __init__(self, settings: ResendSettings) -> None:
        self._settings = settings
        self._pace = Pace(settings.rate)
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        key = self._settings.key
        client = httpx.AsyncClient(
            base_url=self._settings.url,
            headers={"Authorization": f"Bearer {key.reveal()}"} if key else {},
            timeout=self._settings.timeout.total_seconds(),
        )
        self._client = await self._opened.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def check(self) -> None:
        """Messages wait while Resend is away, and say so themselves: the service is of use without it."""

    async def send(self, message: Message) -> Verdict:
        """Hand one message over."""
        if not self._settings.enabled:
            return Verdict.skipped("skipped-resend-disabled")
        await self._pace.turn()
        try:
            answer = await self._client.post("/emails", json=_body(message), headers={"Idempotency-Key": message.key})
        except httpx.HTTPError as error:
            _log.warning("Resend cannot be reached", extra={"cause": repr(error)})
            return http.from_broken(error)
        said = _json(answer)
        if answer.is_success and said.get("id"):
            return Verdict.sent(str(said["id"]))
        _log.info("Resend refused", extra={"status": answer.status_code, "said": str(said)[:1000]})
        return _refusal(answer, said)


def _refusal(answer: httpx.Response, said: dict[str, Any]) -> Verdict:
    """What an answer that is no success means."""
    name, status = str(said.get("name", "")), answer.status_code
    if answer.is_success:
        return refusals.senseless()
    if name == _USED_BEFORE:
        # What was sent under this key before was written otherwise: a template was changed since. It was sent.
        return Verdict.failed(Failure.OUTCOME_UNKNOWN, "An earlier version of the message was handed over before.")
    if status == HTTPStatus.FORBIDDEN and name not in _CREDENTIALS:
        return Verdict.failed(Failure.MESSAGE_REFUSED, "The provider does not send from or to this address (403).")
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and "`to`" in str(said.get("message", "")):
        return refusals.recipient_refused(status)
    if status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        return refusals.refused(status)
    return http.from_status(status, answer.headers)


def _body(message: Message) -> dict[str, Any]:
    return {
        "from": display(message.sender),
        "to": [display(message.recipient)],
        "subject": message.subject,
        "html": message.html,
        "text": message.text,
        "headers": headers(message),
        "tags": [{"name": "template", "value": message.template_id}],
    } | ({"reply_to": message.reply_to} if message.reply_to else {})


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
