import asyncio
import types

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc
from tests.fixtures import kinds
from tests.fixtures.worlds import TENANT, refused, serving

from chassis import Servicer
from chassis.interceptors.dispatch import Dispatcher, describe
from faults import Kind, NotFound
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

REQUEST = pb.GetRecordRequest(tenant_id=TENANT, name="www.acme.example", type=1)


async def test_all_four_kinds_of_method_are_served():
    class Handlers:
        async def one(self, request, _context):
            return reply(request.name)

        async def many(self, request, _context):
            for number in range(3):
                yield reply(f"{request.name}{number}")

        async def gather(self, requests, _context):
            return reply("+".join([request.name async for request in requests]))

        async def talk(self, requests, _context):
            async for request in requests:
                yield reply(request.name.upper())

    async with serving(servicers=[Servicer(kinds.add_to_server, Handlers())]) as world:
        stub = kinds.Stub(world.channel)
        assert (await stub.One(ask("a"))).record.name == "a"
        assert [each.record.name async for each in stub.Many(ask("a"))] == ["a0", "a1", "a2"]
        assert (await stub.Gather(iter([ask("a"), ask("b")]))).record.name == "a+b"
        assert [each.record.name async for each in stub.Talk(iter([ask("a"), ask("b")]))] == ["A", "B"]


async def test_a_stream_may_be_written_by_hand():
    class Handlers:
        async def many(self, request, context):
            await context.write(reply(request.name))
            await context.write(reply("again"))

    async with serving(servicers=[Servicer(kinds.add_to_server, Handlers())]) as world:
        answers = [each.record.name async for each in kinds.Stub(world.channel).Many(ask("a"))]
    assert answers == ["a", "again"]


async def test_a_stream_that_is_left_closes_its_generator():
    closed = asyncio.Event()

    class Handlers:
        async def many(self, _request, _context):
            try:
                while True:
                    yield reply("more")
            finally:
                closed.set()

    async with serving(servicers=[Servicer(kinds.add_to_server, Handlers())]) as world:
        call = kinds.Stub(world.channel).Many(ask("a"))
        await call.read()
        call.cancel()
        await asyncio.wait_for(closed.wait(), 5)


def test_a_method_without_permission_is_refused_at_start():
    class Handlers:
        async def unguarded(self, _request, _context): ...

    with pytest.raises(ValueError, match=r"KindService.Unguarded names no required_permission"):
        kinds.add_to_server(Handlers(), Dispatcher([]))


def test_a_handler_that_is_not_asynchronous_is_refused_at_start():
    class Handlers:
        def one(self, _request, _context): ...

    with pytest.raises(TypeError, match=r"KindService.One is not asynchronous"):
        kinds.add_to_server(Handlers(), Dispatcher([]))


async def test_a_method_nobody_wrote_yet_says_so(world):
    fault = await refused(world.stub.ListRecords(pb.ListRecordsRequest(), timeout=5))
    assert (fault.kind, fault.reason, fault.domain) == (Kind.UNIMPLEMENTED, "NOT_IMPLEMENTED", "tenantmesh")
    assert fault.facts == {"method": "/tenantmesh.dns.v1.DnsService/ListRecords"}


@pytest.mark.parametrize("path", ["/tenantmesh.dns.v1.DnsService/Nothing", "/no.Service/Nothing", "/x"])
async def test_a_method_nobody_knows_is_refused_under_one_name(world, path):
    fault = await refused(world.channel.unary_unary(path)(b"", timeout=5))
    assert (fault.kind, fault.reason, fault.facts) == (Kind.UNIMPLEMENTED, "NOT_IMPLEMENTED", {"method": "unknown"})
    fault = await refused(world.channel.stream_unary(path)(iter([b"a", b"b"]), timeout=5))
    assert fault.kind is Kind.UNIMPLEMENTED


async def test_a_reply_of_the_wrong_type_is_our_error_and_stays_ours(world, caplog):
    async def answer(_request):
        return "not a message: 52001"

    world.handlers.answer = answer
    fault = await refused(world.get())
    assert (fault.kind, fault.reason) == (Kind.INTERNAL, "UNEXPECTED")
    assert "52001" not in fault.message
    assert "TypeError" in caplog.text


async def test_so_is_one_in_a_stream(caplog):
    class Handlers:
        async def many(self, _request, _context):
            yield 52001

    async with serving(servicers=[Servicer(kinds.add_to_server, Handlers())]) as world:
        fault = await refused(kinds.Stub(world.channel).Many(ask("a")).read())
    assert (fault.kind, fault.reason) == (Kind.INTERNAL, "UNEXPECTED")
    assert "UNEXPECTED" not in caplog.text
    assert "unexpected error" in caplog.text


async def test_upstream_would_tell_a_caller_what_broke():
    """Why serialisers are not left to gRPC: its answer is the text of the exception."""

    class Handlers(rpc.DnsServiceServicer):
        async def GetRecord(self, _request, _context):  # noqa: N802 - the contract's name
            return "not a message"

    server = grpc.aio.server()
    rpc.add_DnsServiceServicer_to_server(Handlers(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="TypeError") as caught:
            await rpc.DnsServiceStub(channel).GetRecord(REQUEST, timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNKNOWN
        with pytest.raises(grpc.aio.AioRpcError, match="DecodeError"):
            await channel.unary_unary("/tenantmesh.dns.v1.DnsService/GetRecord")(b"\xff", timeout=5)
    await server.stop(None)


def test_the_contract_is_read_once_for_each_method():
    dispatcher, handlers = Dispatcher([]), {}
    rpc.add_DnsServiceServicer_to_server(rpc.DnsServiceServicer(), dispatcher)
    assert dispatcher.services == ["tenantmesh.dns.v1.DnsService"]
    rpc.add_DnsServiceServicer_to_server(
        rpc.DnsServiceServicer(),
        types.SimpleNamespace(
            add_generic_rpc_handlers=lambda _: None,
            add_registered_method_handlers=lambda _, found: handlers.update(found),
        ),
    )
    method = describe("tenantmesh.dns.v1.DnsService", "VerifyRecord", handlers["VerifyRecord"])
    assert method.path == "/tenantmesh.dns.v1.DnsService/VerifyRecord"
    assert (method.permission, method.names_tenant, method.builtin) == ("dns.records.read", True, False)
    assert (method.request_streaming, method.response_streaming, method.streaming) == (False, True, True)


async def test_what_the_caller_says_about_the_call_is_known_inside(world):
    await world.get(metadata=[("x-request-id", "r-1"), ("x-tenant-id", "ignored"), ("x-workflow-id", "w-1")])
    await world.get(metadata=[("x-request-id", "x" * 200)])
    first, second = world.handlers.facts
    assert (first.request_id, first.tenant_id, first.workflow_id) == ("r-1", TENANT, "w-1")
    assert first.method == "/tenantmesh.dns.v1.DnsService/GetRecord"
    assert first.principal.name == "development"
    assert 9 < first.remaining() < 11  # gRPC rounds up
    assert len(second.request_id) == 32  # one of ours instead of nonsense


async def test_calls_side_by_side_do_not_see_each_other(world):
    seen = {}

    async def answer(request):
        from chassis.context import current

        await asyncio.sleep(0)
        seen[request.name] = current().request_id
        return pb.GetRecordResponse()

    world.handlers.answer = answer
    await asyncio.gather(*(world.get(f"n{each}", metadata=[("x-request-id", f"r{each}")]) for each in range(20)))
    assert seen == {f"n{each}": f"r{each}" for each in range(20)}


async def test_a_handler_may_raise_in_a_stream(world):
    async def answer(_request):
        raise NotFound("no such record", reason="RECORD_NOT_FOUND")

    world.handlers.answer = answer
    call = world.verify()
    await call.read()
    fault = await refused(call.read())
    assert (fault.reason, fault.domain) == ("RECORD_NOT_FOUND", "dns.tenantmesh")


def test_health_is_public_and_tools_need_a_permission():
    found = {}
    health_pb2_grpc.add_HealthServicer_to_server(
        health_pb2_grpc.HealthServicer(),
        types.SimpleNamespace(
            add_generic_rpc_handlers=lambda _: None, add_registered_method_handlers=lambda _, each: found.update(each)
        ),
    )
    method = describe("grpc.health.v1.Health", "Check", found["Check"])
    assert (method.permission, method.builtin) == ("public", True)


def ask(name):
    return pb.GetRecordRequest(tenant_id=TENANT, name=name, type=1)


def reply(name):
    message = pb.GetRecordResponse()
    message.record.name = name
    return message
