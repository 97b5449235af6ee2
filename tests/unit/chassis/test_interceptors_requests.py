import pytest
from tests.fixtures import kinds
from tests.fixtures.identities import Issuer
from tests.fixtures.worlds import TENANT, refused, serving

from chassis import AuthSettings, Mode, Servicer
from chassis.interceptors.requests import _zeros
from faults import Invalid, Kind, Violation
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.tenants.v1 import event_service_pb2, tenant_service_pb2

GET, LIST = "/tenantmesh.dns.v1.DnsService/GetRecord", "/tenantmesh.dns.v1.DnsService/ListRecords"
OTHER_TENANT = "0199a0b0-0000-7000-8000-000000000002"


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff", b"\x00", b"\x0a\x02\xff\xff", b"\x0b" * 200_000])
async def test_bytes_that_are_no_message_are_told_so(world, raw):
    fault = await refused(world.channel.unary_unary(GET)(raw, timeout=5))
    assert (fault.kind, fault.reason, fault.domain) == (Kind.INVALID, "REQUEST_MALFORMED", "tenantmesh")
    assert fault.facts == {"method": GET}
    assert not world.handlers.requests


async def test_every_field_that_breaks_a_bound_is_named(world):
    request = pb.EnsureRecordRequest(tenant_id="t", operation_id="op-1", name="", type=99, values=["a", "a", ""])
    fault = await refused(world.stub.EnsureRecord(request, timeout=5))
    assert (fault.kind, fault.reason, fault.domain) == (Kind.INVALID, "REQUEST_INVALID", "tenantmesh")
    assert {(each.field, each.rule) for each in fault.violations} == {
        ("tenant_id", "string.uuid"),
        ("name", "string.min_len"),
        ("type", "enum.defined_only"),
        ("values", "repeated.unique"),
        ("values[2]", "string.min_len"),
    }
    assert all(each.description for each in fault.violations)


async def test_an_empty_message_is_checked_too(world):
    fault = await refused(world.channel.unary_unary(GET)(b"", timeout=5))
    assert {each.field for each in fault.violations} == {"tenant_id", "name", "type"}


async def test_fields_of_a_newer_contract_are_no_obstacle(world):
    known = pb.GetRecordRequest(tenant_id=TENANT, name="a", type=1).SerializeToString()
    await world.channel.unary_unary(GET)(known + b"\xfa\x3e\x03new", timeout=5)
    assert world.handlers.requests[0].name == "a"


async def test_each_message_of_a_stream_is_checked_as_it_comes():
    seen = []

    class Handlers:
        async def talk(self, requests, _context):
            async for request in requests:
                seen.append(request.name)
                yield pb.GetRecordResponse()

    async with serving(servicers=[Servicer(kinds.add_to_server, Handlers())]) as world:
        call = kinds.Stub(world.channel).Talk()
        await call.write(pb.GetRecordRequest(tenant_id=TENANT, name="good", type=1))
        await call.read()
        await call.write(pb.GetRecordRequest(tenant_id=TENANT, name="", type=1))
        fault = await refused(call.read())
    assert seen == ["good"]
    assert [each.field for each in fault.violations] == ["name"]


def kept_nowhere(*violations):
    """What a database says of a text it cannot keep, if it says anything."""
    return Invalid("No.", reason="REQUEST_INVALID", violations=violations, domain="tenantmesh")


async def test_a_text_that_cannot_be_kept_is_found(world):
    async def refuse(*_):
        raise kept_nowhere()

    world.handlers.speak = refuse
    fault = await refused(world.get("a\0b"))
    assert [(each.field, each.description) for each in fault.violations] == [
        ("name", "must not hold the character zero")
    ]
    assert not (await refused(world.get("ab"))).violations


async def test_what_a_handler_says_itself_is_not_said_over(world):
    for said in (
        kept_nowhere(Violation("type", "must be another")),
        Invalid("No.", reason="NAME_INVALID", violations=[Violation("type", "must be another")]),
    ):

        async def refuse(*_, said=said):
            raise said

        world.handlers.speak = refuse
        assert [each.field for each in (await refused(world.get("a\0b"))).violations] == ["type"]


def test_a_text_is_found_wherever_it_stands():
    request = event_service_pb2.AppendEventsRequest(
        tenant_id="a",
        events=[
            {"event_type": "a"},
            {"event_type": "\0", "event_data": {"a": {"b": ["fine", "a\0"], "c\0": True}}},
        ],
    )
    assert sorted(each.field for each in _zeros(request)) == [
        "events[1].event_data.fields['a'].struct_value.fields['b'].list_value.values[1].string_value",
        "events[1].event_data.fields['a'].struct_value.fields['c\\x00']",
        "events[1].event_type",
    ]
    metadata = tenant_service_pb2.UpdateTenantRequest(tenant={"metadata": {"a": "b\0", "c": "d"}, "tags": ["e", "\0"]})
    assert sorted(each.field for each in _zeros(metadata)) == ["tenant.metadata['a']", "tenant.tags[1]"]
    assert not list(_zeros(pb.ListRecordsResponse(records=[{"name": "a"}])))


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
async def guarded(issuer, tmp_path):
    (tmp_path / "jwks.json").write_bytes(issuer.jwks())
    auth = AuthSettings(jwks=str(tmp_path / "jwks.json"), issuer=Issuer.issuer, audience=Issuer.audience)

    class Handlers:
        async def gather(self, requests, _context):
            return pb.GetRecordResponse(record={"name": "+".join([request.name async for request in requests])})

    servicers = [Servicer(kinds.add_to_server, Handlers())]
    async with serving(mode=Mode.PRODUCTION, auth=auth, servicers=servicers) as made:
        yield made


def bearer(issuer, **claims):
    return {"metadata": [("authorization", f"Bearer {issuer.token(scope='*', **claims)}")], "timeout": 5}


async def test_a_tenant_s_caller_may_name_its_tenant_alone(guarded, issuer):
    bound = bearer(issuer, sub="agent", tenant_id=TENANT)
    await guarded.get(**bound)
    for named in (OTHER_TENANT, "", "nonsense", TENANT.upper() + "x"):
        fault = await refused(guarded.get(tenant=named, **bound))
        assert (fault.kind, fault.reason) == (Kind.DENIED, "TENANT_MISMATCH")
    assert len(guarded.handlers.requests) == 1


async def test_listing_without_a_tenant_is_the_operators(guarded, issuer):
    assert (
        await refused(guarded.stub.ListRecords(pb.ListRecordsRequest(), **bearer(issuer)))
    ).reason == "NOT_IMPLEMENTED"
    bound = bearer(issuer, tenant_id=TENANT)
    assert (await refused(guarded.stub.ListRecords(pb.ListRecordsRequest(), **bound))).reason == "TENANT_MISMATCH"


async def test_an_operator_may_name_any(guarded, issuer):
    await guarded.get(**bearer(issuer))
    await guarded.get(tenant=OTHER_TENANT, **bearer(issuer))
    assert [facts.tenant_id for facts in guarded.handlers.facts] == [TENANT, OTHER_TENANT]


async def test_a_stream_cannot_slip_another_tenant_in(guarded, issuer):
    def request(tenant):
        return pb.GetRecordRequest(tenant_id=tenant, name="a", type=1)

    stub, bound = kinds.Stub(guarded.channel), bearer(issuer, tenant_id=TENANT)
    assert (await stub.Gather(iter([request(TENANT)] * 2), **bound)).record.name == "a+a"
    fault = await refused(stub.Gather(iter([request(TENANT), request(OTHER_TENANT)]), **bound))
    assert fault.reason == "TENANT_MISMATCH"


async def test_a_method_that_is_about_no_tenant_is_not_for_a_tenant_s_caller(method):
    from dataclasses import replace

    from chassis.context import CallContext
    from chassis.interceptors.call import Call
    from chassis.interceptors.requests import check_requests
    from chassis.permissions import Permissions
    from chassis.principal import Principal
    from faults import Denied

    async def proceed(call):
        return call.request

    tenantless = replace(method, names_tenant=False, decode=pb.ListRecordsResponse.FromString)
    facts = CallContext(principal=Principal("agent", Permissions("*"), TENANT))
    with pytest.raises(Denied):
        await check_requests(99)(tenantless, proceed)(Call(tenantless, b"", None, {}, facts))
    public = replace(tenantless, permission="public")
    assert await check_requests(99)(public, proceed)(Call(public, b"", None, {}, facts)) == pb.ListRecordsResponse()


async def test_a_message_that_is_too_large_is_told_the_limit():
    async with serving(max_message_bytes=2000) as world:
        fault = await refused(world.channel.unary_unary(GET)(b"x" * 2001, timeout=5))
        assert (fault.kind, fault.reason, fault.domain) == (Kind.EXHAUSTED, "MESSAGE_TOO_LARGE", "tenantmesh")
        assert fault.facts == {"method": GET, "limit_bytes": "2000"}


async def test_upstream_refuses_one_twice_as_large_before_anybody_sees_it(world):
    """The one refusal without ErrorInfo: gRPC's transport gives it. Clients of ours name it all the same."""
    fault = await refused(world.channel.unary_unary(GET)(b"x" * 9_000_000, timeout=5))
    assert (fault.kind, fault.reason, fault.facts) == (Kind.EXHAUSTED, "MESSAGE_TOO_LARGE", {})
    assert not world.handlers.requests
