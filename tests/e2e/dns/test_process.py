"""The dns service as a process: real ports, real clients, real signals."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tests.fixtures.processes import service, spawn

from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc
from tenantmesh.dns.v1 import record_pb2, verification_pb2

ACME, GLOBEX = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
BUF = Path(sys.executable).parent / "buf"


@pytest.fixture(scope="module")
async def dns():
    async with service("dns") as process:
        yield process


@pytest.fixture
async def stub(dns):
    async with grpc.aio.insecure_channel(dns.address) as channel:
        yield rpc.DnsServiceStub(channel)


def wanted(name, tenant=ACME, **changes):
    return pb.EnsureRecordRequest(
        **{
            "tenant_id": tenant,
            "operation_id": f"provision-tenant-{tenant}",
            "name": name,
            "type": record_pb2.RECORD_TYPE_A,
            "values": ["192.0.2.10"],
            **changes,
        }
    )


async def buf_curl(address, method, *arguments):
    process = await asyncio.create_subprocess_exec(
        BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments, f"http://{address}{method}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_tool_lists_its_methods_by_reflection(dns):
    code, out, _ = await buf_curl(dns.address, "", "--list-methods")
    assert code == 0
    methods = [method.name for method in pb.DESCRIPTOR.services_by_name["DnsService"].methods]
    assert {f"tenantmesh.dns.v1.DnsService/{method}" for method in methods} <= set(out.split())


async def test_a_tool_gets_a_health_answer(dns):
    for name in ("", "tenantmesh.dns.v1.DnsService"):
        code, out, _ = await buf_curl(
            dns.address, "/grpc.health.v1.Health/Check", "--data", json.dumps({"service": name})
        )
        assert (code, json.loads(out)) == (0, {"status": "SERVING"})


async def test_a_tool_shows_which_fields_are_wrong(dns):
    code, _, err = await buf_curl(
        dns.address, "/tenantmesh.dns.v1.DnsService/GetRecord", "--data", json.dumps({"tenant_id": "acme"})
    )
    assert code != 0
    assert "invalid_argument" in err
    for field in ("tenant_id: must be a valid UUID", "name: must be at least 1 characters", "type: "):
        assert field in err


async def test_a_record_lives_and_is_gone(stub):
    made = await stub.EnsureRecord(wanted("Life.Example.com."))
    assert made.created
    assert (made.record.name, list(made.record.values), made.record.ttl.seconds) == (
        "life.example.com", ["192.0.2.10"], 300,
    )  # fmt: skip
    assert made.record.ownership.tenant_id == ACME
    assert not (await stub.EnsureRecord(wanted("life.example.com"))).created
    key = {"tenant_id": ACME, "name": "life.example.com", "type": record_pb2.RECORD_TYPE_A}
    assert (await stub.GetRecord(pb.GetRecordRequest(**key))).record == made.record
    rounds = [answer.verification.state async for answer in stub.VerifyRecord(pb.VerifyRecordRequest(**key))]
    assert rounds == [verification_pb2.Verification.STATE_NOT_LOOKED_UP]
    assert (await stub.DeleteRecord(pb.DeleteRecordRequest(**key))).existed
    assert not (await stub.DeleteRecord(pb.DeleteRecordRequest(**key))).existed


async def test_pages_walk_through_everything_once(stub):
    tenant = "0192f0c1-2b3c-7d4e-8f50-000000000001"
    names = [f"page-{index}.example.com" for index in range(7)]
    for name in reversed(names):
        await stub.EnsureRecord(wanted(name, tenant))
    seen, token = [], ""
    while True:
        page = await stub.ListRecords(pb.ListRecordsRequest(tenant_id=tenant, page_size=3, page_token=token))
        seen += [record.name for record in page.records]
        token = page.next_page_token
        if not token:
            break
    assert seen == names


@pytest.mark.parametrize(
    ("call", "request_", "code", "reason"),
    [
        ("GetRecord", pb.GetRecordRequest(), "INVALID_ARGUMENT", "REQUEST_INVALID"),
        (
            "GetRecord",
            pb.GetRecordRequest(tenant_id=ACME, name="none.example.com", type=1),
            "NOT_FOUND",
            "RECORD_NOT_FOUND",
        ),
        ("EnsureRecord", wanted("nowhere"), "INVALID_ARGUMENT", "NAME_INVALID"),
        ("EnsureRecord", wanted("a.example.com", values=["::1"]), "INVALID_ARGUMENT", "VALUE_INVALID"),
        ("EnsureRecord", wanted("taken.example.com", GLOBEX), "ALREADY_EXISTS", "RECORD_NOT_OWNED"),
        (
            "EnsureRecord",
            wanted("taken.example.com", type=3, values=["b.example.com"]),
            "FAILED_PRECONDITION",
            "RECORD_CONFLICT",
        ),
        (
            "ListRecords",
            pb.ListRecordsRequest(tenant_id=ACME, page_token="x"),
            "INVALID_ARGUMENT",
            "PAGE_TOKEN_INVALID",
        ),
    ],
)
async def test_each_refusal_has_its_code_and_its_reason(stub, call, request_, code, reason):
    await stub.EnsureRecord(wanted("taken.example.com"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, call)(request_)
    status = rpc_status.from_call(caught.value)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (caught.value.code().name, info.reason) == (code, reason)
    assert info.domain in {"tenantmesh", "dns.tenantmesh"}
    assert "Traceback" not in str(status)


async def test_operators_see_that_it_lives_is_ready_and_works(dns, stub):
    await stub.ListRecords(pb.ListRecordsRequest(tenant_id=ACME))
    async with aiohttp.ClientSession(f"http://{dns.ops_address}") as ops:
        async with ops.get("/health") as response:
            assert response.status == 200
        async with ops.get("/ready") as response:
            assert response.status == 200
            assert (await response.json())["dependencies"]["memory"]["status"] == "usable"
        async with ops.get("/metrics") as response:
            assert "ListRecords" in await response.text()


async def test_it_ends_when_told_to_and_says_so():
    async with service("dns") as process:
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
    assert [record["message"] for record in process.records if record["level"].lower() in {"warning", "error"}] == []
    assert "stopping" in {record["message"] for record in process.records}


async def test_wrong_settings_are_told_all_at_once():
    process = await spawn("dns", MESH_MODE="production", DNS_PROVIDER="memory", RPC_PORT="many", LOG_LEVEL="loud")
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    text = output.decode()
    for name in ("RPC_PORT: must be a whole number", "LOG_LEVEL: must be one of"):
        assert name in text
    assert "Traceback" not in text


async def test_production_refuses_records_in_memory():
    process = await spawn(
        "dns", MESH_MODE="production", AUTH_JWKS="https://id.example/jwks", AUTH_ISSUER="x", AUTH_AUDIENCE="y"
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert "DNS_PROVIDER: memory makes no name resolve, and MESH_MODE=production refuses it" in output.decode()


async def test_help_lists_every_setting():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dns_service", "--help", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    for line in ("RPC_PORT  (default: 7104)", "OPS_PORT  (default: 9104)", "DNS_PROVIDER  (", "DNS_MEMORY_ZONES  ("):
        assert line in output.decode()
