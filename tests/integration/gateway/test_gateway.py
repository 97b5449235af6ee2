"""The gateway as its clients meet it: JSON, gRPC, grpc-web, browsers; what it lets in, and what it answers itself."""

import asyncio
import json
import struct
import time

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2
from tests.integration.gateway.conftest import RECORDS

from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

ENSURE = {"name": "www.tenantmesh.test", "type": "RECORD_TYPE_A", "values": ["192.0.2.1"], "ttl": "300s"}


def reason(body):
    (detail,) = [one for one in body["details"] if one["@type"].endswith("google.rpc.ErrorInfo")]
    return body["code"], detail["domain"], detail["reason"]


async def until(condition, patience=20):
    end = time.monotonic() + patience
    while not await condition():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.05)


async def test_json_becomes_a_call_and_its_answer_json(front):
    status, body, headers = await front.call("POST", RECORDS, json=ENSURE)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert front.last.request.tenant_id == "0199aa00-0000-7000-8000-000000000001"
    assert front.last.request.ttl.seconds == 300
    assert (
        body["record"].items()
        >= {
            "name": "www.tenantmesh.test",
            "type": "RECORD_TYPE_A",
            "values": [],
            "proxied": False,
            "provider": "",
            "zone": "",
            "providerRecordId": "",
        }.items()
    ), "camelCase names, enums by name, defaults written out"
    assert body["created"] is False


async def test_query_parameters_and_both_spellings_of_a_field(front):
    assert (await front.call("GET", "/dns-records?pageSize=3&page_token=abc"))[0] == 200
    assert (front.last.request.page_size, front.last.request.page_token) == (3, "abc")


async def test_a_stream_is_a_line_each(front):
    async with front.session.get(f"{front.gateway.url}{RECORDS}/RECORD_TYPE_A/a.b/verification") as answer:
        assert answer.status == 200
        assert [json.loads(line) async for line in answer.content] == [{}, {}, {}]


async def test_a_fault_of_the_service_arrives_whole(front):
    status, body, _ = await front.call("GET", f"{RECORDS}/RECORD_TYPE_A/a.b")
    assert status == 404
    assert body["message"] == "no such record"
    assert reason(body) == (5, "dns.tenantmesh", "RECORD_NOT_FOUND")
    assert body["details"][0]["metadata"] == {"name": "a.b"}


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("GET", "/nowhere", {}, (404, 12, "ROUTE_UNKNOWN")),
        ("PUT", RECORDS, {}, (404, 12, "ROUTE_UNKNOWN")),
        ("GET", "/dns-records?nonsense=1", {}, (400, 3, "REQUEST_INVALID")),
        ("POST", RECORDS, {"data": "{not json"}, (400, 3, "REQUEST_INVALID")),
        ("POST", RECORDS, {"data": "name=form"}, (400, 3, "REQUEST_INVALID")),
        ("POST", RECORDS, {"json": {"type": "NOPE"}}, (400, 3, "REQUEST_INVALID")),
        ("POST", RECORDS, {"json": {"ttl": "soon"}}, (400, 3, "REQUEST_INVALID")),
        ("POST", RECORDS, {"json": {"tenant_id": "another"}}, (400, 3, "REQUEST_INVALID")),
        ("GET", "/dns-records", {"headers": {"under_score": "1"}}, (400, 3, "REQUEST_INVALID")),
        ("GET", "/tenants/a%2Fb/dns-records", {}, (400, 3, "REQUEST_INVALID")),
    ],
)
async def test_bad_requests_are_answered_in_json_and_reach_nobody(front, method, path, options, expected):
    status, code, why = expected
    answered, body, headers = await front.call(method, path, **options)
    assert (answered, headers["content-type"]) == (status, "application/json")
    assert reason(body) == (code, "gateway.tenantmesh", why)
    assert front.service.seen == []


async def test_the_path_decides_whose_it_is_whatever_the_body_says(front):
    await front.call("POST", RECORDS, json={**ENSURE, "tenantId": "another"})
    assert front.last.request.tenant_id == "0199aa00-0000-7000-8000-000000000001"


async def test_unknown_fields_of_a_body_are_dropped_by_envoy(front):
    """Envoy has no option to refuse them. Once it has one this fails, and it should be used."""
    status, _, _ = await front.call("POST", RECORDS, json={**ENSURE, "nonsense": 1})
    assert status == 200


async def test_nobody_outside_says_who_he_is_but_by_a_token(front):
    claims = {
        "x-tenant-id": "another",
        "x-workflow-id": "theirs",
        "x-principal": "root",
        "x-forwarded-client-cert": "Hash=1;URI=spiffe://mesh/worker",
        "x-envoy-original-path": "/other",
        "x-request-id": "chosen",
        "authorization": "Bearer token",
    }
    _, _, headers = await front.call("POST", RECORDS, json=ENSURE, headers=claims)
    seen = front.last.metadata
    assert not {"x-tenant-id", "x-workflow-id", "x-principal", "x-forwarded-client-cert"} & set(seen)
    assert seen["x-envoy-original-path"] == RECORDS
    assert seen["authorization"] == "Bearer token"
    assert seen["x-request-id"] == headers["x-request-id"] != "chosen"
    async with front.channel() as channel:
        await rpc.DnsServiceStub(channel).EnsureRecord(
            pb.EnsureRecordRequest(), metadata=(("x-tenant-id", "another"), ("traceparent", "00-1-2-01"))
        )
    assert "x-tenant-id" not in front.last.metadata
    assert front.last.metadata["traceparent"] == "00-1-2-01"


async def test_a_client_cannot_turn_on_envoys_own_switches(front):
    front.service.failures = [13] * 4
    headers = {"x-envoy-retry-grpc-on": "internal", "x-envoy-max-retries": "3"}
    assert (await front.call("GET", "/dns-records", headers=headers))[0] == 500
    assert len(front.service.seen) == 1


async def test_every_call_has_a_deadline(front):
    await front.call("GET", "/dns-records")
    assert 28 < front.last.remaining <= 30
    await front.call("GET", "/dns-records", headers={"grpc-timeout": "5S"})
    assert 4 < front.last.remaining <= 5
    async with front.channel() as channel:
        await rpc.DnsServiceStub(channel).ListRecords(pb.ListRecordsRequest(), timeout=100)
    assert 98 < front.last.remaining <= 102, "gRPC writes it rounded up"


async def test_a_deadline_that_passes_is_told_in_json(front):
    front.service.wait = 5
    began = time.monotonic()
    status, body, _ = await front.call("GET", "/dns-records", headers={"grpc-timeout": "300m"})
    assert (status, body["code"]) == (504, 4)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(("code", "calls"), [(14, 2), (13, 1), (9, 1), (3, 1)])
async def test_what_may_be_repeated_is_repeated_when_the_service_is_unavailable(front, code, calls):
    front.service.failures = [code]
    status, _, _ = await front.call("GET", "/dns-records")
    assert len(front.service.seen) == calls
    assert (status == 200) is (calls == 2)


async def test_grpc_passes_through_with_its_details(front):
    async with front.channel() as channel:
        stub = rpc.DnsServiceStub(channel)
        answer = await stub.EnsureRecord(pb.EnsureRecordRequest(name="a.b"))
        assert answer.record.name == "a.b"
        with pytest.raises(aio.AioRpcError) as failure:
            await stub.GetRecord(pb.GetRecordRequest())
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND
        assert b"RECORD_NOT_FOUND" in dict(failure.value.trailing_metadata())["grpc-status-details-bin"]
        assert [one async for one in stub.VerifyRecord(pb.VerifyRecordRequest())] == [pb.VerifyRecordResponse()] * 3
        with pytest.raises(aio.AioRpcError) as failure:
            await channel.unary_unary("/tenantmesh.nowhere.v1.NoService/Nothing")(b"")
        assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_grpc_web_speaks_to_browsers(front):
    message = pb.EnsureRecordRequest(name="a.b").SerializeToString()
    frame = b"\0" + struct.pack(">I", len(message)) + message
    async with front.session.post(
        f"{front.gateway.url}/tenantmesh.dns.v1.DnsService/EnsureRecord",
        data=frame,
        headers={"content-type": "application/grpc-web", "origin": "https://console.example.com"},
    ) as answer:
        body = await answer.read()
        assert answer.headers["access-control-allow-origin"] == "https://console.example.com"
    length = struct.unpack(">I", body[1:5])[0]
    assert pb.EnsureRecordResponse.FromString(body[5 : 5 + length]).record.name == "a.b"
    assert b"grpc-status:0" in body


@pytest.mark.parametrize("path", [RECORDS, "/dns-records", "/tenantmesh.dns.v1.DnsService/GetRecord"])
async def test_a_browser_may_ask_before_it_calls(front, path):
    headers = {"origin": "https://console.example.com", "access-control-request-method": "POST"}
    status, _, allowed = await front.call("OPTIONS", path, headers=headers)
    assert status == 200
    assert allowed["access-control-allow-origin"] == "https://console.example.com"
    assert "authorization" in allowed["access-control-allow-headers"]
    assert front.service.seen == []


async def test_what_is_not_there_is_unavailable_in_json_and_in_grpc(front):
    """No process of the deployments service is known to this gateway."""
    status, body, _ = await front.call("GET", "/deployments")
    assert status == 503, body
    assert reason(body) == (14, "gateway.tenantmesh", "SERVICE_UNAVAILABLE")


async def test_a_service_that_drains_gets_no_more_calls(front):
    await front.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)

    async def refused():
        return (await front.call("GET", "/dns-records"))[0] == 503

    try:
        await until(refused)
        _, body, _ = await front.call("GET", "/dns-records")
        assert reason(body) == (14, "gateway.tenantmesh", "SERVICE_UNAVAILABLE")
        async with front.channel() as channel:
            with pytest.raises(aio.AioRpcError) as failure:
                await rpc.DnsServiceStub(channel).ListRecords(pb.ListRecordsRequest())
        assert (failure.value.code(), failure.value.details()) == (grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
    finally:
        await front.health.set("", health_pb2.HealthCheckResponse.SERVING)

    async def served():
        return (await front.call("GET", "/dns-records"))[0] == 200

    await until(served)


async def test_it_writes_what_happened_and_counts_it(front):
    _, _, headers = await front.call("GET", "/dns-records?page_token=secret-token")
    wanted = headers["x-request-id"]

    async def written():
        return wanted in front.gateway.log.read_text()

    await until(written)
    (line,) = [line for line in front.gateway.log.read_text().splitlines() if wanted in line]
    entry = json.loads(line)
    assert (entry["path"], entry["status"], entry["service"]) == ("/dns-records", 200, "dns")
    assert entry["rpc"] == "/tenantmesh.dns.v1.DnsService/ListRecords"
    assert "secret-token" not in line
    async with front.session.get(f"{front.gateway.admin_url}/stats/prometheus") as answer:
        stats = await answer.text()
    counted = [line for line in stats.splitlines() if line.startswith("envoy_cluster_grpc_success{")]
    labels = {'grpc_service="tenantmesh.dns.v1.DnsService"', 'grpc_method="ListRecords"', 'envoy_cluster_name="dns"'}
    assert any(all(label in line for label in labels) for line in counted), counted
