"""Events over the wire: reported, listed, watched."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import faults_raised
from faults import Fault
from tenantmesh.tenants.v1 import event_pb2
from tenantmesh.tenants.v1 import event_service_pb2 as pb

CAUSE = event_pb2.EventMetadata(
    workflow_id="provision-acme", run_id="run-1", workflow_type="ProvisionTenant", activity_id="7", principal="liar"
)
TEXTS = ["'; DROP TABLE domain_events; --", "$1", "%s", '"', "\\", "\\u0000", "{}", "ä\U0001f600", "\u202e", "a\nb"]


def data(**values):
    return json_format.ParseDict(values, Struct())


def failed(step="dns", **more):
    fields = {"event_type": "tenant.step_failed", "aggregate_type": "tenant", "aggregate_id": "acme"}
    return pb.NewEvent(**{**fields, "event_data": data(step=step), **more})


async def refusal(call):
    with pytest.raises(Fault) as raised, faults_raised():
        await call
    return raised.value


@pytest.fixture
def tenant(made):
    """Makes a tenant, and answers its identifier."""

    async def tenant():
        return (await made()).tenant_id

    return tenant


@pytest.fixture
def append(events):
    async def append(tenant_id, *drafts, metadata=CAUSE, **more):
        request = pb.AppendEventsRequest(tenant_id=tenant_id, events=drafts, metadata=metadata, **more)
        return await events.AppendEvents(request)

    return append


@pytest.fixture
def listed(events):
    """Everything that a filter lists, page by page."""

    async def listed(**wanted):
        found, token = [], ""
        while True:
            answer = await events.ListEvents(pb.ListEventsRequest(page_token=token, **wanted))
            found += answer.events
            token = answer.next_page_token
            if not token:
                return found

    return listed


# ------------------------------------------------------------------------------------------------------------ append
async def test_what_is_reported_is_on_record_once(tenant, append, listed):
    tenant_id = await tenant()
    drafts = [failed(), failed(event_type="tenant.step_undone")]
    first = await append(tenant_id, *drafts)
    assert first.appended_count == 2
    again = await append(tenant_id, *drafts)
    assert again.appended_count == 0
    assert list(again.events) == list(first.events)
    assert [one.event_type for one in await listed(tenant_id=tenant_id)] == [
        "tenant.created",
        "tenant.step_failed",
        "tenant.step_undone",
    ]


async def test_an_event_says_where_it_comes_from_and_who_really_called(tenant, append):
    event = (await append(await tenant(), failed())).events[0]
    assert event.metadata.workflow_id == "provision-acme"
    assert (event.metadata.run_id, event.metadata.activity_id) == ("run-1", "7")
    assert event.metadata.workflow_type == "ProvisionTenant"
    assert event.metadata.principal not in {"", "liar"}
    assert event.event_data["step"] == "dns"
    assert abs(event.create_time.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_events_keep_the_order_of_their_request(tenant, append):
    drafts = [failed(aggregate_id=f"thing-{number}") for number in range(100)]
    kept = (await append(await tenant(), *drafts)).events
    assert [one.aggregate_id for one in kept] == [one.aggregate_id for one in drafts]
    assert sorted(one.position for one in kept) == [one.position for one in kept]


async def test_the_same_report_side_by_side_is_one(tenant, append):
    tenant_id = await tenant()
    answers = await asyncio.gather(*(append(tenant_id, failed(), failed(aggregate_id="b")) for _ in range(8)))
    assert sum(answer.appended_count for answer in answers) == 2
    assert len({tuple(one.position for one in answer.events) for answer in answers}) == 1


async def test_an_identifier_on_record_with_other_content_is_refused_and_nothing_is_added(tenant, append, listed):
    tenant_id = await tenant()
    known = (await append(tenant_id, failed())).events[0]
    fault = await refusal(append(tenant_id, failed(aggregate_id="new"), failed("schema")))
    assert fault.reason == "EVENT_DIFFERS"
    assert fault.facts["event_id"] == known.event_id
    assert fault.facts["position"] == str(known.position)
    assert len(await listed(tenant_id=tenant_id)) == 2


async def test_numbers_are_compared_as_what_they_are(tenant, append):
    tenant_id = await tenant()
    draft = failed(event_data=data(a=1e308, b=-0.0, c=5e-324, d=[1, 2.5, None, True, {"": ""}]))
    assert (await append(tenant_id, draft)).appended_count == 1
    assert (await append(tenant_id, draft)).appended_count == 0


async def test_a_request_id_answers_what_it_answered_first(tenant, append):
    tenant_id, request_id = await tenant(), str(uuid4())
    first = await append(tenant_id, failed(), request_id=request_id)
    assert await append(tenant_id, failed(), request_id=request_id) == first
    assert (await refusal(append(tenant_id, failed("schema"), request_id=request_id))).reason == "REQUEST_ID_REUSED"


async def test_an_identifier_of_one_tenant_says_nothing_to_another(tenant, append):
    event_id = str(uuid4())
    for _ in range(2):
        assert (await append(await tenant(), failed(event_id=event_id))).appended_count == 1


async def test_a_tenant_that_is_none_has_no_events(append):
    assert (await refusal(append(str(uuid4()), failed()))).reason == "TENANT_NOT_FOUND"


@pytest.mark.parametrize(
    ("event", "reason", "field"),
    [
        (failed(event_data=data(text="x" * 2**16)), "EVENT_TOO_LARGE", "events[0].event_data"),
        (failed(event_data=data(text="a\0b")), "REQUEST_INVALID", "events[0].event_data"),
        (failed(event_data=data(deep=[{"a\0b": 1}])), "REQUEST_INVALID", "events[0].event_data"),
        (failed(event_data=data(transition={})), "REQUEST_INVALID", "events[0].event_data.transition"),
        (failed(event_type="lead.created", aggregate_type="lead"), "REQUEST_INVALID", "events[0].aggregate_type"),
        (failed(aggregate_id="a\0b"), "REQUEST_INVALID", "events[0].aggregate_id"),
        (failed(event_type="Tenant"), "REQUEST_INVALID", "events[0].event_type"),
    ],
)
async def test_what_cannot_be_kept_is_refused(tenant, append, event, reason, field):
    fault = await refusal(append(await tenant(), event))
    assert fault.reason == reason
    assert [one.field for one in fault.violations] == [field]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
async def test_a_number_json_does_not_know_is_refused(tenant, append, number):
    draft = failed()
    draft.event_data["number"] = number
    assert (await refusal(append(await tenant(), draft))).reason == "REQUEST_INVALID"


async def test_events_too_large_together_are_refused(tenant, append):
    drafts = [failed(aggregate_id=str(number), event_data=data(text="x" * 60_000)) for number in range(9)]
    fault = await refusal(append(await tenant(), *drafts))
    assert (fault.reason, fault.facts["field"]) == ("EVENT_TOO_LARGE", "events")


async def test_the_largest_request_can_be_repeated(tenant, append):
    tenant_id, request_id = await tenant(), str(uuid4())
    drafts = [failed(aggregate_id=str(number), event_data=data(text="x" * 65_000)) for number in range(8)]
    first = await append(tenant_id, *drafts, request_id=request_id)
    assert await append(tenant_id, *drafts, request_id=request_id) == first


@pytest.mark.parametrize("text", TEXTS)
async def test_text_is_text(tenant, append, listed, text):
    tenant_id = await tenant()
    cause = event_pb2.EventMetadata(workflow_id=text, run_id=text, activity_id=text)
    kept = (await append(tenant_id, failed(aggregate_id=text, event_data=data(**{text: text})), metadata=cause)).events
    assert kept[0].aggregate_id == text
    assert kept[0].event_data[text] == text
    assert await listed(tenant_id=tenant_id, aggregate_id=text) == list(kept)
    assert await listed(workflow_id=text) == list(kept)
    assert not await listed(tenant_id=tenant_id, event_types=[text])


# -------------------------------------------------------------------------------------------------------------- list
async def test_events_are_found_by_what_they_are_about(tenant, append, listed):
    one, other = await tenant(), await tenant()
    run = str(uuid4())
    cause = event_pb2.EventMetadata(workflow_id=f"w-{run}", run_id=run, activity_id="1")
    a, b = (await append(one, failed(aggregate_id=run), failed(event_type="tenant.x", aggregate_id=run))).events
    c = (await append(other, failed(aggregate_id=run), metadata=cause)).events[0]
    assert await listed(aggregate_id=run) == [a, b, c]
    assert await listed(aggregate_id=run, tenant_id=one) == [a, b]
    assert await listed(aggregate_id=run, aggregate_type="lead") == []
    assert await listed(aggregate_id=run, event_types=["tenant.x"]) == [b]
    assert await listed(aggregate_id=run, event_types=["tenant.x", "tenant.step_failed"], tenant_id=other) == [c]
    assert await listed(workflow_id=f"w-{run}") == [c]
    assert await listed(workflow_id=f"w-{run}", tenant_id=other) == [c]
    assert await listed(workflow_id=f"w-{run}", tenant_id=one) == []
    assert await listed(aggregate_id=run, order_by="position desc") == [c, b, a]


async def test_pages_neither_skip_nor_repeat(tenant, append, listed):
    tenant_id = await tenant()
    await append(tenant_id, *(failed(aggregate_id=str(number)) for number in range(23)))
    whole = await listed(tenant_id=tenant_id)
    assert len(whole) == 24
    for order in ("position", "position desc"):
        pages = await listed(tenant_id=tenant_id, page_size=5, order_by=order)
        assert pages == (whole if order == "position" else whole[::-1])


async def test_a_page_of_large_events_is_cut_where_a_message_ends(tenant, append, events, listed):
    tenant_id = await tenant()
    for number in range(3):
        drafts = [failed(aggregate_id=f"{number}-{n}", event_data=data(t="ä" * 32_000)) for n in range(7)]
        await append(tenant_id, *drafts)
    first = await events.ListEvents(pb.ListEventsRequest(tenant_id=tenant_id, page_size=500))
    assert 1 < len(first.events) < 22
    assert first.next_page_token
    assert len(await listed(tenant_id=tenant_id, page_size=500)) == 22


@pytest.mark.parametrize(
    "change",
    [{"page_token": "x"}, {"order_by": "position desc"}, {"event_types": ["tenant.x"]}, {"aggregate_type": "lead"}],
)
async def test_a_page_token_belongs_to_its_list(tenant, append, events, change):
    tenant_id = await tenant()
    await append(tenant_id, failed())
    page = await events.ListEvents(pb.ListEventsRequest(tenant_id=tenant_id, page_size=1))
    fields = {"tenant_id": tenant_id, "page_size": 1, "page_token": page.next_page_token, **change}
    assert (await refusal(events.ListEvents(pb.ListEventsRequest(**fields)))).reason == "PAGE_TOKEN_INVALID"


async def test_events_are_found_by_time(tenant, append, listed, admin):
    tenant_id, hours = await tenant(), []
    now = datetime(2020, 1, 1, tzinfo=UTC)
    for hour in range(5):
        kept = (await append(tenant_id, failed(aggregate_id=str(hour)))).events[0]
        # History that was made in a moment, for this test only.
        await admin.execute(
            "UPDATE domain_events SET create_time = $2 WHERE position = $1",
            kept.position,
            now + timedelta(hours=hour),
        )
        hours.append(kept.position)

    async def between(first, last, **more):
        start, end = Timestamp(), Timestamp()
        start.FromDatetime(now + timedelta(hours=first))
        end.FromDatetime(now + timedelta(hours=last))
        return [one.position for one in await listed(start_time=start, end_time=end, **more)]

    for scope in ({}, {"tenant_id": tenant_id}):
        assert await between(0, 5, **scope) == hours
        assert await between(1, 3, **scope) == hours[1:3]
        assert await between(1, 3, order_by="position desc", **scope) == hours[1:3][::-1]
        assert await between(1.5, 100, **scope, aggregate_id="3") == [hours[3]]
        assert await between(3, 1, **scope) == []


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
async def test_a_moment_that_is_none_is_refused(events, seconds):
    request = pb.ListEventsRequest(start_time=Timestamp(seconds=seconds))
    fault = await refusal(events.ListEvents(request))
    assert fault.reason == "REQUEST_INVALID"
    assert fault.violations[0].field == "start_time"


# ------------------------------------------------------------------------------------------------------------- watch
@asynccontextmanager
async def watching(events, **wanted):
    call = events.WatchEvents(pb.WatchEventsRequest(**wanted))
    try:
        yield call
    finally:
        call.cancel()


async def read(call, count):
    """The next messages with events."""
    found = []
    async with asyncio.timeout(20):
        while len(found) < count:
            message = await call.read()
            if message.HasField("event"):
                found.append(message)
    return found


async def test_a_stream_brings_what_was_and_what_comes(tenant, append, events, listed):
    tenant_id = await tenant()
    await append(tenant_id, failed())
    async with watching(events, tenant_id=tenant_id) as call:
        messages = await read(call, 2)
        await append(tenant_id, failed(aggregate_id="later"))
        messages += await read(call, 1)
    assert [one.event for one in messages] == await listed(tenant_id=tenant_id)


async def test_a_stream_goes_on_right_behind_the_message_whose_token_it_is_given(tenant, append, events, listed):
    tenant_id = await tenant()
    await append(tenant_id, *(failed(aggregate_id=str(number)) for number in range(20)))
    whole = await listed(tenant_id=tenant_id)
    async with watching(events, tenant_id=tenant_id) as call:
        tokens = [one.resume_token for one in await read(call, len(whole))]
    for place in (0, 7, 19):
        async with watching(events, tenant_id=tenant_id, resume_token=tokens[place]) as call:
            rest = await read(call, len(whole) - place - 1)
        assert [one.event for one in rest] == whole[place + 1 :]


async def test_a_stream_can_begin_behind_a_position(tenant, append, events, listed):
    tenant_id = await tenant()
    await append(tenant_id, failed(), failed(aggregate_id="b"))
    whole = await listed(tenant_id=tenant_id)
    async with watching(events, tenant_id=tenant_id, after_position=whole[1].position) as call:
        assert [one.event for one in await read(call, 1)] == whole[2:]


async def test_a_stream_of_what_is_new_says_first_where_it_begins(tenant, append, events):
    tenant_id = await tenant()
    await append(tenant_id, failed())
    async with watching(events, tenant_id=tenant_id, only_new=True) as call:
        first = await call.read()
        assert first.HasField("heartbeat")
        assert first.resume_token
        later = (await append(tenant_id, failed(aggregate_id="later"))).events[0]
        assert [one.event for one in await read(call, 1)] == [later]
    async with watching(events, tenant_id=tenant_id, resume_token=first.resume_token) as call:
        assert [one.event for one in await read(call, 1)] == [later]


async def test_a_silent_stream_shows_signs_of_life(tenant, events):
    tenant_id = await tenant()
    async with watching(events, tenant_id=tenant_id, only_new=True, heartbeat_interval=Duration(seconds=1)) as call:
        first, second = await call.read(), await call.read()
    assert second.heartbeat.position >= first.heartbeat.position
    assert second.heartbeat.server_time.ToDatetime() > first.heartbeat.server_time.ToDatetime()


async def test_streams_bring_only_what_they_were_asked_for(tenant, append, events):
    one, other = await tenant(), await tenant()
    async with (
        watching(events, tenant_id=one, only_new=True) as of_one,
        watching(events, event_types=["tenant.x"], only_new=True) as of_type,
        watching(events, aggregate_type="tenant", aggregate_id="acme", only_new=True) as of_aggregate,
    ):
        for call in (of_one, of_type, of_aggregate):
            assert (await call.read()).HasField("heartbeat")
        a = (await append(other, failed(aggregate_id=other))).events[0]
        b = (await append(one, failed())).events[0]
        c = (await append(other, failed(event_type="tenant.x", aggregate_id=other))).events[0]
        d = (await append(one, failed(event_type="tenant.x"))).events[0]
        assert a.position < b.position < c.position < d.position
        assert [one.event for one in await read(of_one, 2)] == [b, d]
        assert [one.event for one in await read(of_type, 2)] == [c, d]
        assert [one.event for one in await read(of_aggregate, 2)] == [b, d]


@pytest.mark.parametrize("change", ["token", "tenant", "types"])
async def test_a_resume_token_belongs_to_its_stream(tenant, events, change):
    tenant_id = await tenant()
    async with watching(events, tenant_id=tenant_id) as call:
        token = (await read(call, 1))[0].resume_token
    changed = {
        "token": {"resume_token": token.swapcase()},
        "tenant": {"tenant_id": await tenant()},
        "types": {"event_types": ["tenant.created"]},
    }[change]
    async with watching(events, **{"tenant_id": tenant_id, "resume_token": token, **changed}) as call:
        assert (await refusal(call.read())).reason == "RESUME_TOKEN_INVALID"


async def test_a_page_token_is_no_resume_token(tenant, append, events):
    tenant_id = await tenant()
    await append(tenant_id, failed())
    page = await events.ListEvents(pb.ListEventsRequest(tenant_id=tenant_id, page_size=1))
    async with watching(events, tenant_id=tenant_id, resume_token=page.next_page_token) as call:
        assert (await refusal(call.read())).reason == "RESUME_TOKEN_INVALID"
