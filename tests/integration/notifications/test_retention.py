"""What is old is forgotten, a little at a time; what still matters is kept."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
from tests.fixtures.notifications import over_smtp, request, serving

from faults import Kind
from notifications_service.sending import store
from tenantmesh.notifications.v1 import delivery_pb2 as pb
from tenantmesh.notifications.v1 import suppression_pb2

_AGE = "UPDATE deliveries SET complete_time = complete_time - $2::text::interval WHERE delivery_id = ANY($1)"


async def left(owner, deliveries):
    query = "SELECT (SELECT count(*) FROM {0} WHERE delivery_id = ANY($1))"
    return [await owner.fetchval(query.format(table), deliveries) for table in ("deliveries", "recipients")]


async def test_the_log_is_purged_in_batches_and_the_rest_stays(service, owner, refused, monkeypatch):
    monkeypatch.setattr(store, "_PURGED_AT_ONCE", 2)
    asked = [request(f"{uuid4().hex}@engines.example", tenant_id=str(uuid4())) for _ in range(6)]
    made = [(await service.stub.SendNotification(one)).delivery.delivery_id for one in asked]
    tenant, address = asked[0].tenant_id, asked[0].recipients[0].email
    await service.stub.AddSuppression(
        suppression_pb2.AddSuppressionRequest(tenant_id=tenant, email=address, scope="SUPPRESSION_SCOPE_EVERYTHING")
    )
    await owner.execute(_AGE, made[:4], "90 days")
    await owner.execute(_AGE, made[4:5], "89 days")
    await owner.execute("UPDATE deliveries SET complete_time = NULL WHERE delivery_id = $1", made[3])
    queue = service.providers["sender"]._queue
    assert (await queue.forget(), await left(owner, made)) == (True, [4, 4])
    assert (await queue.forget(), await left(owner, made)) == (False, [3, 3])
    with refused("DELIVERY_NOT_FOUND", Kind.NOT_FOUND):
        await service.stub.GetDelivery(pb.GetDeliveryRequest(tenant_id=tenant, delivery_id=made[0]))
    listed = await service.stub.ListSuppressions(
        suppression_pb2.ListSuppressionsRequest(tenant_id=tenant, email=address)
    )
    assert len(listed.suppressions) == 1, "who is written to no more is not forgotten"
    for one in asked[3:]:
        again = await service.stub.SendNotification(one, timeout=10)
        assert not again.created, "a repeat is known for as long as its delivery is kept"


async def test_old_deliveries_go_by_themselves(environ, mail_sink):
    told = environ | over_smtp(mail_sink)
    connection = await asyncpg.connect(environ["ADMIN_DATABASE_URL"])
    try:
        async with serving(told) as service:
            made = (await service.send(f"{uuid4().hex}@engines.example")).delivery.delivery_id
        await connection.execute(_AGE, [made], "91 days")
        async with serving(told), asyncio.timeout(30):
            while await left(connection, [made]) != [0, 0]:  # noqa: ASYNC110 - the table tells nobody
                await asyncio.sleep(0.02)
    finally:
        await connection.close()
