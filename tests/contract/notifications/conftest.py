"""The suite runs over every provider in the registry, on a server that does what its vendor documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.fixtures.mailservers import CUT, mail_server
from tests.fixtures.mailvendors import SENDER, Novu, Resend, Ses

from notifications_service.model import NOBODY, Mailbox, Message
from notifications_service.providers.logging import LoggingProvider, LoggingSettings
from notifications_service.providers.memory import MemoryProvider, MemorySettings
from notifications_service.providers.novu import NovuProvider, NovuSettings
from notifications_service.providers.resend import ResendProvider, ResendSettings
from notifications_service.providers.ses import SesProvider, SesSettings
from notifications_service.providers.smtp import SmtpProvider, SmtpSettings, Tls
from settingskit import Secret


@dataclass
class Carrier:
    """A provider, and what a test sees and does on the other side of it."""

    provider: Any
    sent: Callable[[], Sequence[tuple[str, str]]]
    lose_reply: Callable[[], None] | None = None
    """Take the next message over, and let the connection break before the answer."""
    put_off: Callable[[], None] | None = None
    refuse_key: Callable[[], None] | None = None
    refuse_message: Callable[[], None] | None = None


@pytest_asyncio.fixture(scope="session")
async def ses_server():
    async with Ses().running() as server:
        yield server


@asynccontextmanager
async def open_memory(_):
    async with MemoryProvider(MemorySettings()) as provider:
        yield Carrier(provider, lambda: [(one.recipient.email, one.subject) for one in provider.messages])


@asynccontextmanager
async def open_logging(_):
    async with LoggingProvider(LoggingSettings()) as provider:
        yield Carrier(provider, list)


@asynccontextmanager
async def open_smtp(_):
    async with mail_server() as server:
        settings = SmtpSettings(host="127.0.0.1", port=server.port, tls=Tls.NONE)
        async with SmtpProvider(settings) as provider:
            yield Carrier(
                provider,
                lambda: [(to, "s") for to, _ in server.kept],
                lose_reply=lambda: server.once("AFTER", CUT),
                put_off=lambda: server.once("MAIL", "421 4.3.2 come back later"),
                refuse_key=lambda: server.once("MAIL", "530 5.7.0 log in first"),
                refuse_message=lambda: server.once("DATA", "554 5.6.0 no"),
            )


def planned(server: Any, method: str, answer: web.Response) -> Callable[[], None]:
    return lambda: server.plan.fail(method, lambda _: answer)


@asynccontextmanager
async def open_resend(_):
    async with Resend().running() as server, ResendProvider(resend_settings(server)) as provider:
        late = server.refusal("rate_limit_exceeded", 429, "Too many requests.", {"Retry-After": "7"})
        yield Carrier(
            provider,
            lambda: server.sent,
            lose_reply=lambda: server.plan.lose_reply("POST"),
            put_off=planned(server, "POST", late),
            refuse_key=planned(server, "POST", server.refusal("restricted_api_key", 401, "no")),
            refuse_message=planned(server, "POST", server.refusal("validation_error", 403, "Verify your domain.")),
        )


def resend_settings(server: Resend, **changes: Any) -> ResendSettings:
    return ResendSettings(**{"key": Secret(server.key), "url": server.url, "rate": 1000.0} | changes)


@asynccontextmanager
async def open_novu(_):
    async with Novu().running() as server, NovuProvider(novu_settings(server)) as provider:
        yield Carrier(
            provider,
            lambda: server.sent,
            lose_reply=server.lose_trigger,
            put_off=planned(server, "POST", server.refusal(429, "Too many", {"Retry-After": "7"})),
            refuse_key=planned(server, "POST", server.refusal(401, "no")),
            refuse_message=server.workflows.clear,
        )


def novu_settings(server: Novu, **changes: Any) -> NovuSettings:
    return NovuSettings(**{"key": Secret(server.key), "url": server.url} | changes)


@asynccontextmanager
async def open_ses(server: Ses):
    await server.reset()
    async with SesProvider(ses_settings(server)) as provider:
        yield Carrier(
            provider,
            lambda: server.sent,
            lose_reply=lambda: server.plan.lose_reply("POST"),
            put_off=planned(server, "POST", server.refusal("TooManyRequestsException", 429)),
            refuse_key=planned(server, "POST", server.refusal("UnrecognizedClientException", 403)),
            refuse_message=planned(server, "POST", server.refusal("MailFromDomainNotVerifiedException", 400)),
        )


def ses_settings(server: Ses, **changes: Any) -> SesSettings:
    return SesSettings(**{"key_id": "key", "key": Secret("secret"), "endpoint": server.url, "rate": 1000.0} | changes)


OPENERS: dict[str, Any] = {
    "logging": open_logging,
    "memory": open_memory,
    "novu": open_novu,
    "resend": open_resend,
    "ses": open_ses,
    "smtp": open_smtp,
}


@pytest.fixture(params=sorted(OPENERS))
def opener(request):
    """Opens every provider, one after the other."""
    server = request.getfixturevalue("ses_server") if request.param == "ses" else None
    return lambda: OPENERS[request.param](server)


@pytest_asyncio.fixture
async def carrier(opener):
    """Every provider, open."""
    async with opener() as one:
        yield one


@pytest.fixture
def letter():
    """Makes a message."""

    def letter(**more: Any) -> Message:
        said = {
            "key": "0192f0c1-0",
            "time": datetime(2026, 11, 21, tzinfo=UTC),
            "tenant_id": NOBODY,
            "template_id": "welcome",
            "language": "en",
            "sender": Mailbox(SENDER, "Acme, Cloud"),
            "recipient": Mailbox("ada@engines.example", "Ada Lovelace"),
            "subject": "s",
            "html": "<p>h</p>",
            "text": "t\n",
        }
        return Message(**said | more)

    return letter
