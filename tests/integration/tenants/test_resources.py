"""The record of resources over the wire: what was made where for a tenant, once, listed, removed."""

import asyncio
from uuid import uuid4

import pytest
import pytest_asyncio

from faults import Kind
from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import resource_service_pb2 as pb
from tenantmesh.tenants.v1 import resource_service_pb2_grpc as rpc

OPERATION = "provision-acme"
KINDS = {
    "realm": "keycloak", "organization": "keycloak", "client": "keycloak", "user": "auth0", "role": "keycloak",
    "schema": "postgres", "database_role": "postgres", "bucket": "s3", "bucket_prefix": "s3",
    "dns_record": "cloudflare", "stack": "hcp-terraform", "deployment": "kubernetes",
    "whatever_comes_next": "some-vendor",
}  # fmt: skip
TEXTS = [
    "'; DROP TABLE resources; --",
    "$1",
    "%s",
    '"',
    "\\",
    "{}",
    "ä\U0001f600",
    "a\nb",
    "x" * 512,
    "\U0001f600" * 512,
]


@pytest_asyncio.fixture(scope="module")
async def resources(channel):
    return rpc.ResourceServiceStub(channel)


@pytest.fixture
def tenant(made):
    async def tenant():
        return (await made()).tenant_id

    return tenant


def thing(kind="bucket", identifier="acme", **more):
    return pb.MadeResource(**{"type": kind, "provider": KINDS.get(kind, "s3"), "identifier": identifier, **more})


@pytest.fixture
def record(resources):
    async def record(tenant_id, *things, operation_id=OPERATION, **more):
        request = pb.RecordResourcesRequest(tenant_id=tenant_id, operation_id=operation_id, resources=things, **more)
        return await resources.RecordResources(request)

    return record


@pytest.fixture
def listed(resources):
    """Every record there is to a filter, page by page."""

    async def listed(**wanted):
        found, token = [], None
        while token != "":
            page = await resources.ListResources(pb.ListResourcesRequest(page_token=token or "", **wanted))
            found += page.resources
            token = page.next_page_token
        return found

    return listed


@pytest.fixture
def told(events):
    """The events of a tenant's resources, by what happened and to which."""

    async def told(tenant_id):
        request = event_pb.ListEventsRequest(tenant_id=tenant_id, aggregate_type="resource")
        return [
            (one.event_type, one.event_data["type"], one.event_data["identifier"])
            for one in (await events.ListEvents(request)).events
        ]

    return told


async def test_every_kind_of_thing_is_recorded_listed_and_removed(tenant, record, listed, resources, told):
    tenant_id = await tenant()
    things = [thing(kind, uri=f"https://{kind}", metadata={"made.by": "hand"}) for kind in KINDS]
    answer = await record(tenant_id, *things)
    assert answer.created_count == len(KINDS)
    for asked, one in zip(things, answer.resources, strict=True):
        assert (one.type, one.provider, one.identifier) == (asked.type, asked.provider, asked.identifier)
        assert (one.uri, one.metadata, one.operation_id) == (asked.uri, asked.metadata, OPERATION)
        assert one.tenant_id == tenant_id
        assert one.create_time == one.update_time
    assert await listed(tenant_id=tenant_id) == sorted(answer.resources, key=lambda one: one.type)
    gone = await resources.RemoveResources(pb.RemoveResourcesRequest(tenant_id=tenant_id, operation_id=OPERATION))
    assert gone.removed_count == len(KINDS)
    assert await listed(tenant_id=tenant_id) == []
    assert sorted(await told(tenant_id)) == sorted(
        (f"resource.{change}", kind, "acme") for kind in KINDS for change in ("recorded", "removed")
    )


async def test_twice_is_once(tenant, record, listed, told):
    tenant_id = await tenant()
    first = await record(tenant_id, thing(), thing("schema"))
    again = await record(tenant_id, thing("schema"), thing(), thing("role"))
    assert again.created_count == 1
    assert list(again.resources[:2]) == list(reversed(first.resources))
    assert len(await listed(tenant_id=tenant_id)) == 3
    assert [event for event, *_ in await told(tenant_id)] == ["resource.recorded"] * 3


async def test_what_is_named_twice_at_once_is_as_it_is_named_last(tenant, record, listed):
    tenant_id = await tenant()
    answer = await record(tenant_id, thing(uri="a://"), thing("role"), thing(uri="b://"))
    assert answer.created_count == 2
    assert answer.resources[0] == answer.resources[2]
    assert [one.uri for one in await listed(tenant_id=tenant_id, type="bucket")] == ["b://"]


async def test_its_own_operation_says_more_about_it(tenant, record, listed, told):
    tenant_id = await tenant()
    before = (await record(tenant_id, thing())).resources[0]
    answer = await record(tenant_id, thing(uri="s3://acme", metadata={"region": "eu"}))
    after = answer.resources[0]
    assert (answer.created_count, after.uri, dict(after.metadata)) == (0, "s3://acme", {"region": "eu"})
    assert (after.resource_id, after.create_time) == (before.resource_id, before.create_time)
    assert after.update_time.ToNanoseconds() > before.update_time.ToNanoseconds()
    assert await listed(tenant_id=tenant_id) == [after]
    assert [event for event, *_ in await told(tenant_id)] == ["resource.recorded", "resource.updated"]


async def test_what_another_operation_made_is_refused_and_nothing_is_recorded(tenant, record, listed, refused):
    tenant_id = await tenant()
    mine = (await record(tenant_id, thing())).resources[0]
    facts = {"type": "bucket", "provider": "s3", "identifier": "acme", "operation_id": OPERATION}
    with refused("RESOURCE_RECORDED_OTHERWISE", Kind.ALREADY_EXISTS, **facts):
        await record(tenant_id, thing("role"), thing(uri="x://"), operation_id="another")
    assert await listed(tenant_id=tenant_id) == [mine]


async def test_another_tenant_may_have_a_thing_of_the_same_name(tenant, record, listed):
    one, other = await tenant(), await tenant()
    for tenant_id in (one, other):
        assert (await record(tenant_id, thing())).created_count == 1
    assert {resource.tenant_id for resource in await listed(operation_id=OPERATION)} >= {one, other}
    assert len(await listed(tenant_id=one)) == 1


async def test_a_request_id_answers_what_it_answered_first(tenant, record, resources):
    tenant_id, request_id = await tenant(), str(uuid4())
    first = await record(tenant_id, thing(), request_id=request_id)
    await resources.RemoveResources(pb.RemoveResourcesRequest(tenant_id=tenant_id, operation_id=OPERATION))
    assert await record(tenant_id, thing(), request_id=request_id) == first


async def test_a_request_id_is_good_for_one_request(tenant, record, refused):
    tenant_id, request_id = await tenant(), str(uuid4())
    await record(tenant_id, thing(), request_id=request_id)
    with refused("REQUEST_ID_REUSED", Kind.INVALID):
        await record(tenant_id, thing("role"), request_id=request_id)


async def test_many_who_record_the_same_at_once_record_it_once(tenant, record, listed, told):
    tenant_id = await tenant()
    answers = await asyncio.gather(*(record(tenant_id, thing(), thing("role")) for _ in range(10)))
    assert sum(answer.created_count for answer in answers) == 2
    assert len(await listed(tenant_id=tenant_id)) == len(await told(tenant_id)) == 2


@pytest.fixture
async def filled(tenant, record):
    """A tenant with two records of each of two operations, and the identifiers of those."""
    tenant_id, made = await tenant(), {}
    for operation_id, names in (("first-op", "ac"), ("second-op", "bd")):
        answer = await record(tenant_id, *(thing(identifier=name) for name in names), operation_id=operation_id)
        made |= {one.identifier: one.resource_id for one in answer.resources}
    return tenant_id, made


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({"resource_ids": "ab"}, "cd"),
        ({"resource_ids": "ab", "operation_id": "first-op"}, "bcd"),
        ({"operation_id": "first-op"}, "bd"),
        ({"resource_ids": "ac", "operation_id": "second-op"}, "abcd"),
    ],
)
async def test_records_are_removed_by_name_by_operation_or_by_both(filled, resources, listed, wanted, left):
    tenant_id, made = filled
    named = [made[name] for name in wanted.get("resource_ids", "")]
    request = pb.RemoveResourcesRequest(tenant_id=tenant_id, **{**wanted, "resource_ids": named})
    assert (await resources.RemoveResources(request)).removed_count == 4 - len(left)
    assert sorted(one.identifier for one in await listed(tenant_id=tenant_id)) == list(left)
    assert (await resources.RemoveResources(request)).removed_count == 0


async def test_nobody_removes_the_records_of_another_tenant(tenant, record, listed, resources):
    one, other = await tenant(), await tenant()
    kept = (await record(one, thing())).resources[0]
    request = pb.RemoveResourcesRequest(tenant_id=other, resource_ids=[kept.resource_id])
    assert (await resources.RemoveResources(request)).removed_count == 0
    assert await listed(tenant_id=one) == [kept]


async def test_what_was_removed_can_be_made_and_recorded_again(tenant, record, resources, told):
    tenant_id = await tenant()
    first = (await record(tenant_id, thing())).resources[0]
    await resources.RemoveResources(pb.RemoveResourcesRequest(tenant_id=tenant_id, resource_ids=[first.resource_id]))
    second = (await record(tenant_id, thing(), operation_id="another")).resources[0]
    assert second.resource_id != first.resource_id
    assert len(await told(tenant_id)) == 3


async def test_a_tenant_that_is_none_has_no_resources(record, listed, resources, refused):
    nobody = str(uuid4())
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, tenant_id=nobody):
        await record(nobody, thing())
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, tenant_id=nobody):
        await resources.RemoveResources(pb.RemoveResourcesRequest(tenant_id=nobody, operation_id=OPERATION))
    assert await listed(tenant_id=nobody) == []


async def test_lists_are_narrowed(tenant, record, listed):
    one, other, operation = await tenant(), await tenant(), f"op-{uuid4()}"
    for tenant_id in (one, other):
        await record(tenant_id, thing("user"), thing("role"), thing("client"), operation_id=operation)
    await record(one, thing("user", "later"), thing("stack"))
    everything = await listed(operation_id=operation, page_size=2)
    assert [(one.tenant_id, one.type) for one in everything] == sorted(
        (tenant_id, kind) for tenant_id in (one, other) for kind in ("client", "role", "user")
    )
    assert [one.type for one in await listed(tenant_id=one, provider="keycloak")] == ["client", "role"]
    of_type = await listed(type="user", page_size=1)
    assert [resource.identifier for resource in of_type if resource.tenant_id == one] == ["acme", "later"]
    assert {resource.type for resource in of_type} == {"user"}
    assert await listed(tenant_id=one, type="user", provider="keycloak") == []


@pytest.mark.parametrize("change", ["tenant_id", "type", "provider", "operation_id"])
async def test_a_page_token_belongs_to_its_list(tenant, record, resources, refused, change):
    tenant_id = await tenant()
    await record(tenant_id, thing("user"), thing("role"))
    wanted = pb.ListResourcesRequest(tenant_id=tenant_id, page_size=1)
    token = (await resources.ListResources(wanted)).next_page_token
    values = {"tenant_id": await tenant(), "type": "user", "provider": "s3", "operation_id": OPERATION}
    other = pb.ListResourcesRequest(**{"tenant_id": tenant_id, "page_token": token, change: values[change]})
    with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
        await resources.ListResources(other)


@pytest.mark.parametrize("text", TEXTS)
async def test_text_is_text(tenant, record, listed, text):
    tenant_id = await tenant()
    one = (await record(tenant_id, thing(identifier=text, uri=text, metadata={"a": text}))).resources[0]
    assert (one.identifier, one.uri, one.metadata["a"]) == (text, text, text)
    assert await listed(tenant_id=tenant_id) == [one]
    assert (await record(tenant_id, thing(identifier=text, uri=text, metadata={"a": text}))).created_count == 0


@pytest.mark.parametrize("field", ["identifier", "uri", "metadata"])
async def test_a_text_no_database_keeps_is_refused(tenant, record, refused, field):
    value = {"a": "\0"} if field == "metadata" else "a\0b"
    with refused("REQUEST_INVALID", Kind.INVALID):
        await record(await tenant(), thing(**{field: value}))


async def test_a_page_of_large_records_is_cut_where_a_message_ends(tenant, record, listed, resources):
    tenant_id = await tenant()
    metadata = {str(number): "ä" * 2000 for number in range(60)}
    for number in range(10):
        await record(tenant_id, thing(identifier=str(number), metadata=metadata))
    page = await resources.ListResources(pb.ListResourcesRequest(tenant_id=tenant_id))
    assert 1 <= len(page.resources) < 10
    assert [one.identifier for one in await listed(tenant_id=tenant_id)] == [str(number) for number in range(10)]


async def test_a_report_too_large_to_answer_is_refused(tenant, record, refused):
    things = [thing(identifier=str(number), metadata={"a": "x" * 2000, "b": "y" * 2000}) for number in range(100)]
    request_id = str(uuid4())
    tenant_id = await tenant()
    assert (await record(tenant_id, *things, request_id=request_id)).created_count == 100
    assert (await record(tenant_id, *things, request_id=request_id)).created_count == 100
    for one in things:
        one.metadata["c"] = "z" * 2000
    with refused("REQUEST_INVALID", Kind.INVALID) as caught:
        await record(tenant_id, *things)
    assert [violation.field for violation in caught.fault.violations] == ["resources"]


async def test_a_removal_that_names_nothing_is_refused(tenant, resources, refused):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await resources.RemoveResources(pb.RemoveResourcesRequest(tenant_id=await tenant()))
