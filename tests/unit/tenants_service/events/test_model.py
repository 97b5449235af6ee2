from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from faults import Invalid
from tenants_service.events.model import DATA_LIMIT, Draft, Event, Filter, Recorded, check, derived_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = uuid4()
CAUSE = {"workflow_id": "provision-acme", "run_id": "run", "activity_id": "7"}
EVENT = Event(uuid4(), TENANT, "tenant.step_failed", "tenant", str(TENANT), {"step": "dns"}, CAUSE)
RECORDED = Recorded(EVENT, 7, NOW)
DRAFT = Draft("tenant.step_failed", "tenant", "acme", {"step": "dns"})


def test_the_same_activity_and_event_have_the_same_identifier():
    again = replace(DRAFT, data={"step": "schema"})  # what it says is no part of its name
    assert DRAFT.event(TENANT, CAUSE).event_id == again.event(TENANT, CAUSE).event_id


@pytest.mark.parametrize("change", [{"event_type": "tenant.x"}, {"aggregate_type": "lead"}, {"aggregate_id": "other"}])
def test_another_event_of_the_activity_has_another_identifier(change):
    assert DRAFT.event(TENANT, CAUSE).event_id != replace(DRAFT, **change).event(TENANT, CAUSE).event_id


@pytest.mark.parametrize("change", [{"run_id": "another"}, {"activity_id": "8"}])
def test_the_same_event_of_another_activity_has_another_identifier(change):
    assert DRAFT.event(TENANT, CAUSE).event_id != DRAFT.event(TENANT, CAUSE | change).event_id


def test_parts_of_a_cause_do_not_run_together():
    assert derived_id("a", "bc") != derived_id("ab", "c")
    assert derived_id("a/b", "c") != derived_id("a", "b/c")


def test_an_identifier_that_comes_with_it_is_kept():
    event = replace(DRAFT, event_id=UUID(int=7)).event(TENANT, {})
    assert (event.event_id, event.tenant_id, event.data) == (UUID(int=7), TENANT, DRAFT.data)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"tenant_id": TENANT},
        {"aggregate_type": "tenant"},
        {"aggregate_id": str(TENANT)},
        {"event_types": frozenset({"tenant.created", "tenant.step_failed"})},
        {"workflow_id": "provision-acme"},
        {"start_time": NOW},
        {"end_time": NOW + timedelta(microseconds=1)},
    ],
)
def test_a_filter_admits_what_it_names(wanted):
    assert Filter(**wanted).admits(RECORDED)


@pytest.mark.parametrize(
    "wanted",
    [
        {"tenant_id": uuid4()},
        {"aggregate_type": "lead"},
        {"aggregate_id": "other"},
        {"event_types": frozenset({"tenant.created"})},
        {"workflow_id": "provision-other"},
        {"start_time": NOW + timedelta(microseconds=1)},
        {"end_time": NOW},
    ],
)
def test_a_filter_admits_nothing_else(wanted):
    assert not Filter(**wanted).admits(RECORDED)


def test_the_scope_of_a_token_tells_filters_apart():
    filters = [
        Filter(),
        Filter(tenant_id=TENANT),
        Filter(aggregate_type="a"),
        Filter(aggregate_id="a"),
        Filter(event_types=frozenset({"a"})),
        Filter(event_types=frozenset({"a", "b"})),
        Filter(workflow_id="a"),
        Filter(start_time=NOW),
        Filter(end_time=NOW),
    ]
    assert len({one.scope() for one in filters}) == len(filters)
    assert Filter(event_types=frozenset("ab")).scope() == Filter(event_types=frozenset("ba")).scope()


def test_data_may_be_as_large_as_the_limit_and_no_larger():
    frame = len('{"a": ""}')
    check(replace(DRAFT, data={"a": "x" * (DATA_LIMIT - frame)}), "f")
    for text in ("x" * (DATA_LIMIT - frame + 1), "ä" * ((DATA_LIMIT - frame) // 2 + 1)):
        with pytest.raises(Invalid) as raised:
            check(replace(DRAFT, data={"a": text}), "events[3]")
        assert raised.value.reason == "EVENT_TOO_LARGE"
        assert raised.value.facts == {"field": "events[3].event_data", "limit_bytes": str(DATA_LIMIT)}


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (replace(DRAFT, data={"transition": {"to_state": "ACTIVE"}}), "events[0].event_data.transition"),
        (replace(DRAFT, event_type="lead.created", aggregate_type="lead"), "events[0].aggregate_type"),
    ],
)
def test_nobody_else_says_what_projections_are_made_of(draft, field):
    with pytest.raises(Invalid) as raised:
        check(draft, "events[0]")
    assert raised.value.reason == "REQUEST_INVALID"
    assert raised.value.violations[0].field == field
