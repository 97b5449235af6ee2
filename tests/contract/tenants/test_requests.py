"""What the requests of the tenants service take and refuse, and how they look in JSON."""

import protovalidate
import pytest
from google.protobuf import json_format

from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import (
    catalog_service_pb2,
    contact_pb2,
    event_service_pb2,
    invitation_service_pb2,
    lead_service_pb2,
    outbox_service_pb2,
    quota_pb2,
    resource_service_pb2,
    subscription_service_pb2,
    tenant_pb2,
    tenant_service_pb2,
)

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
ADDRESS = {"country": "US", "address": "123 Main St", "city": "San Francisco", "state": "CA", "zip": "94102"}
LEAD = {
    "email": "admin@example.com",
    "firstName": "John",
    "lastName": "Doe",
    "companyName": "Example Corp",
    "address": ADDRESS,
}
ADA = contact_pb2.Contact(first_name="Ada", last_name="Byron", email="ada@example.com", primary=True)
BOB = contact_pb2.Contact(first_name="Bob", last_name="Ross", email="bob@example.com")


def broken_rules(message):
    """The field and the rule of each violation; the rule alone where it is about the whole message."""
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        return {":".join([*path(violation.proto.field), violation.proto.rule_id]) for violation in error.violations}
    return set()


def path(field):
    return [element.field_name for element in field.elements] if field else []


def create_tenant(**changes):
    fields = {
        "key": "acme-corp",
        "display_name": "Acme",
        "tier": tier_pb2.TIER_POOLED,
        "contacts": [ADA, BOB],
        "domains": ["example.com"],
    }
    return tenant_service_pb2.CreateTenantRequest(**{**fields, **changes})


# ------------------------------------------------------------------------------------------------------------- leads
def test_a_lead_is_asked_for_in_the_json_its_callers_know():
    request = json_format.ParseDict(LEAD, lead_service_pb2.CreateLeadRequest())
    assert broken_rules(request) == set()
    assert json_format.MessageToDict(request) == LEAD


def test_the_answers_to_a_visitor_have_the_names_their_callers_know():
    made = lead_service_pb2.CreateLeadResponse(lead_id=ID, key="k")
    verified = lead_service_pb2.VerifyLeadResponse(lead_id=ID, token="t")
    converted = lead_service_pb2.ConvertLeadResponse(tenant_id=ID, key="companykey", status="PENDING_PROVISION")
    assert json_format.MessageToDict(made) == {"id": ID, "key": "k"}
    assert json_format.MessageToDict(verified) == {"id": ID, "token": "t"}
    assert json_format.MessageToDict(converted) == {"id": ID, "key": "companykey", "status": "PENDING_PROVISION"}


def test_a_lead_is_converted_by_key_and_domains_alone():
    body = {"key": "companykey", "domains": ["example.com"]}
    request = json_format.ParseDict(body, lead_service_pb2.ConvertLeadRequest(lead_id=ID))
    assert broken_rules(request) == set()


def test_the_lead_is_the_only_primary_contact():
    request = lead_service_pb2.ConvertLeadRequest(lead_id=ID, key="acme", domains=["example.com"], contacts=[BOB, ADA])
    assert broken_rules(request) == {"contacts:contact.not_primary"}


@pytest.mark.parametrize("email", ["a@b", " Admin@Example.COM ", "o'brien+x@sub.example.com"])
def test_an_address_may_need_trimming(email):
    assert broken_rules(json_format.ParseDict({**LEAD, "email": email}, lead_service_pb2.CreateLeadRequest())) == set()


@pytest.mark.parametrize(
    ("email", "rule"),
    [
        ("", "email:string.min_len"),
        ("admin", "email:string.pattern"),
        ("a@b@c", "email:string.pattern"),
        ("a b@example.com", "email:string.pattern"),
        (f"{'a' * 250}@b.c", None),
        (f"{'a' * 251}@b.c", "email:string.max_len"),
    ],
)
def test_an_address_is_bounded(email, rule):
    broken = broken_rules(json_format.ParseDict({**LEAD, "email": email}, lead_service_pb2.CreateLeadRequest()))
    assert broken >= ({rule} if rule else set())
    assert bool(broken) == bool(rule)


# ----------------------------------------------------------------------------------------------------------- tenants
@pytest.mark.parametrize("key", ["abc", "acme-corp", "a-0", "a--b", "a" * 31])
def test_a_key_is_taken(key):
    assert broken_rules(create_tenant(key=key)) == set()


@pytest.mark.parametrize("key", ["", "ab", "Acme", "1acme", "-acme", "acme-", "acme_corp", "acmé", "a" * 32, "acme\n"])
def test_a_key_is_refused(key):
    assert "key:string.pattern" in broken_rules(create_tenant(key=key))


@pytest.mark.parametrize("contacts", [[BOB], [ADA, ADA]])
def test_a_tenant_has_exactly_one_primary_contact(contacts):
    assert broken_rules(create_tenant(contacts=contacts)) == {"tenant.primary_contact"}


def test_a_tenant_needs_a_tier():
    assert broken_rules(create_tenant(tier=0)) == {"tier:enum.not_in"}


def test_domains_are_different():
    assert broken_rules(create_tenant(domains=["example.com"] * 2)) == {"domains:repeated.unique"}


def update_tenant(*paths, **fields):
    request = tenant_service_pb2.UpdateTenantRequest(tenant_id=ID, tenant=tenant_pb2.Tenant(**fields))
    request.update_mask.paths.extend(paths)
    return request


@pytest.mark.parametrize("field", ["logo_uri", "icon_uri"])
def test_a_picture_is_somewhere_on_the_web(field):
    for address in ("https://acme.example/logo.png", "http://acme.example/l", ""):
        assert not broken_rules(tenant_pb2.Branding(**{field: address}))
    for address in ("javascript:alert(1)", "data:text/html,x", "//acme.example/l", "ftp://acme.example/l"):
        assert broken_rules(tenant_pb2.Branding(**{field: address}))


def test_a_tenant_is_updated_in_part():
    assert broken_rules(update_tenant("display_name", display_name="Acme")) == set()
    assert broken_rules(update_tenant(tags=["development", "created:2026-01-31"])) == set()


@pytest.mark.parametrize("path", ["state", "key", "tenant_id", "parent_tenant_id", "nonsense", "*"])
def test_what_cannot_be_updated_is_refused(path):
    assert broken_rules(update_tenant(path)) == {"update_mask:field_mask.in"}


@pytest.mark.parametrize("path", ["display_name", "contacts", "domains", "tier"])
def test_what_a_tenant_needs_cannot_be_taken_away(path):
    assert broken_rules(update_tenant(path)) == {f"tenant.{path}"}


def transition(state, **fields):
    return tenant_service_pb2.TransitionTenantRequest(tenant_id=ID, state=f"TENANT_STATE_{state}", **fields)


def test_shutting_out_needs_a_reason():
    assert broken_rules(transition("SUSPENDED")) == {"transition.suspension_reason"}
    assert broken_rules(transition("SUSPENDED", suspension_reason="billing")) == set()


@pytest.mark.parametrize("state", ["PROVISION_FAILED", "DEPROVISION_FAILED"])
def test_a_failure_has_a_step_and_a_cause(state):
    assert broken_rules(transition(state)) == {"transition.failure"}
    assert broken_rules(transition(state, failed_step="schema")) == {"transition.failure"}
    assert broken_rules(transition(state, failed_step="schema", root_cause="The database is full.")) == set()


def test_what_did_not_fail_has_no_failure():
    broken = broken_rules(transition("ACTIVE", failed_step="schema", root_cause="The database is full."))
    assert broken == {"transition.failure"}


# -------------------------------------------------------------------------------------- catalogue and subscriptions
def create_plan(*quotas):
    return catalog_service_pb2.CreatePlanRequest(
        key="team_yearly",
        display_name="Team",
        tier=tier_pb2.TIER_POOLED,
        currency="EUR",
        billing_cycle="BILLING_CYCLE_YEARLY",
        quotas=quotas,
    )


def quota(name="users", **limits):
    return quota_pb2.Quota(name=name, reset_period="RESET_PERIOD_NEVER", **limits)


def test_a_plan_counts_each_thing_once():
    assert broken_rules(create_plan(quota("users"), quota("seats"))) == set()
    assert broken_rules(create_plan(quota("users"), quota("users"))) == {"plan.quota_names"}


def test_a_soft_limit_is_not_above_the_hard_one():
    assert broken_rules(create_plan(quota(soft_limit=9))) == set()
    assert broken_rules(create_plan(quota(soft_limit=9, hard_limit=9))) == set()
    assert broken_rules(create_plan(quota(soft_limit=9, hard_limit=8))) == {"quotas:quota.soft_below_hard"}


def test_a_subscription_ends_after_it_begins():
    request = subscription_service_pb2.CreateSubscriptionRequest(tenant_id=ID, plan_id=ID)
    assert broken_rules(request) == set()
    request.start_time.FromJsonString("2026-01-01T00:00:00Z")
    assert broken_rules(request) == set()
    request.end_time.FromJsonString("2026-01-01T00:00:00Z")
    assert broken_rules(request) == {"subscription.period"}
    request.end_time.FromJsonString("2026-01-01T00:00:01Z")
    assert broken_rules(request) == set()


@pytest.mark.parametrize("path", ["plan_id", "start_time", "end_time"])
def test_what_a_subscription_needs_cannot_be_taken_away(path):
    request = subscription_service_pb2.UpdateSubscriptionRequest(
        tenant_id=ID, subscription_id=ID, subscription={"external_reference": "x"}, update_mask={"paths": [path]}
    )
    assert broken_rules(request) == {f"subscription.{path}"}


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        ("1999-12-31T23:59:59Z", "start_time:timestamp.gte_lt"),
        ("2000-01-01T00:00:00Z", None),
        ("2199-12-31T23:59:59Z", None),
        ("2200-01-01T00:00:00Z", "start_time:timestamp.gte_lt"),
    ],
)
def test_a_subscription_is_of_our_time(time, rule):
    request = subscription_service_pb2.CreateSubscriptionRequest(tenant_id=ID, plan_id=ID)
    request.start_time.FromJsonString(time)
    assert broken_rules(request) == ({rule} if rule else set())


def test_use_of_nothing_is_no_use():
    request = subscription_service_pb2.RecordUsageRequest(tenant_id=ID, name="users", amount=-1)
    assert broken_rules(request) == set()
    request.amount = 0
    assert broken_rules(request) == {"amount:int64.not_in"}


# ----------------------------------------------------------------------------------- resources, invitations, events
@pytest.mark.parametrize(
    ("message", "ids", "rule"),
    [
        (resource_service_pb2.RemoveResourcesRequest, "resource_ids", "resources.named"),
        (invitation_service_pb2.RevokeInvitationsRequest, "invitation_ids", "invitations.named"),
    ],
)
def test_what_is_removed_is_named(message, ids, rule):
    assert broken_rules(message(tenant_id=ID)) == {rule}
    assert broken_rules(message(tenant_id=ID, **{ids: [ID]})) == set()
    assert broken_rules(message(tenant_id=ID, operation_id=f"invite-{ID}")) == set()


def append_events(metadata=None, **fields):
    event = {"event_type": "tenant.step_done", "aggregate_type": "tenant", "aggregate_id": ID, **fields}
    return event_service_pb2.AppendEventsRequest(tenant_id=ID, events=[event], metadata=metadata)


def test_an_event_says_who_it_is_or_where_it_comes_from():
    assert broken_rules(append_events(event_id=ID)) == set()
    assert broken_rules(append_events({"run_id": ID, "activity_id": "7"})) == set()
    assert broken_rules(append_events({"run_id": ID})) == {"events.identified"}
    assert broken_rules(append_events()) == {"events.identified"}


@pytest.mark.parametrize("event_type", ["tenant", "Tenant.Made", "tenant.", "a.b.c.d.e"])
def test_an_event_type_is_dotted_words(event_type):
    assert broken_rules(append_events(event_id=ID, event_type=event_type)) == {"events:event_type:string.pattern"}


def test_an_events_data_is_bounded():
    data = {f"field{number}": number for number in range(64)}
    assert broken_rules(append_events(event_id=ID, event_data=data)) == set()
    broken = broken_rules(append_events(event_id=ID, event_data={**data, "more": None}))
    assert broken == {"events:event_data:event.data_fields"}


def test_a_watch_begins_at_one_place():
    watch = event_service_pb2.WatchEventsRequest
    for start in ({}, {"resume_token": "t"}, {"after_position": 1}, {"only_new": True}):
        assert broken_rules(watch(**start)) == set()
    assert broken_rules(watch(after_position=1, only_new=True)) == {"watch.one_start"}
    assert broken_rules(watch(resume_token="t", after_position=1)) == {"watch.one_start"}


def test_the_outbox_takes_the_message_of_any_domain():
    request = outbox_service_pb2.CreateOutboxEntryRequest(
        tenant_id=ID,
        operation_type="provision",
        operation_id=f"provision-tenant-{ID}",
        payload_type="tenantmesh.provisioning.v1.ProvisionTenantInput",
        payload=b"\x0a\x00",
    )
    assert broken_rules(request) == set()
    request.payload_type = "ProvisionTenantInput"
    assert broken_rules(request) == {"payload_type:string.pattern"}


# ----------------------------------------------------------------------------------------------------------- secrets
@pytest.mark.parametrize(
    "message",
    [
        lead_service_pb2.CreateLeadResponse(key="hush"),
        lead_service_pb2.ResendLeadKeyResponse(key="hush"),
        lead_service_pb2.VerifyLeadRequest(key="hush"),
        lead_service_pb2.VerifyLeadResponse(token="hush"),
        lead_service_pb2.ConvertLeadRequest(token="hush"),
        invitation_service_pb2.CreatedInvitation(token="hush"),
        invitation_service_pb2.ValidateInvitationRequest(token="hush"),
        invitation_service_pb2.AcceptInvitationRequest(token="hush"),
        invitation_service_pb2.ResendInvitationResponse(token="hush"),
        invitation_service_pb2.RemindInvitationResponse(token="hush"),
    ],
    ids=lambda message: message.DESCRIPTOR.name,
)
def test_what_is_secret_is_marked(message):
    ((field, value),) = message.ListFields()
    assert value == "hush"
    assert field.GetOptions().debug_redact
