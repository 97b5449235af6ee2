"""Mail over SMTP, by aiosmtplib, over connections that are kept.

SMTP has no idempotency: when the connection ends after the message was handed over and before the server has said that
it took it, nobody can know whether it did (RFC 1047). Such a message is not sent again by itself. Its Message-ID
follows from its key, so that if an operator has it sent again the recipient's program can tell that it is the same.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiosmtplib
from aiosmtplib import SMTPResponse, SMTPResponseException, SMTPStatus

from notifications_service.model import Failure, Message, Verdict
from notifications_service.providers import refusals
from notifications_service.providers.mime import message_id, mime, needs_utf8
from settingskit import Problem, Secret, SettingsInvalid, setting

_log = logging.getLogger(__name__)

_SERVICE_CLOSING: Final = 421
_PERMANENT: Final = 500
_CREDENTIALS: Final = frozenset({530, 534, 535, 538})
_ABOUT_THE_ADDRESS: Final = re.compile(r"\b5\.1\.[1236]\b")
"""Enhanced status codes (RFC 3463) by which a server refuses a recipient after it has seen the message."""


class Tls(enum.Enum):
    """How connections are encrypted."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Settings of the SMTP provider."""

    enabled: bool = setting("SMTP_ENABLED", default=True, help="Whether mails are sent; false skips every one.")
    host: str = setting("SMTP_HOST", default="localhost", help="The mail server.")
    port: int = setting("SMTP_PORT", default=587, minimum=1, maximum=65535, help="Its port.")
    tls: Tls = setting(
        "SMTP_TLS", default=Tls.STARTTLS, help="none, starttls (refuses servers without it) or implicit (port 465)."
    )
    ca_file: Path | None = setting(
        "SMTP_CA_FILE", default=None, help="Certificates to believe instead of the system's, PEM."
    )
    username: str = setting("SMTP_USERNAME", default="", help="Whom to log in as; empty does not log in.")
    password: Secret | None = setting("SMTP_PASSWORD", default=None, help="The password.")
    connections: int = setting("SMTP_CONNECTIONS", default=8, minimum=1, help="Connections kept to the mail server.")
    per_connection: int = setting(
        "SMTP_MESSAGES_PER_CONNECTION", default=100, minimum=1, help="Mails after which a connection is replaced."
    )
    timeout: timedelta = setting(
        "SMTP_TIMEOUT", default=timedelta(seconds=20), minimum=timedelta(milliseconds=50), help="For each answer."
    )

    def __post_init__(self) -> None:
        """Refuse a login that lacks its half, or would be readable on its way."""
        if self.enabled and bool(self.username) != (self.password is not None):
            raise SettingsInvalid([Problem("SMTP_PASSWORD", "SMTP_USERNAME and SMTP_PASSWORD go together")])
        if self.enabled and self.username and self.tls is Tls.NONE:
            message = "none would send the password in plain text; use starttls or implicit"
            raise SettingsInvalid([Problem("SMTP_TLS", message)])


@dataclass(slots=True)
class _Connection:
    client: aiosmtplib.SMTP
    sent: int = 0


class SmtpProvider:
    """One mail server."""

    name = "smtp"
    repeatable = False
    Settings = SmtpSettings

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._room = asyncio.Semaphore(settings.connections)
        self._idle: deque[_Connection] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            await _farewell(self._idle.pop())

    async def check(self) -> None:
        """Messages wait while the server is away, and say so themselves: the service is of use without it."""

    async def send(self, message: Message) -> Verdict:
        """Send one mail."""
        if not self._settings.enabled:
            return Verdict.skipped("skipped-smtp-disabled")
        content = mime(message)
        async with self._room:
            verdict = await self._try(message, content, fresh=False)
            # A connection that the server has closed while it was idle is no answer.
            return verdict or await self._try(message, content, fresh=True) or _unreachable("it ended the connection")

    async def _try(self, message: Message, content: bytes, *, fresh: bool) -> Verdict | None:
        """Send over an idle connection or a new one; None where an idle one turned out to be closed."""
        try:
            async with self._connection(fresh=fresh) as (connection, kept):
                try:
                    await self._envelope(connection.client, message, content)
                except _Refused as refused:
                    return refused.verdict
                except (aiosmtplib.SMTPException, OSError) as error:
                    if kept and not isinstance(error, aiosmtplib.SMTPTimeoutError):
                        return None
                    return _unreachable(error)
                return await self._content(connection, message, content)
        except _Refused as refused:
            return refused.verdict

    async def _envelope(self, client: aiosmtplib.SMTP, message: Message, content: bytes) -> None:
        """Say who sends to whom. Nothing is under way yet, whatever happens."""
        encoding, options = "ascii", []
        if needs_utf8(message):
            if not client.supports_extension("smtputf8"):
                text = "The mail server takes no addresses with letters beyond ASCII."
                raise _Refused(Verdict.failed(Failure.RECIPIENT_REFUSED, text))
            encoding, options = "utf-8", ["SMTPUTF8", "BODY=8BITMIME"]
        if client.supports_extension("size"):
            options.append(f"SIZE={len(content)}")
        try:
            await client.mail(message.sender.email, options=options, encoding=encoding)
        except SMTPResponseException as error:
            raise _Refused(await _after_refusal(client, error, Failure.MESSAGE_REFUSED)) from error
        try:
            await client.rcpt(message.recipient.email, encoding=encoding)
        except SMTPResponseException as error:
            raise _Refused(await _after_refusal(client, error, Failure.RECIPIENT_REFUSED)) from error
        go_ahead = await client.execute_command(b"DATA")
        if go_ahead.code != SMTPStatus.start_input:
            raise _Refused(await _after_refusal(client, go_ahead, Failure.MESSAGE_REFUSED))

    async def _content(self, connection: _Connection, message: Message, content: bytes) -> Verdict:
        """Hand the mail over. If the connection ends in between, the mail may be under way."""
        client = connection.client
        try:
            answer = await _handed_over(client, content)
        except (aiosmtplib.SMTPException, OSError):
            client.close()
            return refusals.lost()
        if answer.code != SMTPStatus.completed:
            about_address = _ABOUT_THE_ADDRESS.search(answer.message)
            failure = Failure.RECIPIENT_REFUSED if about_address else Failure.MESSAGE_REFUSED
            return await _after_refusal(client, answer, failure)
        connection.sent += 1
        return Verdict.sent(message_id(message))

    @asynccontextmanager
    async def _connection(self, *, fresh: bool) -> AsyncIterator[tuple[_Connection, bool]]:
        """A connection, and whether it was kept from before; it is kept again when it is still good."""
        kept = not fresh and bool(self._idle)
        connection = self._idle.pop() if kept else await self._connected()
        good = False
        try:
            yield connection, kept
            good = connection.client.is_connected
        finally:
            if good and connection.sent < self._settings.per_connection:
                self._idle.append(connection)
            elif good:
                await _farewell(connection)
            else:
                connection.client.close()

    async def _connected(self) -> _Connection:
        """A new connection, encrypted and logged in as the settings say."""
        chosen = self._settings
        client = aiosmtplib.SMTP(
            hostname=chosen.host,
            port=chosen.port,
            use_tls=chosen.tls is Tls.IMPLICIT,
            start_tls=chosen.tls is Tls.STARTTLS,
            tls_context=ssl.create_default_context(cafile=chosen.ca_file) if chosen.tls is not Tls.NONE else None,
            timeout=chosen.timeout.total_seconds(),
        )
        try:
            await client.connect()
            await client.ehlo()
            if chosen.username and chosen.password:
                await client.login(chosen.username, chosen.password.reveal())
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise _Refused(_not_let_in(error)) from error
        return _Connection(client)


class _Refused(Exception):  # noqa: N818 - says what happened
    """A message was certainly not taken."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


async def _handed_over(client: aiosmtplib.SMTP, content: bytes) -> SMTPResponse:
    """The mail itself, and what the server says of it.

    `SMTP.data` looks at each line of a mail twice more, a third of all that sending takes. What `mime` makes has its
    line ends in order, so that only the dots at the beginning of lines are left to do (RFC 5321, 4.5.2).
    """
    if client.protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    client.protocol.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    return await client.protocol.read_response(timeout=client.timeout)


async def _after_refusal(
    client: aiosmtplib.SMTP, answer: SMTPResponse | SMTPResponseException, failure: Failure
) -> Verdict:
    """What a refusal means; the connection is made ready for the next mail."""
    _log.info("the mail server refused", extra={"code": answer.code, "answer": answer.message})
    if answer.code == _SERVICE_CLOSING:
        client.close()
    else:
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            client.close()
    if answer.code < _PERMANENT:
        return refusals.put_off(answer.code)
    if answer.code in _CREDENTIALS:
        return refusals.credentials_refused(answer.code)
    if failure is Failure.RECIPIENT_REFUSED:
        return refusals.recipient_refused(answer.code)
    return refusals.refused(answer.code)


def _not_let_in(error: Exception) -> Verdict:
    """Why there is no connection. Nothing is under way."""
    if isinstance(error, SMTPResponseException) and error.code >= _PERMANENT and (
        isinstance(error, aiosmtplib.SMTPAuthenticationError) or error.code in _CREDENTIALS
    ):  # fmt: skip
        return refusals.credentials_refused(error.code)
    return _unreachable(error)


def _unreachable(why: object) -> Verdict:
    _log.warning("the mail server cannot be reached", extra={"cause": str(why)})
    return refusals.unreachable()


async def _farewell(connection: _Connection) -> None:
    try:
        await connection.client.quit()
    except (aiosmtplib.SMTPException, OSError):
        connection.client.close()
