"""Lists: every filter, every order, pages that neither skip nor repeat, tokens nobody else can make."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from faults import Kind
from tenantmesh.tenants.v1 import lead_service_pb2 as lead_pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb

NAMES = ["alpha", "Bravo", "charlie", "Delta", "echo", "foxtrot", "golf"]
ORDERS = [
    f"{name}{direction}"
    for name in ("create_time", "update_time", "key", "display_name")
    for direction in ("", " desc")
]


@pytest_asyncio.fixture(scope="module")
async def population(tenants):
    """Some tenants of each kind."""
    made = []
    for number, name in enumerate(NAMES):
        domain = f"{name.lower()}.example"
        person = {"first_name": "A", "last_name": "B", "email": f"a@{domain}", "primary": True}
        request = pb.CreateTenantRequest(
            key=f"{name.lower()}-{number % 3}",
            display_name=name,
            tier="TIER_SILO" if number % 2 else "TIER_POOLED",
            contacts=[person],
            domains=[domain],
            tags=[f"number:{number}", "test"] if number else [],
            parent_tenant_id=made[0].tenant_id if number > 4 else "",
        )
        made.append((await tenants.CreateTenant(request)).tenant)
    for tenant in made[:3]:
        request = pb.TransitionTenantRequest(
            tenant_id=tenant.tenant_id, state="TENANT_STATE_PROVISIONING", operation_id="op-7"
        )
        await tenants.TransitionTenant(request)
    gone = made.pop()
    await tenants.TransitionTenant(pb.TransitionTenantRequest(tenant_id=gone.tenant_id, state="TENANT_STATE_CANCELLED"))
    await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=gone.tenant_id))
    return [(await tenants.GetTenant(pb.GetTenantRequest(tenant_id=tenant.tenant_id))).tenant for tenant in made]


async def listed(tenants, **request):
    return list((await tenants.ListTenants(pb.ListTenantsRequest(**request))).tenants)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "alpha Bravo charlie Delta echo foxtrot"),
        ('state = "PROVISIONING"', "alpha Bravo charlie"),
        ('state = "ACTIVE"', ""),
        ('tier = "SILO"', "Bravo Delta foxtrot"),
        ('tier = "SILO" AND state = "PROVISIONING"', "Bravo"),
        ('key = "echo-1"', "echo"),
        ('domain = "delta.example"', "Delta"),
        ('domain = "DELTA.Example."', "Delta"),
        ('tag = "test"', "Bravo charlie Delta echo foxtrot"),
        ('tag = "test" AND tag = "number:3"', "Delta"),
        ('operation_id = "op-7"', "alpha Bravo charlie"),
        ('create_time >= "2020-01-01T00:00:00Z"', "alpha Bravo charlie Delta echo foxtrot"),
        ('create_time < "2020-01-01T00:00:00Z"', ""),
        ('key = "\' OR true --"', ""),
        (r'key = "\"; DROP TABLE tenants; --"', ""),
    ],
)
async def test_a_filter_narrows(tenants, population, text, names):
    found = await listed(tenants, filter=text, order_by="create_time")
    assert [tenant.display_name for tenant in found] == names.split()
    assert all(tenant in population for tenant in found)


async def test_a_filter_finds_children_and_moments(tenants, population):
    parent = population[0]
    assert [one.display_name for one in await listed(tenants, filter=f'parent_tenant_id = "{parent.tenant_id}"')] == [
        "foxtrot"
    ]
    moment = population[2].create_time.ToDatetime(UTC)
    text = f'create_time > "{moment.isoformat()}" AND update_time <= "{(moment + timedelta(days=1)).isoformat()}"'
    assert [one.display_name for one in await listed(tenants, filter=text, order_by="key")] == [
        "Delta",
        "echo",
        "foxtrot",
    ]
    assert len(await listed(tenants, filter=f'create_time = "{moment.isoformat()}"')) == 1


@pytest.mark.parametrize(
    "text",
    ["state", 'state = "BROKEN"', 'domain = "no host"', 'colour = "red"', 'key > "a"', 'state = "ACTIVE" OR key = "a"'],
)
async def test_what_is_not_understood_is_refused(tenants, refused, text):
    with refused("FILTER_INVALID", Kind.INVALID) as bad:
        await listed(tenants, filter=text)
    assert {"position", "expected"} <= bad.fault.facts.keys()
    assert [violation.field for violation in bad.fault.violations] == ["filter"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 2, 5])
async def test_pages_show_everything_once_in_their_order(tenants, population, order, size):
    whole = await listed(tenants, order_by=order)
    name, _, direction = order.partition(" ")
    values = [getattr(tenant, name) for tenant in whole]
    if name.endswith("time"):
        values = [value.ToNanoseconds() for value in values]
    assert values == sorted(values, reverse=bool(direction))
    assert len(whole) == len(population)
    pages, token = [], ""
    while True:
        page = await tenants.ListTenants(pb.ListTenantsRequest(order_by=order, page_size=size, page_token=token))
        assert 1 <= len(page.tenants) <= size
        pages += page.tenants
        token = page.next_page_token
        if not token:
            break
    assert pages == whole


async def test_the_newest_come_first_unless_said_otherwise(tenants, population):
    assert [tenant.key for tenant in await listed(tenants)] == [tenant.key for tenant in reversed(population)]


async def test_pages_hold_while_others_write(tenants, population, draft):
    first = await tenants.ListTenants(pb.ListTenantsRequest(order_by="create_time", page_size=3, filter='tag = "test"'))
    added = (await tenants.CreateTenant(draft(tags=["test"]))).tenant
    rest = await tenants.ListTenants(
        pb.ListTenantsRequest(
            order_by="create_time", page_size=500, filter='tag = "test"', page_token=first.next_page_token
        )
    )
    assert [*first.tenants, *rest.tenants] == [*population[1:], added]
    await tenants.TransitionTenant(
        pb.TransitionTenantRequest(tenant_id=added.tenant_id, state="TENANT_STATE_CANCELLED")
    )
    await tenants.DeleteTenant(pb.DeleteTenantRequest(tenant_id=added.tenant_id))


async def test_a_deleted_tenant_is_listed_only_where_it_is_asked_for(tenants, population):
    shown = await listed(tenants, show_deleted=True, filter='domain = "golf.example"')
    assert [tenant.display_name for tenant in shown] == ["golf"]
    assert shown[0].delete_time.seconds
    assert len(await listed(tenants, show_deleted=True)) > len(population)


async def test_a_token_is_good_for_its_own_list_only(tenants, leads, population, refused, application):
    page = await tenants.ListTenants(pb.ListTenantsRequest(page_size=1, filter='tag = "test"'))
    token = page.next_page_token
    for changed in (
        {"filter": ""},
        {"filter": 'tag = "test"', "order_by": "key"},
        {"filter": 'tag = "test"', "show_deleted": True},
        {"filter": 'tag = "test"', "page_token": ("A" if token[0] != "A" else "B") + token[1:]},
        {"filter": 'tag = "test"', "page_token": "A" + token},
        {"filter": 'tag = "test"', "page_token": "nonsense"},
        {"filter": 'tag = "test"', "page_token": "é" * 10},
    ):
        with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
            await listed(tenants, **{"page_token": token, **changed})
    await leads.CreateLead(application())
    with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
        await leads.ListLeads(lead_pb.ListLeadsRequest(page_token=token))
    with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
        await tenants.ListTransitions(pb.ListTransitionsRequest(tenant_id=population[0].tenant_id, page_token=token))


async def test_a_page_of_one_history_is_no_page_of_another(tenants, population, refused):
    one, other = population[0], population[1]
    page = await tenants.ListTransitions(pb.ListTransitionsRequest(tenant_id=one.tenant_id, page_size=1))
    with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
        await tenants.ListTransitions(
            pb.ListTransitionsRequest(tenant_id=other.tenant_id, page_token=page.next_page_token)
        )


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 501}, "page_size"),
        ({"order_by": "state"}, "order_by"),
        ({"filter": "x" * 1025}, "filter"),
    ],
)
async def test_bounds_are_the_contracts(tenants, refused, bad, field):
    with refused("REQUEST_INVALID", Kind.INVALID) as invalid:
        await listed(tenants, **bad)
    assert [violation.field for violation in invalid.fault.violations] == [field]


async def test_a_page_of_large_tenants_is_cut_where_a_message_ends(tenants, made):
    largest = {f"key-{number}": "\U0001f600" * 2048 for number in range(64)}
    keys = [(await made(metadata=largest, tags=["large"])).key for _ in range(10)]
    found, token = [], None
    while token != "":
        request = pb.ListTenantsRequest(filter='tag = "large"', order_by="create_time", page_token=token or "")
        page = await tenants.ListTenants(request)
        assert 1 <= len(page.tenants) < len(keys)
        found += [tenant.key for tenant in page.tenants]
        token = page.next_page_token
    assert found == keys


async def test_leads_are_listed_the_newest_first(leads, sign_up, application):
    before = datetime.now(UTC)
    new = [await leads.CreateLead(application(company_name=f"Company {number}")) for number in range(3)]
    verified = await sign_up(company_name="Company 3")

    async def ids(text, **more):
        page = await leads.ListLeads(lead_pb.ListLeadsRequest(filter=text, **more))
        return [lead.lead_id for lead in page.leads]

    since = f'create_time >= "{before.isoformat()}"'
    newest = [verified.lead_id, *(lead.lead_id for lead in reversed(new))]
    assert await ids(since) == newest
    assert await ids(f'{since} AND state = "VERIFIED"') == newest[:1]
    assert await ids(f'email = " {verified.email.upper()} "') == newest[:1]
    assert await ids(f'{since} AND company_name = "Company 1"') == newest[2:3]
    page = await leads.ListLeads(lead_pb.ListLeadsRequest(filter=since, page_size=3))
    assert [lead.lead_id for lead in page.leads] == newest[:3]
    assert await ids(since, page_token=page.next_page_token) == newest[3:]
