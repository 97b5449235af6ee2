"""The notifications service on a migrated database, and mail servers of all tempers behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace

import asyncpg
import pytest
import pytest_asyncio
from tests.fixtures.mailservers import mail_server
from tests.fixtures.notifications import Notifications, environment, over_smtp, serving

from chassis.errors import faults_raised
from faults import Fault, Kind


@pytest_asyncio.fixture(scope="module")
async def environ(postgres) -> dict[str, str]:
    """Settings of a service with a database of its own, one for each file of tests."""
    return await environment(postgres)


@pytest_asyncio.fixture(scope="module")
async def service(environ, mail_sink) -> AsyncIterator[Notifications]:
    """A service that sends to the sink, encrypted."""
    async with serving({**environ, **over_smtp(mail_sink)}) as running:
        yield running


@pytest.fixture
def bad_days(postgres):
    """A mail server that can be told what to do wrong, and a service that sends to it."""

    @asynccontextmanager
    async def bad_days(server=None, tls="none", **more: str):
        async with (
            mail_server(**server or {}) as mails,
            serving(
                await environment(
                    postgres, NOTIFICATION_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=str(mails.port),
                    SMTP_TLS=tls, **{"SMTP_TIMEOUT": "5s", **more},
                )
            ) as running,
        ):  # fmt: skip
            yield SimpleNamespace(mails=mails, service=running, send_one=running.send_one, send=running.send)

    return bad_days


@pytest.fixture
async def owner(environ):
    """A connection of the owner of the tables, to look and to prepare."""
    connection = await asyncpg.connect(environ["ADMIN_DATABASE_URL"])
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def refused():
    """Holds a call to the fault it must end with."""

    @contextmanager
    def refused(reason: str, kind: Kind, **facts: str):
        caught = SimpleNamespace(fault=None)
        with pytest.raises(Fault) as raised, faults_raised():
            yield caught
        caught.fault = raised.value
        assert (raised.value.reason, raised.value.kind) == (reason, kind), raised.value
        assert facts.items() <= raised.value.facts.items()

    return refused
