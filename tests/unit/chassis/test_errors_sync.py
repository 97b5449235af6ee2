"""Callers that are not asynchronous get the same faults: their errors are of another class, with the same details."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import grpc_testing
import pytest

from chassis.errors import fault_of, status_of, trailing_metadata
from faults import Exhausted, NotFound
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

SERVICE = pb.DESCRIPTOR.services_by_name["DnsService"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (NotFound("No such record.", reason="RECORD_NOT_FOUND", facts={"name": "a.example.com"}), "NOT_FOUND"),
        (
            Exhausted("Too fast.", reason="PROVIDER_RATE_LIMITED", retry_after=timedelta(seconds=3)),
            "RESOURCE_EXHAUSTED",
        ),
    ],
)
def test_a_synchronous_caller_gets_the_fault(fault, code):
    channel = grpc_testing.channel([SERVICE], grpc_testing.strict_real_time())
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(rpc.DnsServiceStub(channel).GetRecord, pb.GetRecordRequest())
        _, _, call = channel.take_unary_unary(SERVICE.methods_by_name["GetRecord"])
        status = status_of(fault, domain="dns.tenantmesh")
        call.terminate(None, trailing_metadata(status), grpc.StatusCode[code], status.message)
        with pytest.raises(grpc.RpcError) as caught:
            answer.result()
    got = fault_of(caught.value)
    assert (type(got), got.reason, got.message) == (type(fault), fault.reason, fault.message)
    assert (got.facts, got.retry_after, got.domain) == (fault.facts, fault.retry_after, "dns.tenantmesh")
