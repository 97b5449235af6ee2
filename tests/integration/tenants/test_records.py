"""Who sees what, and requests that are done once."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from faults import Fault
from tenants_service.events.model import Event, change_of, derived_id
from tenants_service.events.store import append
from tenants_service.migrations import schema
from tenants_service.store import MESH, seen_by


def event(tenant_id: UUID, revision: int = 1) -> Event:
    return change_of("tenant", tenant_id, "tenant.noticed", revision=revision, tenant_id=tenant_id, data={"a": 1})


async def test_migrating_again_changes_nothing(settings, admin):
    before = await admin.fetchval("SELECT max(applied_at) FROM schema_migrations")
    async with schema(settings):
        pass
    assert await admin.fetchval("SELECT max(applied_at) FROM schema_migrations") == before


async def test_an_event_is_on_record_once(records):
    tenant_id = uuid4()
    for _ in range(2):
        async with records.of(tenant_id) as tx:
            await append(tx, [event(tenant_id), event(tenant_id, 2)])
    async with records.of(tenant_id) as tx:
        assert await tx.fetchval("SELECT count(*) FROM domain_events") == 2


async def test_a_tenant_sees_its_own_events_and_an_operator_everybodys(records):
    one, other = uuid4(), uuid4()
    for tenant_id in (one, other):
        async with records.of(tenant_id) as tx:
            await append(tx, [event(tenant_id)])
    async with records.of(one) as tx:
        assert {row["tenant_id"] for row in await tx.fetch("SELECT tenant_id FROM domain_events")} == {one}
    async with records.of_mesh() as tx:
        assert not await tx.fetch("SELECT FROM domain_events WHERE tenant_id <> $1", MESH)
    async with records.of_all() as tx:
        assert {one, other} <= {row["tenant_id"] for row in await tx.fetch("SELECT tenant_id FROM domain_events")}


async def test_an_operator_writes_nothing(records):
    with pytest.raises(Fault):
        async with records.of_all() as tx:
            await tx.execute("UPDATE tenants SET display_name = 'x'")


async def test_nobody_changes_an_event(records):
    for change in ("UPDATE domain_events SET event_type = 'x'", "DELETE FROM domain_events"):
        async with records.of_mesh() as tx:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tx.transaction():
                    await tx.execute(change)


async def test_a_scope_inside_a_transaction_ends_with_its_block(records):
    outer, inner = uuid4(), uuid4()
    scope = "SELECT current_setting('app.tenant_id', true)"
    async with records.of(outer) as tx:
        async with seen_by(tx, inner):
            assert await tx.fetchval(scope) == str(inner)
            await append(tx, [event(inner)])
            async with seen_by(tx, MESH):
                assert not await tx.fetchval(scope)
        assert await tx.fetchval(scope) == str(outer)


def test_the_same_cause_has_the_same_identifier():
    assert derived_id("run", "activity", "name") == derived_id("run", "activity", "name")
    assert derived_id("run", "activity", "name") != derived_id("run", "activity", "other")
