"""What callers are promised, over every provider: ownership above all."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.fixtures.dnsproviders import OPENERS
from tests.fixtures.nameservers import dig

from dns_service.model import Cause, Record, RecordData, RecordKey, RecordType
from dns_service.providers import PROVIDERS
from dns_service.service import Records
from dns_service.verification.providers.nolookup import NoLookup
from faults import AlreadyExists, Conflict, NotFound

ACME, OTHER = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
TTL = timedelta(seconds=300)
A, CNAME = RecordType.A, RecordType.CNAME
BY_HAND = Record(RecordKey("by-hand.example.com", A), RecordData(("192.0.2.99",), TTL), None, "", "example.com")
ALIAS_BY_HAND = Record(
    RecordKey("alias-by-hand.example.com", CNAME), RecordData(("edge.example.com",), TTL), None, "", "example.com"
)
FOREIGN = [BY_HAND, ALIAS_BY_HAND]


class AllGone:
    """Says that no host exists any more."""

    async def missing(self, hosts):
        return frozenset(hosts)


def records(provider, targets=None, clock=lambda: datetime.now(UTC)):
    return Records(provider, NoLookup(), targets or NoLookup(), clock=clock)


async def ensure(provider, key, values=("192.0.2.1",), tenant_id=ACME, operation_id="provision-acme"):
    data = RecordData(values, TTL)
    return await records(provider).ensure(key, data, tenant_id=tenant_id, operation_id=operation_id)


async def sweep(provider, targets):
    later = records(provider, targets, lambda: datetime.now(UTC) + timedelta(days=1))
    found = later.sweep(tenant_id="", older_than=timedelta(hours=1), validate_only=False)
    return {finding.record.key: (finding.cause, finding.removed) async for finding in found}


def test_every_provider_is_held_to_its_port():
    assert {name.partition("-")[0] for name in OPENERS} == set(PROVIDERS)


async def test_a_record_is_made_changed_and_removed_and_repeating_changes_nothing(opener):
    async with opener([]) as provider:
        key = RecordKey("acme.example.com", A)
        made, created = await ensure(provider, key)
        assert created
        assert await ensure(provider, key, operation_id="provision-again") == (made, False)
        changed, created = await ensure(provider, key, ("192.0.2.2",), operation_id="amend-acme")
        assert (changed.data.values, created, changed.owner) == (("192.0.2.2",), False, made.owner)
        assert await records(provider).get(key, tenant_id=ACME) == changed
        listed = await records(provider).list(tenant_id=ACME, operation_id="provision-acme", after=None, size=10)
        assert [one.key for one in listed.records] == [key]
        with pytest.raises(Conflict) as caught:
            await records(provider).delete(key, tenant_id=ACME, operation_id="amend-acme")
        assert caught.value.reason == "OPERATION_MISMATCH"
        assert await records(provider).delete(key, tenant_id=ACME, operation_id="provision-acme")
        assert not await records(provider).delete(key, tenant_id=ACME)


async def test_what_somebody_made_by_hand_survives_everything(opener):
    async with opener(FOREIGN) as provider:
        await ensure(provider, RecordKey("acme.example.com", CNAME), ("edge.example.com",))
        before = [await provider.at(foreign.key.name) for foreign in FOREIGN]
        assert all(node.records for node in before)
        for foreign in FOREIGN:
            for work in (
                ensure(provider, foreign.key, foreign.data.values),
                records(provider).delete(foreign.key, tenant_id=ACME),
            ):
                with pytest.raises(AlreadyExists) as caught:
                    await work
                assert caught.value.reason == "RECORD_NOT_OWNED"
            with pytest.raises(NotFound):
                await records(provider).get(foreign.key, tenant_id=ACME)
        with pytest.raises(Conflict) as caught:
            await ensure(provider, RecordKey(ALIAS_BY_HAND.key.name, A))
        assert caught.value.reason == "RECORD_CONFLICT"
        swept = await sweep(provider, AllGone())
        assert swept == {RecordKey("acme.example.com", CNAME): (Cause.TARGET_MISSING, True)}
        assert [await provider.at(foreign.key.name) for foreign in FOREIGN] == before


async def test_what_another_tenant_made_survives_everything(opener):
    async with opener([]) as provider:
        key = RecordKey("other.example.com", A)
        made, _ = await ensure(provider, key, tenant_id=OTHER)
        for work in (ensure(provider, key), records(provider).delete(key, tenant_id=ACME)):
            with pytest.raises(AlreadyExists) as caught:
                await work
            assert caught.value.facts["owner"] == "another_tenant"
            assert OTHER not in str(caught.value.facts)
        assert (await provider.at(key.name)).records == (made,)
        assert not (await records(provider).list(tenant_id=ACME, operation_id="", after=None, size=10)).records


SERVED = [name for name in sorted(OPENERS) if OPENERS[name][0] in {"bind", "knot", "powerdns"}]


@pytest.mark.parametrize("name", SERVED)
async def test_dig_sees_the_names_and_sees_them_gone(name, request_server):
    server, opened = request_server, OPENERS[name][1]
    async with opened(server, []) as provider:
        wanted = {
            RecordKey("acme.example.com", A): ("192.0.2.1", "192.0.2.2"),
            RecordKey("acme.example.com", RecordType.AAAA): ("2001:db8::1",),
            RecordKey("shop.example.com", CNAME): ("edge.example.com",),
            RecordKey("*.wild.example.com", A): ("192.0.2.3",),
        }
        for key, values in wanted.items():
            await ensure(provider, key, values)
        assert sorted(await dig("127.0.0.1", server.port, "acme.example.com", "A")) == ["192.0.2.1", "192.0.2.2"]
        assert await dig("127.0.0.1", server.port, "acme.example.com", "AAAA", "+tcp") == ["2001:db8::1"]
        assert await dig("127.0.0.1", server.port, "shop.example.com", "CNAME") == ["edge.example.com."]
        assert await dig("127.0.0.1", server.port, "any.wild.example.com", "A") == ["192.0.2.3"]
        (stamp,) = await dig("127.0.0.1", server.port, "_tenantmesh.shop.example.com", "TXT")
        assert stamp.startswith(f'"tenantmesh,CNAME,{ACME},provision-acme,')
        for key in wanted:
            assert await records(provider).delete(key, tenant_id=ACME)
        for key in wanted:
            assert await dig("127.0.0.1", server.port, key.name, key.type.value) == []
        for place in ("_tenantmesh.acme", "_tenantmesh.shop", "_tenantmesh-w.wild"):
            assert await dig("127.0.0.1", server.port, f"{place}.example.com", "TXT") == []


@pytest.fixture
def request_server(request, name):
    return request.getfixturevalue(OPENERS[name][0])


async def test_a_stamp_whose_record_somebody_took_away_is_swept(opener_of_served):
    server, opened = opener_of_served
    async with opened(server, []) as provider:
        key = RecordKey("left.example.com", A)
        await ensure(provider, key)
        await server.update(lambda update: update.delete(f"{key.name}.", "A"))
        (left,) = (await provider.at(key.name)).records
        assert not left.is_there
        assert await sweep(provider, NoLookup()) == {key: (Cause.RECORD_GONE, True)}
        assert (await provider.at(key.name)).records == ()


@pytest.fixture(params=SERVED)
def opener_of_served(request):
    server, opened = OPENERS[request.param]
    return request.getfixturevalue(server), opened
