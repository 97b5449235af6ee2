from datetime import timedelta

from tests.fixtures.dnsrecords import ACME, BY_HAND, OTHER, TTL, Clock, Gone, ensure, leftover, names, records

from dns_service.model import Cause, RecordData, RecordKey, RecordType
from dns_service.providers import refusals
from dns_service.providers.memory import MemoryProvider, MemorySettings


async def sweep(service, **more):
    found = service.sweep(**{"tenant_id": "", "older_than": timedelta(hours=1), "validate_only": False, **more})
    return {finding.record.key.name: (finding.cause, finding.removed) async for finding in found}


async def dangling_records(targets):
    """Records made at NOW, of which some will dangle; and the clock they are swept by."""
    clock = Clock()
    provider = MemoryProvider(MemorySettings(), [BY_HAND, leftover()])
    service = records(provider, targets, clock)
    for name, kind, values in (
        ("fine.example.com", "CNAME", ("edge.example.net",)),
        ("lost.example.com", "CNAME", ("gone.example.net",)),
        ("mail.example.com", "MX", ("10 gone.example.net", "20 edge.example.net")),
        ("address.example.com", "A", ("192.0.2.1",)),
    ):
        await ensure(service, RecordKey(name, RecordType[kind]), RecordData(values, TTL))
    return service, provider, clock


async def test_a_sweep_removes_what_dangles_and_nothing_else():
    service, provider, clock = await dangling_records(targets := Gone())
    targets.hosts = frozenset({"gone.example.net"})
    clock.now += timedelta(minutes=59)
    assert await sweep(service) == {}
    clock.now += timedelta(minutes=2)
    found = {"left.example.com": Cause.RECORD_GONE, "lost.example.com": Cause.TARGET_MISSING}
    assert await sweep(service, tenant_id=OTHER) == {}
    assert await sweep(service, validate_only=True) == {name: (cause, False) for name, cause in found.items()}
    assert await sweep(service) == {name: (cause, True) for name, cause in found.items()}
    assert await names(service) == ["address.example.com", "fine.example.com", "mail.example.com"]
    assert (await provider.at(BY_HAND.key.name)).records == (BY_HAND,)
    assert await sweep(service) == {}


async def test_a_sweep_leaves_what_somebody_changes_meanwhile():
    service, provider, clock = await dangling_records(targets := Gone())
    targets.hosts = frozenset({"gone.example.net"})
    clock.now += timedelta(hours=2)
    key = RecordKey("lost.example.com", RecordType.CNAME)
    unhurried = provider.stamped

    async def stamped_then_changed():
        async for record in unhurried():
            if record.key == key:
                await ensure(service, key, RecordData(("edge.example.net",), TTL))
            yield record

    provider.stamped = stamped_then_changed
    assert (await sweep(service))[key.name] == (Cause.TARGET_MISSING, False)
    assert (await service.get(key, tenant_id=ACME)).data.values == ("edge.example.net",)


async def test_a_sweep_that_loses_a_race_leaves_the_record():
    service, provider, clock = await dangling_records(targets := Gone())
    targets.hosts = frozenset({"gone.example.net"})
    clock.now += timedelta(hours=2)

    async def changed(record, **_):
        raise refusals.changed(record.key)

    provider.remove = changed
    assert {removed for _, removed in (await sweep(service)).values()} == {False}


async def test_a_sweep_asks_once_for_a_target_that_many_records_have():
    service, _, clock = await dangling_records(targets := Gone())
    for index in range(5):
        await ensure(
            service, RecordKey(f"shop-{index}.example.com", RecordType.CNAME), RecordData(("edge.example.net",), TTL)
        )
    clock.now += timedelta(hours=2)
    targets.asked.clear()
    await sweep(service)
    assert sum("edge.example.net" in hosts for hosts in targets.asked) == 1
