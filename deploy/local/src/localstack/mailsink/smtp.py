"""The SMTP side."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from localstack.mailsink.mailbox import Mailbox

SIZE_LIMIT = 25 * 1024 * 1024


@dataclass(frozen=True)  # without slots: aiosmtpd reads all its members, which Python before 3.11.4 cannot do with them
class _Keeper:
    """Puts each mail into the mailbox."""

    mailbox: Mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd's interface
        content = envelope.original_content or b""
        mail = await self.mailbox.add(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        return f"250 kept as number {mail.number}"


def _anybody(*_: Any) -> AuthResult:
    """Every user name and password is right."""
    return AuthResult(success=True)


@asynccontextmanager
async def receiving(
    mailbox: Mailbox, host: str, port: int, *, tls: ssl.SSLContext | None = None, implicit: bool = False
) -> AsyncIterator[int]:
    """Receive mails inside the block; yields the port, which was chosen if 0 was asked for.

    With a TLS context clients may use STARTTLS, or must speak TLS from the first byte on where it is `implicit`.
    """

    def session() -> SMTP:
        return SMTP(
            _Keeper(mailbox),
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname="mailsink.test",
            tls_context=None if implicit else tls,
            authenticator=_anybody,
            auth_require_tls=False,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, host, port, ssl=tls if implicit else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
