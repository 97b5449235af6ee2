import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from tests.fixtures.worlds import serving, until

from chassis import OpsSettings
from chassis.health import Health
from faults import Unavailable

QUICKLY = timedelta(milliseconds=20)
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Database:
    """A dependency that a test takes away and gives back."""

    def __init__(self, name="postgres"):
        self.name, self.error, self.hangs, self.checks = name, None, False, 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def check(self):
        self.checks += 1
        if self.hangs:
            await asyncio.sleep(60)
        if self.error:
            raise self.error


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def registry():
    return CollectorRegistry()


async def test_all_are_checked_before_anything_is_served(database, registry):
    health = Health([database])
    assert [(each.usable, each.error) for each in health.dependencies] == [(False, "not checked yet")]
    async with health.watched(QUICKLY, registry):
        assert [(each.usable, each.error) for each in health.dependencies] == [(True, "")]
        assert not health.ready  # not open yet
        await health.open()
        assert health.ready
        await health.close()
        assert not health.ready


async def test_one_that_fails_makes_it_unready_until_it_is_back(database, registry, caplog):
    caplog.set_level(logging.INFO, "chassis.health")
    health, changes = Health([database]), []

    async def listen(ready):
        changes.append(ready)

    health.on_change(listen)
    async with health.watched(QUICKLY, registry):
        await health.open()
        database.error = OSError("10.0.0.7:5432 refused")
        await until(lambda: not health.ready)
        before = database.checks
        await until(lambda: database.checks > before + 3)
        database.error = None
        await until(lambda: health.ready)
    assert changes == [True, False, True]
    said = [(record.levelno, record.dependency) for record in caplog.records]
    assert said == [(logging.INFO, "postgres"), (logging.WARNING, "postgres"), (logging.INFO, "postgres")]
    assert "10.0.0.7" in caplog.records[1].cause


async def test_one_that_is_away_from_the_start_is_said_and_waited_for(database, registry, caplog):
    database.error = OSError("refused")
    health = Health([database])
    async with health.watched(QUICKLY, registry):
        await health.open()
        assert not health.ready
        assert "dependency is not usable" in caplog.text
        database.error = None
        await until(lambda: health.ready)


async def test_one_that_does_not_answer_is_not_usable(database, registry):
    health = Health([database, Database("other")])
    database.hangs = True
    async with health.watched(QUICKLY, registry):
        assert [(each.usable, each.error) for each in health.dependencies] == [
            (False, "did not answer in time"),
            (True, ""),
        ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("password=hunter2"), "cannot be used"),
        (Unavailable("The database restarts.", reason="DEPENDENCY_UNAVAILABLE"), "The database restarts."),
    ],
)
async def test_what_operators_read_is_neutral(database, registry, error, words):
    database.error = error
    health = Health([database])
    async with health.watched(QUICKLY, registry):
        assert health.dependencies[0].error == words


async def test_since_when_changes_with_the_state_alone(database, registry):
    health = Health([database])
    async with health.watched(QUICKLY, registry):
        since = health.dependencies[0].since
        before = database.checks
        await until(lambda: database.checks > before + 2)
        assert health.dependencies[0].since == since
        database.error = OSError()
        await until(lambda: not health.dependencies[0].usable)
        assert since < health.dependencies[0].since <= datetime.now(UTC)


async def test_each_is_a_number_while_it_is_watched(database, registry):
    health = Health([database])
    async with health.watched(QUICKLY, registry):
        assert registry.get_sample_value("dependency_up", {"dependency": "postgres"}) == 1
        database.error = OSError()
        await until(lambda: registry.get_sample_value("dependency_up", {"dependency": "postgres"}) == 0)
    assert registry.get_sample_value("dependency_up", {"dependency": "postgres"}) is None


async def test_checks_end_with_the_block(database, registry):
    async with Health([database]).watched(QUICKLY, registry):
        pass
    before = database.checks
    await asyncio.sleep(0.1)
    assert database.checks == before


async def test_balancers_see_every_service_change_and_hear_of_it_at_once(database):
    async with serving(resources=[database], ops=OpsSettings(health_interval=QUICKLY)) as world:
        stub = health_pb2_grpc.HealthStub(world.channel)

        async def status(service=""):
            return (await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)).status

        watch = stub.Watch(health_pb2.HealthCheckRequest(service="tenantmesh.dns.v1.DnsService"), timeout=10)
        assert (await watch.read()).status == SERVING
        database.error = OSError()
        assert (await watch.read()).status == NOT_SERVING
        assert await status() == await status("tenantmesh.dns.v1.DnsService") == NOT_SERVING
        database.error = None
        assert (await watch.read()).status == SERVING
        assert await status() == SERVING
        watch.cancel()


async def test_a_watcher_that_has_stalled_does_not_hold_up_the_news(database, monkeypatch):
    from chassis import builtin

    monkeypatch.setattr(builtin, "_PATIENCE", 0.1)

    async def stalled(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(builtin.aio_health.HealthServicer, "set", stalled)
    began = time.monotonic()
    async with serving(resources=[database]):
        pass
    assert time.monotonic() - began < 5
