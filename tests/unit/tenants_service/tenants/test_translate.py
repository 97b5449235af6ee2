from datetime import UTC, datetime

import pytest

from faults import Invalid
from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from tenants_service.names.model import Holder
from tenants_service.tenants.model import Branding, Changes, State, Tier
from tenants_service.tenants.service import KeyCheck
from tenants_service.tenants.translate import (
    changes_from,
    check_to,
    failure_to,
    state_from,
    state_to,
    tier_from,
    tier_to,
)

NOW = datetime(2026, 1, 31, tzinfo=UTC)
Obstacle = pb.CheckTenantKeyResponse.Obstacle


def test_every_state_and_tier_has_its_value():
    assert {state_from(state_to(state)) for state in State} == set(State)
    assert len(State) == len(tenant_pb2.TenantState.items()) - 1
    assert {tier_from(tier_to(tier)) for tier in Tier} == set(Tier)
    assert state_to(None) == tenant_pb2.TENANT_STATE_UNSPECIFIED


def test_a_mask_takes_what_it_names():
    request = pb.UpdateTenantRequest(
        tenant=tenant_pb2.Tenant(display_name="New", tags=["a"], metadata={"k": "v"}),
        update_mask={"paths": ["tags", "branding"]},
    )
    assert changes_from(request) == Changes(tags=("a",), branding=Branding())


@pytest.mark.parametrize("path", ["branding.locale", "metadata.a", "contacts.0.email", "display_name.x"])
def test_a_mask_that_names_a_part_of_a_field_is_refused(path):
    request = pb.UpdateTenantRequest(tenant=tenant_pb2.Tenant(tags=["a"]), update_mask={"paths": ["tags", path]})
    with pytest.raises(Invalid) as raised:
        changes_from(request)
    assert raised.value.reason == "REQUEST_INVALID"
    assert raised.value.violations[0].field == "update_mask"


def test_no_mask_takes_what_is_set():
    request = pb.UpdateTenantRequest(tenant=tenant_pb2.Tenant(display_name=" New ", key="ignored", metadata={"k": "v"}))
    assert changes_from(request) == Changes(display_name="New", metadata={"k": "v"})


@pytest.mark.parametrize(
    ("check", "obstacle"),
    [
        (KeyCheck("acme"), Obstacle.OBSTACLE_UNSPECIFIED),
        (KeyCheck("Acme", malformed=True), Obstacle.OBSTACLE_MALFORMED),
        (KeyCheck("admin", reserved=True), Obstacle.OBSTACLE_RESERVED),
        (KeyCheck("acme_", malformed=True, holder=Holder("acme")), Obstacle.OBSTACLE_TAKEN),
        (KeyCheck("acme", holder=Holder("acme", NOW)), Obstacle.OBSTACLE_QUARANTINED),
    ],
)
def test_an_obstacle_says_what_helps_most(check, obstacle):
    answer = check_to(check)
    assert (answer.obstacle, answer.available) == (obstacle, obstacle == Obstacle.OBSTACLE_UNSPECIFIED)
    assert bool(answer.rule) == check.malformed
    assert answer.HasField("quarantine_expire_time") == (obstacle == Obstacle.OBSTACLE_QUARANTINED)


def test_what_did_not_fail_has_no_failure():
    assert failure_to(None) is None
