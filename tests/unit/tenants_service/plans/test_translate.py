from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from faults import Invalid
from tenantmesh.tenants.v1 import catalog_service_pb2 as pb
from tenantmesh.tenants.v1 import plan_pb2
from tenants_service.plans.model import Changes, Cycle, Draft, Plan
from tenants_service.plans.translate import changes_from, draft_from, plan_to
from tenants_service.quotas.model import Quota, ResetPeriod
from tenants_service.tenants.model import Tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USERS = Quota("users", 8, 10, ResetPeriod.DAILY)
DRAFT = Draft(
    "team", "Team", Tier.SILO, "EUR", Cycle.MONTHLY, "For teams.", 9900, timedelta(days=14), {"sso": "true"}, (USERS,),
    dedicated_infrastructure=True, approval_required=True,
)  # fmt: skip
MESSAGE = {
    "display_name": "Team", "description": "For teams.", "price_minor_units": 9900, "currency": "EUR",
    "billing_cycle": "BILLING_CYCLE_MONTHLY", "trial_period": {"seconds": 14 * 86400}, "features": {"sso": "true"},
    "quotas": [{"name": "users", "soft_limit": 8, "hard_limit": 10, "reset_period": "RESET_PERIOD_DAILY"}],
    "dedicated_infrastructure": True, "approval_required": True,
}  # fmt: skip


def plan(**more):
    values = {name: getattr(DRAFT, name) for name in DRAFT.__slots__}
    return Plan(UUID(int=1), create_time=NOW, update_time=NOW, **values | more)


def test_a_request_becomes_a_draft():
    assert draft_from(pb.CreatePlanRequest(key="team", tier="TIER_SILO", **MESSAGE)) == DRAFT


def test_what_people_read_is_trimmed():
    request = pb.CreatePlanRequest(key="team", tier="TIER_SILO", **MESSAGE)
    request.display_name, request.description = "  Team ", " For teams.\n"
    assert draft_from(request) == DRAFT


@pytest.mark.parametrize("name", ["", "  ", "\u202e", "x" * 201])
def test_a_name_people_cannot_read_is_refused(name):
    request = pb.CreatePlanRequest(key="team", tier="TIER_SILO", **{**MESSAGE, "display_name": name})
    with pytest.raises(Invalid) as refused:
        draft_from(request)
    assert [violation.field for violation in refused.value.violations] == ["display_name"]


def test_a_plan_says_all_it_is():
    message = plan_to(plan())
    wanted = plan_pb2.Plan(
        plan_id=str(UUID(int=1)), key="team", tier="TIER_SILO", state="STATE_ACTIVE", etag="1",
        create_time=NOW, update_time=NOW, **MESSAGE,
    )  # fmt: skip
    assert message == wanted


def test_a_plan_says_only_what_it_has():
    message = plan_to(plan(trial_period=timedelta(0), archive_time=NOW))
    assert not message.HasField("trial_period")
    assert (message.state, message.archive_time.ToDatetime(UTC)) == (plan_pb2.Plan.STATE_ARCHIVED, NOW)


def test_a_change_is_what_the_mask_names():
    paths = list(Changes.__slots__)
    whole = pb.UpdatePlanRequest(plan=MESSAGE, update_mask={"paths": paths})
    assert changes_from(whole) == Changes(**{name: getattr(DRAFT, name) for name in paths})
    removed = changes_from(pb.UpdatePlanRequest(plan={}, update_mask={"paths": ["features", "quotas", "trial_period"]}))
    assert removed == Changes(features={}, quotas=(), trial_period=timedelta(0))


def test_without_a_mask_a_change_is_what_is_set():
    assert changes_from(pb.UpdatePlanRequest(plan={"description": "New"})) == Changes(description="New")
    assert changes_from(pb.UpdatePlanRequest(plan={"key": "other", "state": "STATE_ARCHIVED"})) == Changes()
