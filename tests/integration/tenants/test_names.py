"""Keys and domains: who can have which, and when."""

import asyncio
from datetime import UTC

import pytest

from faults import Kind
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb

Obstacle = pb.CheckTenantKeyResponse.Obstacle
SETTINGS = {"TENANT_RESERVED_KEYS": "our-brand", "TENANT_KEY_QUARANTINE": "30d"}
GONE = ("PROVISIONING", "ACTIVE", "DEPROVISIONING", "INACTIVE")


async def check(tenants, key):
    return await tenants.CheckTenantKey(pb.CheckTenantKeyRequest(key=key))


def with_domain(domain, **more):
    person = {"first_name": "Ada", "last_name": "L", "email": f"ada@{domain}", "primary": True}
    return {"domains": [domain], "contacts": [person], **more}


async def test_a_free_key_can_be_had(tenants, draft):
    answer = await check(tenants, "brand-new")
    assert (answer.available, answer.obstacle, answer.rule, answer.suggestions) == (True, 0, "", [])
    assert (await tenants.CreateTenant(draft(key="brand-new"))).tenant.key == "brand-new"


@pytest.mark.parametrize(("key", "similar"), [("ab--corp", "ab-corp"), ("xn--acme", "xn-acme"), ("admin", "admin-2")])
async def test_a_reserved_key_comes_with_suggestions_that_can_be_had(tenants, key, similar):
    answer = await tenants.CheckTenantKey(pb.CheckTenantKeyRequest(key=key))
    assert answer.obstacle == pb.CheckTenantKeyResponse.OBSTACLE_RESERVED
    assert answer.suggestions[0] == similar
    for suggestion in answer.suggestions:
        assert (await tenants.CheckTenantKey(pb.CheckTenantKeyRequest(key=suggestion))).available


async def test_a_taken_key_comes_with_suggestions_that_can_be_had(tenants, made):
    for key in ("acme-corp", "acme-corp-2", "acme-corp-4"):
        await made(key=key)
    answer = await check(tenants, "acme-corp")
    assert (answer.available, answer.obstacle) == (False, Obstacle.OBSTACLE_TAKEN)
    assert answer.suggestions == ["acme-corp-3", "acme-corp-5", "acme-corp-6", "acme-corp-7", "acme-corp-8"]
    for suggestion in answer.suggestions:
        assert (await made(key=suggestion)).key == suggestion


async def test_what_leads_to_the_same_names_is_taken(tenants, made, draft, refused):
    await made(key="coll-ision")
    for wish in ("coll-ision", "coll_ision", "Coll Ision", "coll--ision", " coll-ision! "):
        answer = await check(tenants, wish)
        assert (answer.available, answer.obstacle) == (False, Obstacle.OBSTACLE_TAKEN)
    with refused("TENANT_KEY_TAKEN", Kind.ALREADY_EXISTS, key="coll--ision"):
        await tenants.CreateTenant(draft(key="coll--ision"))


@pytest.mark.parametrize("key", ["admin", "www", "xn--acme", "our-brand", "our--brand"])
async def test_a_reserved_key_is_nobodys(tenants, draft, refused, key):
    answer = await check(tenants, key)
    assert (answer.available, answer.obstacle) == (False, Obstacle.OBSTACLE_RESERVED)
    with refused("TENANT_KEY_RESERVED", Kind.INVALID, key=key):
        await tenants.CreateTenant(draft(key=key))


@pytest.mark.parametrize("name", ["Ümläut & Partner", "9lives", "日本", "'; DROP TABLE tenants; --", "a" * 200])
async def test_a_name_that_is_no_key_gets_keys_suggested(tenants, name):
    answer = await check(tenants, name)
    assert (answer.available, answer.obstacle) == (False, Obstacle.OBSTACLE_MALFORMED)
    assert answer.rule
    assert bool(answer.suggestions) == (name != "日本")
    for suggestion in answer.suggestions:
        assert (await check(tenants, suggestion)).available


async def test_a_released_key_rests_before_somebody_else_gets_it(tenants, made, draft, refused, clock):
    gone = await made(*GONE)
    until = gone.quarantine_expire_time.ToDatetime(UTC)
    answer = await check(tenants, gone.key)
    assert (answer.available, answer.obstacle) == (False, Obstacle.OBSTACLE_QUARANTINED)
    assert answer.quarantine_expire_time == gone.quarantine_expire_time
    with refused("TENANT_KEY_QUARANTINED", Kind.CONFLICT, key=gone.key, quarantine_expire_time=until.isoformat()):
        await tenants.CreateTenant(draft(key=gone.key))
    with refused("DOMAIN_TAKEN", Kind.ALREADY_EXISTS, domain=gone.domains[0]):
        await tenants.CreateTenant(draft(**with_domain(gone.domains[0])))
    clock.forward(days=30)
    assert (await check(tenants, gone.key)).available
    heir = await made(key=gone.key, **with_domain(gone.domains[0]))
    found = await tenants.GetTenantByKey(pb.GetTenantByKeyRequest(key=gone.key))
    assert found.tenant == heir
    assert (await tenants.GetTenant(pb.GetTenantRequest(tenant_id=gone.tenant_id))).tenant.domains == gone.domains


async def test_what_was_never_in_use_does_not_rest(tenants, made):
    cancelled = await made("CANCELLED")
    assert (await check(tenants, cancelled.key)).obstacle == Obstacle.OBSTACLE_TAKEN
    await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=cancelled.tenant_id))
    assert (await made(key=cancelled.key, **with_domain(cancelled.domains[0]))).key == cancelled.key


async def test_a_domain_is_one_tenants(tenants, made, draft, refused):
    await made(**with_domain("bücher.example"))
    for again in ("xn--bcher-kva.example", "BÜCHER.example.", "bu\u0308cher.example"):
        with refused("DOMAIN_TAKEN", Kind.ALREADY_EXISTS, domain="xn--bcher-kva.example"):
            await tenants.CreateTenant(draft(**with_domain(again)))
    found = await tenants.GetTenantByDomain(pb.GetTenantByDomainRequest(domain="Bücher.Example"))
    assert found.tenant.domains == ["xn--bcher-kva.example"]


async def test_of_many_that_claim_a_released_key_at_once_one_gets_it(tenants, made, draft, clock):
    gone = await made(*GONE)
    clock.forward(days=31)
    answers = await asyncio.gather(
        *(tenants.CreateTenant(draft(key=gone.key)) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(answer, pb.CreateTenantResponse) for answer in answers) == 1


async def test_a_refused_tenant_holds_no_name(tenants, made, draft, refused):
    other = await made()
    request = draft(domains=["free.example", other.domains[0]])
    with refused("EMAIL_DOMAIN_FOREIGN", Kind.INVALID):
        await tenants.CreateTenant(request)
    request = draft(**with_domain("free.example"))
    request.domains.append(other.domains[0])
    with refused("DOMAIN_TAKEN", Kind.ALREADY_EXISTS, domain=other.domains[0]):
        await tenants.CreateTenant(request)
    assert (await check(tenants, request.key)).available
    assert (await made(**with_domain("free.example"))).domains == ["free.example"]
