"""Amazon SES, by its API of version 2.

SES has no idempotency: what is said of SMTP about lost answers holds here too. So nothing is repeated by itself.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import aioboto3  # type: ignore[import-untyped]  # it comes without types
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
)

from notifications_service.model import Failure, Message, Verdict
from notifications_service.providers import refusals
from notifications_service.providers.mime import mime, needs_utf8
from notifications_service.providers.pace import Pace
from settingskit import Secret, setting

_log = logging.getLogger(__name__)

_PUT_OFF: Final = frozenset(
    {
        "TooManyRequestsException", "LimitExceededException", "Throttling", "ThrottlingException",
        "SendingPausedException", "ServiceUnavailable", "ServiceUnavailableException",
    }
)  # fmt: skip
_CREDENTIALS: Final = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId",
        "InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch", "UnrecognizedClientException", "AccountSuspendedException",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SesSettings:
    """Settings of the SES provider."""

    enabled: bool = setting("SES_ENABLED", default=True, help="Whether SES is asked; false skips every message.")
    key_id: str | None = setting(
        "AWS_ACCESS_KEY_ID", default=None, help="Access key; without one, the identity of the machine or pod is used."
    )
    key: Secret | None = setting("AWS_SECRET_ACCESS_KEY", default=None, help="Secret of the access key.")
    token: Secret | None = setting("AWS_SESSION_TOKEN", default=None, help="Session token of temporary credentials.")
    region: str = setting("AWS_REGION", default="us-east-1", help="Region to sign requests for.")
    endpoint: str | None = setting(
        "SES_ENDPOINT", default=None, help="Address of the SES API, where it is not Amazon's usual one."
    )
    configuration_set: str = setting("SES_CONFIGURATION_SET", default="", help="The configuration set to send with.")
    timeout: timedelta = setting("SES_TIMEOUT", default=timedelta(seconds=10), help="For each answer.")
    topic: str = setting(
        "SES_TOPIC_ARN",
        default="",
        help="The topic of Amazon SNS that reports what became of messages, signed with version 2; empty takes none.",
    )
    rate: float = setting(
        "SES_MESSAGES_PER_SECOND", default=14.0, minimum=0.1, help="The sending rate that the account has."
    )


class SesProvider:
    """The SES of an AWS account."""

    name = "ses"
    repeatable = False
    Settings = SesSettings

    def __init__(self, settings: SesSettings) -> None:
        self._settings = settings
        self._pace = Pace(settings.rate)
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        chosen = self._settings
        session = aioboto3.Session(
            aws_access_key_id=chosen.key_id,
            aws_secret_access_key=chosen.key.reveal() if chosen.key else None,
            aws_session_token=chosen.token.reveal() if chosen.token else None,
            region_name=chosen.region,
        )
        patience = chosen.timeout.total_seconds()
        config = Config(connect_timeout=patience, read_timeout=patience, retries={"total_max_attempts": 1})
        client = session.client("sesv2", endpoint_url=chosen.endpoint, config=config)
        self._client: Any = await self._opened.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def check(self) -> None:
        """Messages wait while SES is away, and say so themselves: the service is of use without it."""

    async def send(self, message: Message) -> Verdict:
        """Hand one message over."""
        if not self._settings.enabled:
            return Verdict.skipped("skipped-ses-disabled")
        if needs_utf8(message):
            text = "SES takes no addresses with letters beyond ASCII."
            return Verdict.failed(Failure.RECIPIENT_REFUSED, text)
        await self._pace.turn()
        try:
            answer = await self._client.send_email(**self._request(message))
        except (ClientError, BotoCoreError) as error:
            return _refusal(error) if isinstance(error, ClientError) else _broken(error)
        return Verdict.sent(str(answer["MessageId"]))

    def _request(self, message: Message) -> dict[str, Any]:
        chosen = self._settings.configuration_set
        return {
            "FromEmailAddress": message.sender.email,
            "Destination": {"ToAddresses": [message.recipient.email]},
            "Content": {"Raw": {"Data": mime(message)}},
        } | ({"ConfigurationSetName": chosen} if chosen else {})


def _refusal(error: ClientError) -> Verdict:
    """What an error that SES answered means."""
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    _log.info("SES refused", extra={"code": code, "said": error.response["Error"].get("Message", "")})
    if code in _PUT_OFF:
        return refusals.put_off(code)
    if code in _CREDENTIALS:
        return refusals.credentials_refused(code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return refusals.failed_midway(status)
    return refusals.refused(code)


def _broken(error: BotoCoreError) -> Verdict:
    """What it means that there was no answer."""
    _log.warning("SES gave no answer", extra={"cause": repr(error)})
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return Verdict.failed(Failure.PROVIDER_CREDENTIALS_REFUSED, "There are no AWS credentials.")
        case ConnectTimeoutError() | EndpointConnectionError():
            return refusals.unreachable()
        case _:
            return refusals.lost()
