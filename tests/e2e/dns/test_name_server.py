"""The dns service as a process on a real BIND: what callers are told is what `dig` sees."""

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tests.fixtures import nameservers
from tests.fixtures.nameservers import ALGORITHM, KEY, SECRET, ZONE, dig
from tests.fixtures.processes import service

from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc
from tenantmesh.dns.v1 import record_pb2, verification_pb2

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
OPERATION = f"provision-tenant-{TENANT}"
State = verification_pb2.Verification.State


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bind(tmp_path_factory):
    async with nameservers.bind(tmp_path_factory.mktemp("bind")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stub(bind):
    settings = {
        "DNS_PROVIDER": "rfc2136",
        "RFC2136_NAMESERVER": bind.address,
        "RFC2136_ZONE": ZONE,
        "RFC2136_TSIG_KEY": KEY,
        "RFC2136_TSIG_SECRET": SECRET,
        "RFC2136_TSIG_ALGORITHM": ALGORITHM,
        "DNS_NAMESERVERS": bind.address,
        "DNS_RESOLVERS": "none",
    }
    async with service("dns", **settings) as process, grpc.aio.insecure_channel(process.address) as channel:
        yield rpc.DnsServiceStub(channel)
        assert SECRET not in "\n".join(process.lines)


def key(name, kind=record_pb2.RECORD_TYPE_A):
    return {"tenant_id": TENANT, "name": f"{name}.{ZONE}", "type": kind}


def wanted(name, kind=record_pb2.RECORD_TYPE_A, values=("192.0.2.1",), **more):
    return pb.EnsureRecordRequest(operation_id=OPERATION, values=values, **key(name, kind), **more)


async def reason(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    details = rpc_status.from_call(caught.value).details
    info = error_details_pb2.ErrorInfo()
    assert next(detail for detail in details if detail.Is(info.DESCRIPTOR)).Unpack(info)
    return info.reason


async def test_a_name_resolves_is_verified_and_is_gone(stub, bind):
    made = await stub.EnsureRecord(wanted("acme", ttl=Duration(seconds=60)))
    assert made.created
    assert made.record.provider == "rfc2136"
    assert await dig("127.0.0.1", bind.port, f"acme.{ZONE}", "A") == ["192.0.2.1"]
    request = pb.VerifyRecordRequest(patience=Duration(seconds=10), **key("acme"))
    *_, last = [answer.verification async for answer in stub.VerifyRecord(request)]
    assert last.state == State.STATE_VERIFIED
    (server,) = last.answers
    assert (server.server, server.authoritative, list(server.values)) == (bind.address, True, ["192.0.2.1"])
    assert server.serial > 1
    assert (await stub.DeleteRecord(pb.DeleteRecordRequest(operation_id=OPERATION, **key("acme")))).existed
    assert await dig("127.0.0.1", bind.port, f"acme.{ZONE}", "A") == []


async def test_an_internationalised_name_is_known_both_ways(stub, bind):
    made = await stub.EnsureRecord(wanted("münchen"))
    assert (made.record.name, made.record.unicode_name) == (f"xn--mnchen-3ya.{ZONE}", f"münchen.{ZONE}")
    assert await dig("127.0.0.1", bind.port, f"xn--mnchen-3ya.{ZONE}", "A") == ["192.0.2.1"]
    assert (await stub.DeleteRecord(pb.DeleteRecordRequest(**key("MÜNCHEN")))).existed


async def test_names_and_values_that_cannot_be_are_refused_with_their_reason(stub):
    for length, said in ((242, "NAME_INVALID"), (254, "NAME_INVALID"), (256, "REQUEST_INVALID")):
        long = ("a" * 60 + ".") * 4
        name = long[: length - len(f".{ZONE}")]
        assert len(f"{name}.{ZONE}") == length
        assert await reason(stub.EnsureRecord(wanted(name))) == said
    assert await reason(stub.EnsureRecord(wanted("www"))) == "NAME_INVALID"
    assert await reason(stub.EnsureRecord(wanted("p\u0430ypal"))) == "NAME_INVALID"
    assert await reason(stub.EnsureRecord(wanted("_tenantmesh.acme"))) == "NAME_INVALID"
    assert await reason(stub.EnsureRecord(wanted("acme", values=["not an address"]))) == "VALUE_INVALID"
    alias = record_pb2.RECORD_TYPE_CNAME
    assert await reason(stub.EnsureRecord(wanted("acme", alias, [f"nobody.{ZONE}"]))) == "TARGET_MISSING"
    apex = pb.EnsureRecordRequest(
        tenant_id=TENANT, operation_id=OPERATION, name=ZONE, type=alias, values=["x.example.net"]
    )
    assert await reason(stub.EnsureRecord(apex)) == "CAPABILITY_MISSING"
    for seconds in (0, 59, 86401):
        assert await reason(stub.EnsureRecord(wanted("acme", ttl=Duration(seconds=seconds)))) == "REQUEST_INVALID"
    await stub.EnsureRecord(wanted("taken"))
    beside = wanted("taken", alias, [f"ns1.{ZONE}"])
    assert await reason(stub.EnsureRecord(beside)) == "RECORD_CONFLICT"
    elsewhere = pb.GetRecordRequest(tenant_id=TENANT, name="acme.example.org", type=record_pb2.RECORD_TYPE_A)
    assert await reason(stub.GetRecord(elsewhere)) == "ZONE_NOT_SERVED"


async def test_what_somebody_made_by_hand_stays(stub, bind):
    await bind.add(f"by-hand.{ZONE}", 60, "A", "192.0.2.99")
    assert await reason(stub.EnsureRecord(wanted("by-hand"))) == "RECORD_NOT_OWNED"
    assert await reason(stub.DeleteRecord(pb.DeleteRecordRequest(**key("by-hand")))) == "RECORD_NOT_OWNED"
    assert [found async for found in stub.SweepRecords(pb.SweepRecordsRequest(older_than=Duration()))] == []
    assert await dig("127.0.0.1", bind.port, f"by-hand.{ZONE}", "A") == ["192.0.2.99"]


async def test_a_sweep_streams_what_dangles_and_removes_it(stub, bind):
    alias = record_pb2.RECORD_TYPE_CNAME
    await stub.EnsureRecord(wanted("target"))
    await stub.EnsureRecord(wanted("pointing", alias, [f"target.{ZONE}"]))
    await stub.DeleteRecord(pb.DeleteRecordRequest(**key("target")))
    ours = pb.SweepRecordsRequest(tenant_id=TENANT, older_than=Duration(), validate_only=True)
    (found,) = [one async for one in stub.SweepRecords(ours)]
    assert (found.record.name, found.removed) == (f"pointing.{ZONE}", False)
    assert found.cause == pb.SweepRecordsResponse.CAUSE_TARGET_MISSING
    ours.validate_only = False
    (found,) = [one async for one in stub.SweepRecords(ours)]
    assert found.removed
    assert await dig("127.0.0.1", bind.port, f"pointing.{ZONE}", "CNAME") == []
