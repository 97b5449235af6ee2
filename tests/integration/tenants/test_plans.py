"""Plans over the wire: made, changed, taken off the catalogue, listed; and who may write them."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from google.protobuf.duration_pb2 import Duration

from faults import Kind
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import catalog_service_pb2 as pb
from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import plan_pb2, quota_pb2

USERS = quota_pb2.Quota(name="users", soft_limit=80, hard_limit=100, reset_period="RESET_PERIOD_NEVER")
CALLS = quota_pb2.Quota(name="api_calls", hard_limit=2**63 - 1, reset_period="RESET_PERIOD_MONTHLY")
EVERYTHING = {
    "display_name": "Team Ω",
    "description": "For teams.",
    "tier": "TIER_SILO",
    "price_minor_units": 10**12,
    "currency": "CHF",
    "billing_cycle": "BILLING_CYCLE_QUARTERLY",
    "trial_period": Duration(seconds=31622400),
    "features": {"sso": "true", "support.level": "'; DROP TABLE plans; --"},
    "quotas": [USERS, CALLS],
    "dedicated_infrastructure": True,
    "approval_required": True,
}


def update(plan, *paths, etag="", request_id="", **fields):
    return pb.UpdatePlanRequest(
        plan_id=plan.plan_id, plan=fields, update_mask={"paths": paths}, etag=etag, request_id=request_id
    )


async def read(catalog, plan):
    return (await catalog.GetPlan(pb.GetPlanRequest(plan_id=plan.plan_id))).plan


async def told(events, plan):
    page = await events.ListEvents(event_pb.ListEventsRequest(aggregate_type="plan", aggregate_id=plan.plan_id))
    return [event.event_type for event in page.events]


async def test_a_plan_is_kept_as_it_was_given(catalog, plan, events):
    made = await plan(**EVERYTHING)
    wanted = plan_pb2.Plan(**EVERYTHING)
    for field, value in wanted.ListFields():
        assert getattr(made, field.name) == value
    assert (made.state, made.etag, made.HasField("archive_time")) == (plan_pb2.Plan.STATE_ACTIVE, "1", False)
    assert UUID(made.plan_id).version == 7
    assert made.create_time == made.update_time
    assert await read(catalog, made) == made
    assert await told(events, made) == ["plan.created"]


async def test_a_key_is_one_plans(catalog, plan, refused):
    made = await plan()
    with refused("PLAN_KEY_TAKEN", Kind.ALREADY_EXISTS, key=made.key):
        await plan(key=made.key)
    await catalog.ArchivePlan(pb.ArchivePlanRequest(plan_id=made.plan_id))
    with refused("PLAN_KEY_TAKEN", Kind.ALREADY_EXISTS, key=made.key):
        await plan(key=made.key)


async def test_two_who_want_a_key_at_once_do_not_both_get_it(plan):
    answers = await asyncio.gather(*(plan(key="wanted_by_all") for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, plan_pb2.Plan) for answer in answers) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", "New"), ("description", "New"), ("price_minor_units", 1), ("currency", "USD"),
        ("billing_cycle", plan_pb2.BILLING_CYCLE_ONCE), ("trial_period", Duration(seconds=60)),
        ("features", {"sso": "false"}), ("quotas", [USERS]), ("dedicated_infrastructure", True),
        ("approval_required", True),
    ],
)  # fmt: skip
async def test_each_field_is_changed_alone(catalog, plan, events, field, value):
    before = await plan()
    after = (await catalog.UpdatePlan(update(before, field, **{field: value}))).plan
    expected = plan_pb2.Plan(**{field: value})
    expected.MergeFrom(plan_pb2.Plan(etag="2", update_time=after.update_time))
    whole = plan_pb2.Plan()
    whole.CopyFrom(before)
    for name in (field, "etag", "update_time"):
        whole.ClearField(name)
    whole.MergeFrom(expected)
    assert after == whole == await read(catalog, before)
    assert await told(events, before) == ["plan.created", "plan.updated"]


async def test_what_the_mask_names_and_nobody_gives_is_taken_away(catalog, plan):
    made = await plan(**EVERYTHING)
    removable = ["description", "trial_period", "features", "quotas", "approval_required", "price_minor_units"]
    after = (await catalog.UpdatePlan(update(made, *removable))).plan
    assert not any(field.name in removable for field, _ in after.ListFields())
    assert after.display_name == made.display_name


async def test_without_a_mask_what_is_set_is_taken_and_what_cannot_change_ignored(catalog, plan):
    made = await plan()
    after = (await catalog.UpdatePlan(update(made, description="New", key="other", tier="TIER_SILO"))).plan
    assert (after.description, after.key, after.tier) == ("New", made.key, tier_pb2.TIER_POOLED)
    assert after.display_name == made.display_name


async def test_what_says_nothing_new_writes_nothing(catalog, plan):
    made = await plan(**EVERYTHING)
    fields = {field.name: value for field, value in plan_pb2.Plan(**EVERYTHING).ListFields()}
    assert (await catalog.UpdatePlan(update(made, **fields))).plan == made


@pytest.mark.parametrize("path", ["key", "tier", "state", "plan_id", "nonsense"])
async def test_what_cannot_be_changed_is_refused(catalog, plan, refused, path):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await catalog.UpdatePlan(update(await plan(), path))


@pytest.mark.parametrize("path", ["display_name", "currency", "billing_cycle"])
async def test_what_a_plan_needs_cannot_be_taken_away(catalog, plan, refused, path):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await catalog.UpdatePlan(update(await plan(), path))


async def test_a_write_over_what_was_not_read_is_refused(catalog, plan, refused):
    made = await plan()
    await catalog.UpdatePlan(update(made, description="first", etag=made.etag))
    with refused("ETAG_MISMATCH", Kind.ABORTED, etag="2"):
        await catalog.UpdatePlan(update(made, description="second", etag=made.etag))
    with refused("ETAG_MISMATCH", Kind.ABORTED, etag="2"):
        await catalog.ArchivePlan(pb.ArchivePlanRequest(plan_id=made.plan_id, etag=made.etag))
    assert (await read(catalog, made)).description == "first"


async def test_of_two_writes_at_once_under_one_etag_one_wins(catalog, plan):
    made = await plan()
    calls = [catalog.UpdatePlan(update(made, description=str(number), etag="1")) for number in range(8)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, pb.UpdatePlanResponse) for answer in answers) == 1
    assert (await read(catalog, made)).etag == "2"


async def test_an_archived_plan_stays_as_it_is(catalog, plan, events, refused):
    made = await plan()
    archived = (await catalog.ArchivePlan(pb.ArchivePlanRequest(plan_id=made.plan_id, etag=made.etag))).plan
    assert (archived.state, archived.HasField("archive_time")) == (plan_pb2.Plan.STATE_ARCHIVED, True)
    again = await catalog.ArchivePlan(pb.ArchivePlanRequest(plan_id=made.plan_id, etag=made.etag))
    assert again.plan == archived == await read(catalog, made)
    with refused("PLAN_ARCHIVED", Kind.CONFLICT, plan_id=made.plan_id):
        await catalog.UpdatePlan(update(made, description="New"))
    assert await told(events, made) == ["plan.created", "plan.archived"]


async def test_a_plan_that_is_none(catalog, refused):
    for call, request in (
        (catalog.GetPlan, pb.GetPlanRequest),
        (catalog.ArchivePlan, pb.ArchivePlanRequest),
        (catalog.UpdatePlan, lambda plan_id: pb.UpdatePlanRequest(plan_id=plan_id, plan={"currency": "USD"})),
    ):
        plan_id = str(uuid4())
        with refused("PLAN_NOT_FOUND", Kind.NOT_FOUND, plan_id=plan_id):
            await call(request(plan_id=plan_id))


async def test_a_repeat_answers_what_the_first_time_did(catalog, plan, refused):
    name, key = str(uuid4()), f"p{uuid4().hex}"
    made = await plan(key=key, request_id=name)
    change = update(made, description="New", etag=made.etag, request_id=str(uuid4()))
    changed = await catalog.UpdatePlan(change)
    archive = pb.ArchivePlanRequest(plan_id=made.plan_id, etag=changed.plan.etag, request_id=str(uuid4()))
    archived = await catalog.ArchivePlan(archive)
    assert await plan(key=key, request_id=name) == made
    assert await catalog.UpdatePlan(change) == changed
    assert await catalog.ArchivePlan(archive) == archived
    with refused("REQUEST_ID_REUSED", Kind.INVALID):
        await plan(key="another", request_id=name)


async def listed(catalog, **request):
    found, token = [], ""
    while True:
        page = await catalog.ListPlans(pb.ListPlansRequest(page_token=token, **request))
        found += page.plans
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.parametrize("size", [1, 3, 0])
async def test_plans_are_listed_by_key(catalog, plan, size):
    made = [await plan(tier="TIER_BRIDGE") for _ in range(4)]
    await catalog.ArchivePlan(pb.ArchivePlanRequest(plan_id=made[0].plan_id))
    bridges = await listed(catalog, tier="TIER_BRIDGE", page_size=size)
    keys = [one.key for one in bridges]
    assert keys == sorted(set(keys))
    assert {one.key for one in made[1:]} <= set(keys)
    assert made[0].key not in keys
    assert made[0].key in {one.key for one in await listed(catalog, tier="TIER_BRIDGE", show_archived=True)}
    assert {one.tier for one in bridges} == {tier_pb2.TIER_BRIDGE}
    assert len(await listed(catalog, page_size=size)) >= len(bridges)


async def test_plans_that_are_large_come_on_pages_that_fit(catalog, plan):
    features = {f"feature_{number}": "\U0001f600" * 256 for number in range(128)}
    large = {(await plan(tier="TIER_SILO", features=features)).plan_id for _ in range(30)}
    page = await catalog.ListPlans(pb.ListPlansRequest(tier="TIER_SILO", page_size=500))
    assert page.ByteSize() < 4 * 2**20
    assert page.next_page_token
    assert large <= {one.plan_id for one in await listed(catalog, tier="TIER_SILO")}


async def test_a_token_is_good_for_its_own_list_only(catalog, plan, refused):
    for _ in range(2):
        await plan()
    token = (await catalog.ListPlans(pb.ListPlansRequest(page_size=1))).next_page_token
    assert token
    for changed in (
        {"tier": "TIER_POOLED"},
        {"show_archived": True},
        {"page_token": "A" + token},
        {"page_token": ("A" if token[0] != "A" else "B") + token[1:]},
        {"page_token": "nonsense"},
    ):
        with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
            await catalog.ListPlans(pb.ListPlansRequest(**{"page_token": token, **changed}))


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"key": "Team"}, "key"),
        ({"key": "x" * 64}, "key"),
        ({"display_name": " \u202e "}, "display_name"),
        ({"display_name": "x" * 201}, "display_name"),
        ({"description": "x" * 2001}, "description"),
        ({"tier": 0}, "tier"),
        ({"price_minor_units": -1}, "price_minor_units"),
        ({"price_minor_units": 10**12 + 1}, "price_minor_units"),
        ({"currency": "eur"}, "currency"),
        ({"billing_cycle": 0}, "billing_cycle"),
        ({"billing_cycle": 99}, "billing_cycle"),
        ({"trial_period": Duration(seconds=-1)}, "trial_period"),
        ({"features": {"UPPER": "x"}}, "features['UPPER']"),
        ({"features": {"x": "x" * 257}}, "features['x']"),
        ({"quotas": [{"name": "users"}]}, "quotas[0].reset_period"),
        ({"quotas": [{"name": "Users", "reset_period": 1}]}, "quotas[0].name"),
        ({"quotas": [{"name": "users", "reset_period": 1, "hard_limit": -1}]}, "quotas[0].hard_limit"),
        ({"request_id": "none"}, "request_id"),
    ],
)
async def test_bounds_are_the_contracts(plan, refused, bad, field):
    with refused("REQUEST_INVALID", Kind.INVALID) as invalid:
        await plan(**bad)
    assert field in [violation.field for violation in invalid.fault.violations]


async def test_a_tenants_session_reads_plans_and_writes_none(records, plan, made):
    tenant_id, plan_id = (await made()).tenant_id, UUID((await plan()).plan_id)
    async with records.of(tenant_id) as tx:
        assert await tx.fetchval("SELECT true FROM plans WHERE plan_id = $1", plan_id)
        assert await tx.execute("UPDATE plans SET price_minor_units = 0") == "UPDATE 0"
        for write in (
            'INSERT INTO plans SELECT (jsonb_populate_record(p, \'{"key": "mine"}\')).* FROM plans AS p LIMIT 1',
            "DELETE FROM plans",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tx.transaction():
                    await tx.execute(write)
