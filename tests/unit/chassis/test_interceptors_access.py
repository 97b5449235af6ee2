import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.fixtures.identities import Issuer
from tests.fixtures.worlds import refused, serving

from chassis import AuthSettings, Mode
from chassis.principal import ANYBODY
from faults import Kind


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
async def world(issuer, tmp_path):
    (tmp_path / "jwks.json").write_bytes(issuer.jwks())
    auth = AuthSettings(jwks=str(tmp_path / "jwks.json"), issuer=Issuer.issuer, audience=Issuer.audience)
    async with serving(mode=Mode.PRODUCTION, auth=auth) as made:
        yield made


def bearer(issuer, **claims):
    return [("authorization", f"Bearer {issuer.token(**claims)}")]


async def test_the_permission_of_the_contract_is_needed(world, issuer):
    await world.get(metadata=bearer(issuer, scope="dns.records.read"))
    fault = await refused(world.get(metadata=bearer(issuer, sub="alice", scope="dns.records.write")))
    assert (fault.kind, fault.reason, fault.domain) == (Kind.DENIED, "PERMISSION_MISSING", "tenantmesh")
    assert fault.facts == {
        "method": "/tenantmesh.dns.v1.DnsService/GetRecord",
        "permission": "dns.records.read",
        "principal": "alice",
    }


async def test_nothing_is_parsed_for_who_may_not_call(world, issuer):
    call = world.channel.unary_unary("/tenantmesh.dns.v1.DnsService/GetRecord")
    fault = await refused(call(b"\xff\xff", metadata=bearer(issuer, scope="dns.records.write"), timeout=5))
    assert fault.reason == "PERMISSION_MISSING"


@pytest.mark.parametrize("authorization", [None, "Bearer not-a-token", "Basic YTpi", "nonsense"])
async def test_a_public_method_asks_nobody(world, authorization):
    metadata = [("authorization", authorization)] if authorization else None
    health = health_pb2_grpc.HealthStub(world.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(), metadata=metadata, timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_nobody_is_asked_who_probes(method):
    from dataclasses import replace

    from chassis.context import CallContext
    from chassis.interceptors.access import authenticate, authorize
    from chassis.interceptors.call import Call

    async def proceed(call):
        return call.facts.principal

    class Callers:
        known = verified = None

    public = replace(method, permission="public", builtin=True)
    assert authorize(public, proceed) is proceed
    handle = authenticate(Callers())(public, proceed)
    assert await handle(Call(public, b"", None, {"authorization": "x"}, CallContext())) is ANYBODY


async def test_a_caller_of_nothing_may_do_nothing(method):
    from chassis.context import CallContext
    from chassis.interceptors.access import authorize
    from chassis.interceptors.call import Call
    from faults import Denied

    async def proceed(_call):
        pytest.fail("let in")

    with pytest.raises(Denied):
        await authorize(method, proceed)(Call(method, b"", None, {}, CallContext()))


async def test_tools_need_a_permission_of_their_own(world, issuer):
    stub = reflection_pb2_grpc.ServerReflectionStub(world.channel)

    async def services(**claims):
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        call = stub.ServerReflectionInfo(asked, metadata=bearer(issuer, **claims), timeout=5)
        return {each.name for answer in [await call.read()] for each in answer.list_services_response.service}

    assert (await refused(services(scope="dns.*"))).facts["permission"] == "chassis.introspection.read"
    assert await services(scope="chassis.introspection.read") == {
        "grpc.channelz.v1.Channelz",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "tenantmesh.dns.v1.DnsService",
    }
