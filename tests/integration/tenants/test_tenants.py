"""Tenants over the wire: made, read, changed, protected, hidden and shown again."""

import asyncio
from uuid import uuid4

import pytest

from faults import Kind
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscription_pb
from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb

FULL = {
    "address": {"country": "CH", "address": "Bahnhofstrasse 1", "city": "Bern", "state": "BE", "zip": "3000"},
    "branding": {"logo_uri": "https://acme.example/logo.png", "primary_color": "#00ff00", "locale": "de-CH"},
    "metadata": {"crm/id": "4711", "note": "Ünïcode ✓"},
    "tags": ["development", "created:2026-01-31"],
    "protected": True,
}


def update(tenant, *paths, etag="", **fields):
    return pb.UpdateTenantRequest(
        tenant_id=tenant.tenant_id, tenant=tenant_pb2.Tenant(**fields), update_mask={"paths": paths}, etag=etag
    )


async def read(tenants, tenant_id):
    return (await tenants.GetTenant(pb.GetTenantRequest(tenant_id=tenant_id))).tenant


async def events(admin, tenant_id):
    rows = await admin.fetch(
        "SELECT event_type FROM domain_events WHERE aggregate_type = 'tenant' AND aggregate_id = $1 ORDER BY position",
        tenant_id,
    )
    return [row["event_type"] for row in rows]


async def test_what_an_operator_says_is_on_record(tenants, draft):
    request = draft(**FULL, tier="TIER_SILO", tenant_id=str(uuid4()))
    made = (await tenants.CreateTenant(request)).tenant
    assert made == await read(tenants, request.tenant_id)
    for field in ("tenant_id", "key", "display_name", "tier", "contacts", "domains", *FULL):
        assert getattr(made, field) == getattr(request, field), field
    assert made.state == tenant_pb2.TENANT_STATE_PENDING_PROVISION
    assert made.create_time == made.update_time


async def test_a_tenant_without_identifier_gets_one_of_version_7(made):
    assert (await made()).tenant_id[14] == "7"


async def test_a_tenant_is_found_by_each_of_its_names(tenants, made):
    tenant = await made()
    domain = tenant.domains[0]
    by_key = await tenants.GetTenantByKey(pb.GetTenantByKeyRequest(key=tenant.key))
    by_domain = await tenants.GetTenantByDomain(pb.GetTenantByDomainRequest(domain=f"{domain.upper()}."))
    assert by_key.tenant == by_domain.tenant == tenant


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("GetTenant", {"tenant_id": str(uuid4())}),
        ("GetTenantByKey", {"key": "nobody"}),
        ("GetTenantByDomain", {"domain": "nobody.example"}),
    ],
)
async def test_what_is_not_there_is_not_found(tenants, refused, method, name):
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, **name):
        await getattr(tenants, method)(getattr(pb, f"{method}Request")(**name))


async def test_a_subdomain_is_another_name(tenants, made, refused):
    tenant = await made()
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND):
        await tenants.GetTenantByDomain(pb.GetTenantByDomainRequest(domain=f"app.{tenant.domains[0]}"))


async def test_an_identifier_is_given_once(tenants, draft, made, refused):
    tenant = await made()
    with refused("TENANT_ID_TAKEN", Kind.ALREADY_EXISTS, tenant_id=tenant.tenant_id):
        await tenants.CreateTenant(draft(tenant_id=tenant.tenant_id))


async def test_two_that_make_one_key_at_once_make_one_tenant(tenants, draft):
    request = draft()
    answers = await asyncio.gather(*(tenants.CreateTenant(request) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(answer, pb.CreateTenantResponse) for answer in answers) == 1


async def test_a_rehearsal_makes_nothing(tenants, draft):
    request = draft(validate_only=True)
    for _ in range(2):
        rehearsed = (await tenants.CreateTenant(request)).tenant
        assert rehearsed.key == request.key
    request.validate_only = False
    assert (await tenants.CreateTenant(request)).tenant.key == request.key


async def test_a_child_has_a_parent(tenants, draft, made, refused):
    parent = await made()
    child = await made(parent_tenant_id=parent.tenant_id)
    assert child.parent_tenant_id == parent.tenant_id
    with refused("PARENT_TENANT_INVALID", Kind.CONFLICT, rule="is itself a child"):
        await tenants.CreateTenant(draft(parent_tenant_id=child.tenant_id))
    with refused("PARENT_TENANT_INVALID", Kind.CONFLICT, rule="is no tenant, or is gone"):
        await tenants.CreateTenant(draft(parent_tenant_id=str(uuid4())))
    gone = await made("CANCELLED")
    with refused("PARENT_TENANT_INVALID", Kind.CONFLICT):
        await tenants.CreateTenant(draft(parent_tenant_id=gone.tenant_id))


async def test_a_contact_writes_from_a_domain_of_the_tenant(tenants, draft, refused):
    ours = {"first_name": "A", "last_name": "B", "email": "a@ours.example", "primary": True}
    foreign = {"first_name": "A", "last_name": "B", "email": "a@sub.ours.example"}
    with refused("EMAIL_DOMAIN_FOREIGN", Kind.INVALID, field="contacts[1].email", domain="sub.ours.example"):
        await tenants.CreateTenant(draft(contacts=[ours, foreign], domains=["ours.example"]))


@pytest.mark.parametrize("primaries", [0, 2])
async def test_exactly_one_contact_is_the_primary_one(tenants, draft, refused, primaries):
    people = [{"first_name": "A", "last_name": "B", "email": "a@x.example", "primary": n < primaries} for n in range(2)]
    with refused("REQUEST_INVALID", Kind.INVALID) as bad:
        await tenants.CreateTenant(draft(contacts=people, domains=["x.example"]))
    assert [violation.rule for violation in bad.fault.violations] == ["tenant.primary_contact"]


async def test_an_update_changes_what_the_mask_names_and_nothing_else(tenants, made, admin):
    tenant = await made(**FULL)
    answer = await tenants.UpdateTenant(
        update(tenant, "display_name", "metadata", display_name="New", tags=["ignored"])
    )
    after = answer.tenant
    assert (after.display_name, dict(after.metadata), after.tags) == ("New", {}, FULL["tags"])
    assert after.etag != tenant.etag
    assert after.update_time.ToNanoseconds() > tenant.update_time.ToNanoseconds()
    assert after == await read(tenants, tenant.tenant_id)
    assert await events(admin, tenant.tenant_id) == ["tenant.created", "tenant.updated"]


async def test_an_update_without_mask_takes_what_is_set(tenants, made):
    tenant = await made(**FULL)
    after = (await tenants.UpdateTenant(update(tenant, tags=["other"], key="ignored"))).tenant
    assert (after.tags, after.key, after.metadata) == (["other"], tenant.key, tenant.metadata)


async def test_what_says_nothing_new_writes_nothing(tenants, made, admin):
    tenant = await made()
    after = (await tenants.UpdateTenant(update(tenant, "display_name", display_name=tenant.display_name))).tenant
    assert after == tenant
    assert await events(admin, tenant.tenant_id) == ["tenant.created"]


async def test_a_mask_with_anything_else_is_refused(tenants, made, refused):
    tenant = await made()
    with refused("REQUEST_INVALID", Kind.INVALID) as bad:
        await tenants.UpdateTenant(update(tenant, "state"))
    assert [violation.field for violation in bad.fault.violations] == ["update_mask"]


async def test_a_stale_writer_loses(tenants, made, refused):
    tenant = await made()
    first = (await tenants.UpdateTenant(update(tenant, display_name="One", etag=tenant.etag))).tenant
    with refused("ETAG_MISMATCH", Kind.ABORTED, etag=first.etag):
        await tenants.UpdateTenant(update(tenant, display_name="Two", etag=tenant.etag))
    assert (await tenants.UpdateTenant(update(tenant, display_name="Three"))).tenant.display_name == "Three"


async def test_of_many_writers_with_one_etag_one_wins(tenants, made):
    tenant = await made()
    requests = [update(tenant, display_name=f"Writer {number}", etag=tenant.etag) for number in range(8)]
    answers = await asyncio.gather(*map(tenants.UpdateTenant, requests), return_exceptions=True)
    (winner,) = [answer for answer in answers if isinstance(answer, pb.UpdateTenantResponse)]
    assert (await read(tenants, tenant.tenant_id)).display_name == winner.tenant.display_name


async def test_a_rehearsed_update_changes_nothing(tenants, made):
    tenant = await made()
    request = update(tenant, display_name="New")
    request.validate_only = True
    assert (await tenants.UpdateTenant(request)).tenant.display_name == "New"
    assert await read(tenants, tenant.tenant_id) == tenant


async def test_a_domain_is_found_before_it_is_proven_and_the_answer_says_so(tenants, made, admin):
    tenant = await made()
    request = pb.GetTenantByDomainRequest(domain=tenant.domains[0])
    assert not (await tenants.GetTenantByDomain(request)).domain_verified
    await admin.execute("UPDATE tenant_domains SET verify_time = now() WHERE domain = $1", request.domain)
    found = await tenants.GetTenantByDomain(request)
    assert (found.domain_verified, found.tenant.verified_domains) == (True, tenant.domains)


async def test_the_tier_is_settled_once_provisioning_begins(tenants, made, refused):
    tenant = await made()
    assert (await tenants.UpdateTenant(update(tenant, tier="TIER_SILO"))).tenant.tier == tier_pb2.TIER_SILO
    busy = await made("PROVISIONING")
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, state="PROVISIONING", allowed_states="PENDING_PROVISION"):
        await tenants.UpdateTenant(update(busy, tier="TIER_SILO"))


async def test_the_tier_is_that_of_what_the_tenant_has_subscribed_to(tenants, subscriptions, made, plan, refused):
    tenant, pooled, silo = await made(), await plan(), await plan(tier="TIER_SILO")
    whose = {"tenant_id": tenant.tenant_id}
    request = subscription_pb.CreateSubscriptionRequest(**whose, plan_id=pooled.plan_id)
    taken = (await subscriptions.CreateSubscription(request)).subscription
    with refused("PLAN_OF_ANOTHER_TIER", Kind.CONFLICT, plan_id=pooled.plan_id, tier="SILO"):
        await tenants.UpdateTenant(update(tenant, tier="TIER_SILO", display_name="Other"))
    assert (await tenants.GetTenant(pb.GetTenantRequest(**whose))).tenant == tenant
    named = {**whose, "subscription_id": taken.subscription_id}
    await subscriptions.CancelSubscription(subscription_pb.CancelSubscriptionRequest(**named, reason="another tier"))
    assert (await tenants.UpdateTenant(update(tenant, tier="TIER_SILO"))).tenant.tier == tier_pb2.TIER_SILO
    await subscriptions.CreateSubscription(
        subscription_pb.CreateSubscriptionRequest(**whose, plan_id=silo.plan_id, activate=True)
    )


async def test_what_is_gone_does_not_change(tenants, made, refused):
    gone = await made("CANCELLED")
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, state="CANCELLED"):
        await tenants.UpdateTenant(update(gone, display_name="New"))


async def test_domains_and_contacts_are_replaced_as_a_whole(tenants, made, refused):
    tenant, other = await made(), await made()
    first, second = tenant.domains[0], f"new-{tenant.domains[0]}"
    people = [{"first_name": "Eve", "last_name": "E", "email": f"eve@{second}", "primary": True}]
    with refused("EMAIL_DOMAIN_FOREIGN", Kind.INVALID):
        await tenants.UpdateTenant(update(tenant, domains=[second]))
    with refused("DOMAIN_TAKEN", Kind.ALREADY_EXISTS, domain=other.domains[0]):
        await tenants.UpdateTenant(update(tenant, domains=[second, other.domains[0]], contacts=people))
    after = (await tenants.UpdateTenant(update(tenant, domains=[second], contacts=people))).tenant
    assert (after.domains, after.contacts[0].first_name) == ([second], "Eve")
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND):
        await tenants.GetTenantByDomain(pb.GetTenantByDomainRequest(domain=first))
    # What the tenant gave up by its own will is anybody's at once.
    assert (await made(domains=[first], contacts=[{**people[0], "email": f"eve@{first}"}])).domains == [first]


async def test_two_tenants_that_want_each_others_domains_do_not_wait_for_ever(tenants, made):
    one, other = await made(), await made()
    wanted = [f"{one.key}.shared.example", f"{other.key}.shared.example"]
    answers = await asyncio.gather(
        tenants.UpdateTenant(update(one, domains=[*one.domains, *wanted])),
        tenants.UpdateTenant(update(other, domains=[*other.domains, *reversed(wanted)])),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, pb.UpdateTenantResponse) for answer in answers) == 1


async def test_the_mask_cannot_take_away_what_is_needed(tenants, made, refused):
    tenant = await made()
    for path in ("display_name", "contacts", "domains", "tier"):
        with refused("REQUEST_INVALID", Kind.INVALID) as bad:
            await tenants.UpdateTenant(update(tenant, path))
        assert [violation.rule for violation in bad.fault.violations] == [f"tenant.{path}"]


def protect(tenant, *, protected=True, etag=""):
    return pb.SetTenantProtectionRequest(tenant_id=tenant.tenant_id, protected=protected, reason="contract", etag=etag)


async def test_protection_is_set_and_lifted(tenants, made, admin):
    tenant = await made()
    assert (await tenants.SetTenantProtection(protect(tenant))).tenant.protected
    assert (await tenants.SetTenantProtection(protect(tenant))).tenant.protected  # again changes nothing
    assert not (await tenants.SetTenantProtection(protect(tenant, protected=False))).tenant.protected
    assert await events(admin, tenant.tenant_id) == ["tenant.created", "tenant.protected", "tenant.protection_lifted"]


async def test_it_is_too_late_to_protect(tenants, made, refused):
    tenant = await made("PROVISIONING", "ACTIVE", "DEPROVISIONING")
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, state="DEPROVISIONING"):
        await tenants.SetTenantProtection(protect(tenant))
    with refused("ETAG_MISMATCH", Kind.ABORTED):
        await tenants.SetTenantProtection(protect(tenant, etag="0"))


async def test_a_tenant_that_owns_nothing_is_hidden_and_shown_again(tenants, made, refused, admin):
    tenant = await made("CANCELLED")
    hidden = (await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=tenant.tenant_id))).tenant
    assert hidden.delete_time.seconds
    assert (await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=tenant.tenant_id, etag="0"))).tenant == hidden
    assert await read(tenants, tenant.tenant_id) == hidden
    for method, name in (("GetTenantByKey", {"key": tenant.key}), ("GetTenantByDomain", {"domain": tenant.domains[0]})):
        with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND):
            await getattr(tenants, method)(getattr(pb, f"{method}Request")(**name))
    shown = (await tenants.RestoreTenant(pb.RestoreTenantRequest(tenant_id=tenant.tenant_id))).tenant
    assert (shown.delete_time.seconds, shown.state, shown.domains) == (0, tenant.state, tenant.domains)
    assert (await tenants.RestoreTenant(pb.RestoreTenantRequest(tenant_id=tenant.tenant_id))).tenant == shown
    assert (await tenants.GetTenantByKey(pb.GetTenantByKeyRequest(key=tenant.key))).tenant == shown
    assert (await events(admin, tenant.tenant_id))[-2:] == ["tenant.deleted", "tenant.restored"]


async def test_names_of_a_hidden_tenant_may_be_gone_when_it_is_to_be_shown(tenants, made, refused):
    tenant = await made("CANCELLED")
    await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=tenant.tenant_id))
    people = [{"first_name": "Eve", "last_name": "E", "email": f"eve@{tenant.domains[0]}", "primary": True}]
    thief = await made(domains=tenant.domains, contacts=people)
    with refused("DOMAIN_TAKEN", Kind.ALREADY_EXISTS):
        await tenants.RestoreTenant(pb.RestoreTenantRequest(tenant_id=tenant.tenant_id))
    other = await made("CANCELLED")
    await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=other.tenant_id))
    await made(key=other.key)
    with refused("TENANT_KEY_TAKEN", Kind.ALREADY_EXISTS, key=other.key):
        await tenants.RestoreTenant(pb.RestoreTenantRequest(tenant_id=other.tenant_id))
    assert thief.domains == tenant.domains


async def test_what_is_in_use_is_not_hidden(tenants, made, refused):
    tenant = await made("PROVISIONING", "ACTIVE")
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, state="ACTIVE", allowed_states="CANCELLED,INACTIVE"):
        await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=tenant.tenant_id))
    shielded = await made("CANCELLED", protected=True)
    with refused("TENANT_PROTECTED", Kind.CONFLICT):
        await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=shielded.tenant_id))
    with refused("ETAG_MISMATCH", Kind.ABORTED):
        await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=shielded.tenant_id, etag="0"))


async def test_a_parent_outlives_its_children(tenants, made, refused):
    parent = await made()
    child = await made(parent_tenant_id=parent.tenant_id)
    for tenant in (parent, child):
        await tenants.TransitionTenant(
            pb.TransitionTenantRequest(tenant_id=tenant.tenant_id, state="TENANT_STATE_CANCELLED")
        )
    with refused("TENANT_HAS_CHILDREN", Kind.CONFLICT, children="1"):
        await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=parent.tenant_id))
    await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=child.tenant_id))
    assert (await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=parent.tenant_id))).tenant.delete_time.seconds


@pytest.mark.parametrize(
    "request_of",
    [
        lambda name: pb.UpdateTenantRequest(**name, tenant={"display_name": "x"}),
        lambda name: pb.DeleteTenantRequest(**name),
        lambda name: pb.RestoreTenantRequest(**name),
        lambda name: pb.SetTenantProtectionRequest(**name, protected=True, reason="x"),
        lambda name: pb.TransitionTenantRequest(**name, state="TENANT_STATE_ACTIVE"),
        lambda name: pb.RecordTenantTierRequest(**name, tier="TIER_SILO", operation_id="op-1"),
        lambda name: pb.ListTransitionsRequest(**name),
    ],
)
async def test_nothing_is_made_of_a_tenant_that_is_none(tenants, refused, request_of):
    request = request_of({"tenant_id": str(uuid4())})
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, tenant_id=request.tenant_id):
        await getattr(tenants, type(request).__name__.removesuffix("Request"))(request)


async def test_a_caller_of_one_tenant_reads_no_other(guarded, made, refused, bearer):
    tenant, other = await made(), await made()
    mine = bearer("tenants.tenants.*", tenant_id=tenant.tenant_id)
    request = pb.GetTenantRequest(tenant_id=tenant.tenant_id)
    assert (await guarded.tenants.GetTenant(request, metadata=mine)).tenant == tenant
    for method, foreign in (
        ("GetTenant", pb.GetTenantRequest(tenant_id=other.tenant_id)),
        ("ListTenants", pb.ListTenantsRequest()),
        ("GetTenantByKey", pb.GetTenantByKeyRequest(key=other.key)),
        ("UpdateTenant", update(other, display_name="Mine")),
    ):
        with refused("TENANT_MISMATCH", Kind.DENIED):
            await getattr(guarded.tenants, method)(foreign, metadata=mine)
    with refused("PERMISSION_MISSING", Kind.DENIED, permission="tenants.tenants.read"):
        await guarded.tenants.GetTenant(request, metadata=bearer("tenants.tenants.list"))
