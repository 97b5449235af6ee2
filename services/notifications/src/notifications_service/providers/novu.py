"""Novu, by novu-py.

A subscriber is made for each address first; then the workflow of the template's name is triggered for it, with the
variables and with the message as we write it (`subject`, `html`, `text`), so that a workflow can use either. A trigger
that comes twice with one transaction id is done once.

The library repeats what fails for an hour if it is let; here it never does.
"""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import httpx
import novu_py
from novu_py.models import (
    CreateSubscriberRequestDto,
    NovuError,
    ResponseValidationError,
    TriggerEventRequestDto,
    TriggerEventResponseDto,
)

from notifications_service.model import NOBODY, Failure, Message, Verdict, address_key
from notifications_service.providers import http, refusals
from settingskit import Problem, Secret, SettingsInvalid, setting

_log = logging.getLogger(__name__)

_NO_WORD: Final = re.compile(r"[^a-zA-Z0-9]")


@dataclass(frozen=True, slots=True)
class NovuSettings:
    """Settings of the Novu provider."""

    enabled: bool = setting("NOVU_ENABLED", default=True, help="Whether Novu is asked; false skips every message.")
    key: Secret | None = setting("NOVU_API_KEY", default=None, help="Secret key of the Novu environment; required.")
    url: str = setting("NOVU_API_URL", default="https://api.novu.co", help="Address of the Novu API.")
    timeout: timedelta = setting("NOVU_TIMEOUT", default=timedelta(seconds=10), help="For each answer.")
    workflows: tuple[str, ...] = setting(
        "NOVU_WORKFLOWS",
        default=(),
        help="Workflows that are not called like their template, template=workflow each, comma separated.",
    )

    def __post_init__(self) -> None:
        """Refuse to ask without a key, and workflows that are for no template."""
        problems = []
        if self.enabled and self.key is None:
            problems.append(Problem("NOVU_API_KEY", "is required, or NOVU_ENABLED=false"))
        if not all(re.fullmatch(r"[a-z][a-z0-9-]*=.+", one) for one in self.workflows):
            problems.append(Problem("NOVU_WORKFLOWS", "must be written template=workflow, comma separated"))
        if problems:
            raise SettingsInvalid(problems)


class NovuProvider:
    """A Novu environment."""

    name = "novu"
    repeatable = True
    Settings = NovuSettings

    def __init__(self, settings: NovuSettings) -> None:
        self._settings = settings
        self._workflows = dict(one.split("=", 1) for one in settings.workflows)
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        key, patience = self._settings.key, self._settings.timeout.total_seconds()
        client = await self._opened.enter_async_context(httpx.AsyncClient(timeout=patience))
        self._novu = novu_py.Novu(
            secret_key=key.reveal() if key else "",
            server_url=self._settings.url,
            async_client=client,
            client=self._opened.enter_context(httpx.Client()),
            timeout_ms=int(patience * 1000),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def check(self) -> None:
        """Messages wait while Novu is away, and say so themselves: the service is of use without it."""

    async def send(self, message: Message) -> Verdict:
        """Make the subscriber, and trigger the workflow."""
        if not self._settings.enabled:
            return Verdict.skipped("skipped-novu-disabled")
        try:
            subscriber = await self._subscriber(message)
        except (NovuError, httpx.HTTPError) as error:
            return _nothing_sent(_said(error))
        if subscriber is None:
            return Verdict.failed(Failure.MESSAGE_REFUSED, "Novu has other people under the recipient's identifiers.")
        try:
            answer = await self._novu.trigger_async(
                trigger_event_request_dto=self._trigger(message, subscriber),
                idempotency_key=message.key,
                retries=None,
            )
        except (NovuError, httpx.HTTPError) as error:
            return _said(error)
        return _verdict(answer.result, message)

    async def _subscriber(self, message: Message) -> str | None:
        """The identifier of the recipient at Novu, who is made if need be; None where it is always somebody else's."""
        for identifier in subscriber_ids(message.tenant_id, message.recipient.email):
            first, _, last = message.recipient.name.rpartition(" ")
            wanted = CreateSubscriberRequestDto(
                subscriber_id=identifier,
                email=message.recipient.email,
                first_name=first or last or None,
                last_name=last if first else None,
                locale=message.language,
            )
            try:
                await self._novu.subscribers.create_async(
                    create_subscriber_request_dto=wanted, fail_if_exists=True, retries=None
                )
            except NovuError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                there = await self._novu.subscribers.retrieve_async(subscriber_id=identifier, retries=None)
                if address_key(there.result.email or "") != address_key(message.recipient.email):
                    continue
            return identifier
        return None

    def _trigger(self, message: Message, subscriber: str) -> TriggerEventRequestDto:
        written = {"subject": message.subject, "html": message.html, "text": message.text}
        return TriggerEventRequestDto(
            workflow_id=self._workflows.get(message.template_id, message.template_id),
            to=subscriber,
            payload={**message.variables, **written, "language": message.language},
            transaction_id=message.key,
        )


def subscriber_ids(tenant_id: UUID, email: str) -> tuple[str, str]:
    """What a recipient is called at Novu: the usual identifier, and one for when another address has that one."""
    tenant = "none" if tenant_id == NOBODY else str(tenant_id)
    usual = f"tenant-{tenant}-{_NO_WORD.sub('_', address_key(email))}"
    digest = hashlib.sha256(address_key(email).encode()).hexdigest()
    return usual, f"{usual}-{digest[:12]}"


def _verdict(answer: TriggerEventResponseDto, message: Message) -> Verdict:
    """What Novu says of a trigger it has understood."""
    if answer.acknowledged and answer.status == "processed":
        return Verdict.sent(answer.transaction_id or message.key)
    _log.info("Novu did not trigger", extra={"status": str(answer.status), "said": str(answer.error)})
    if answer.status == "invalid_recipients":
        return Verdict.failed(Failure.RECIPIENT_REFUSED, "Novu refused the recipient.")
    return Verdict.failed(Failure.MESSAGE_REFUSED, f"Novu did not trigger the workflow ({answer.status.value}).")


def _said(error: NovuError | httpx.HTTPError) -> Verdict:
    """What an error means, for a trigger."""
    _log.info("Novu refused", extra={"cause": repr(error)[:500]})
    if isinstance(error, httpx.HTTPError):
        return http.from_broken(error)
    if isinstance(error, ResponseValidationError) and error.status_code < HTTPStatus.BAD_REQUEST:
        return refusals.senseless()
    if error.status_code == HTTPStatus.PAYMENT_REQUIRED:
        return Verdict.failed(Failure.PROVIDER_UNAVAILABLE, "The plan of the provider is used up (402).")
    return http.from_status(error.status_code, error.headers)


def _nothing_sent(verdict: Verdict) -> Verdict:
    """The same where nothing was triggered yet: then it is certain that nothing is under way."""
    if verdict.unknown:
        return Verdict.failed(Failure.PROVIDER_UNAVAILABLE, verdict.detail, verdict.retry_after)
    return verdict
