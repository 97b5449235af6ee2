import asyncio
import logging

import grpc
import pytest
from tests.fixtures.worlds import refused

from faults import Denied, Internal, Kind, NotFound
from tenantmesh.dns.v1 import dns_service_pb2 as pb


def answers(world, answer):
    async def act(_request):
        return await answer()

    world.handlers.answer = act


async def test_a_fault_reaches_the_caller_with_everything_it_says(world):
    async def answer():
        raise NotFound("no such record", reason="RECORD_NOT_FOUND", facts={"name": "www.acme.example"})

    answers(world, answer)
    fault = await refused(world.get())
    assert (fault.kind, fault.message) == (Kind.NOT_FOUND, "no such record")
    assert (fault.reason, fault.domain, fault.facts) == (
        "RECORD_NOT_FOUND",
        "dns.tenantmesh",
        {"name": "www.acme.example"},
    )


async def test_an_exception_nobody_foresaw_says_nothing_but_where_to_look(world, caplog):
    async def answer():
        raise ZeroDivisionError("password=hunter2")

    answers(world, answer)
    fault = await refused(world.get(metadata=[("x-request-id", "r-1")]))
    assert (fault.kind, fault.reason, fault.domain) == (Kind.INTERNAL, "UNEXPECTED", "tenantmesh")
    assert fault.facts == {"method": "/tenantmesh.dns.v1.DnsService/GetRecord", "request_id": "r-1"}
    assert "hunter2" not in str(fault)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_a_fault_out_of_a_task_group_is_that_fault(world):
    async def denied():
        raise Denied("not yours", reason="RECORD_NOT_OWNED")

    async def answer():
        async with asyncio.TaskGroup() as tasks:
            async with asyncio.TaskGroup() as inner:
                inner.create_task(denied())
            tasks.create_task(asyncio.sleep(0))

    answers(world, answer)
    assert (await refused(world.get())).reason == "RECORD_NOT_OWNED"


async def test_two_at_once_are_unexpected(world):
    async def answer():
        raise ExceptionGroup("both", [Denied("a", reason="RECORD_NOT_OWNED"), ValueError("b")])

    answers(world, answer)
    assert (await refused(world.get())).reason == "UNEXPECTED"


async def test_a_handler_may_still_speak_grpc(world):
    async def abort(_request, context):
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "out of range")

    async def set_code(_request, context):
        context.set_code(grpc.StatusCode.DATA_LOSS)
        context.set_details("lost")
        return pb.GetRecordResponse()

    for handler, code in ((abort, grpc.StatusCode.OUT_OF_RANGE), (set_code, grpc.StatusCode.DATA_LOSS)):
        world.handlers.speak = handler
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.get("speak")
        assert caught.value.code() is code


async def test_what_a_vendor_said_is_logged_and_not_sent(world, caplog):
    caplog.set_level(logging.INFO, "chassis.calls")

    async def answer():
        raise Internal("The provider failed.", reason="PROVIDER_UNAVAILABLE") from OSError("SQLSTATE 57P01")

    answers(world, answer)
    fault = await refused(world.get())
    assert "57P01" not in str(fault)
    await world.line(caplog, code="INTERNAL", cause="OSError('SQLSTATE 57P01')", reason="PROVIDER_UNAVAILABLE")
