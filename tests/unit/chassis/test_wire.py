"""What a client could send that gRPC's own client never would: it is spoken to in frames."""

import asyncio
import base64
import struct

import h2.config
import h2.connection
import h2.events
import pytest
from google.rpc import error_details_pb2, status_pb2
from tests.fixtures.worlds import TENANT, until

from tenantmesh.dns.v1 import dns_service_pb2 as pb

PATH = "/tenantmesh.dns.v1.DnsService/GetRecord"


async def call(address, **headers):
    """The trailers of a call with these headers besides the usual ones."""
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    request = pb.GetRecordRequest(tenant_id=TENANT, name="www.acme.example", type=1).SerializeToString()
    usual = {":method": "POST", ":scheme": "http", ":path": PATH, ":authority": address}
    usual |= {"content-type": "application/grpc", "te": "trailers"}
    connection.initiate_connection()
    connection.send_headers(1, list((usual | headers).items()))
    connection.send_data(1, b"\0" + struct.pack(">I", len(request)) + request, end_stream=True)
    received = {}
    try:
        while True:
            writer.write(connection.data_to_send())
            for event in connection.receive_data(await asyncio.wait_for(reader.read(65_536), 10)):
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    received.update(event.headers)
                if isinstance(event, h2.events.StreamEnded):
                    return received
    finally:
        writer.close()
        await writer.wait_closed()


def reason(trailers):
    encoded = trailers.get("grpc-status-details-bin")
    if encoded is None:
        return None
    status = status_pb2.Status.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
    (info,) = (detail for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR))
    unpacked = error_details_pb2.ErrorInfo()
    info.Unpack(unpacked)
    return unpacked.reason


async def test_what_it_speaks_is_grpc(world):
    assert (await call(world.server.address, **{"grpc-timeout": "10S"}))["grpc-status"] == "0"
    assert len(world.handlers.requests) == 1


async def test_a_deadline_of_nearly_nothing_is_told_and_leaves_nothing(world):
    # gRPC rounds it up to a millisecond, and may be faster to answer, with the status alone.
    world.handlers.answer = world.handlers.wait
    answers = [await call(world.server.address, **{"grpc-timeout": "1n"}) for _ in range(20)]
    assert {answer["grpc-status"] for answer in answers} == {"4"}
    assert {reason(answer) for answer in answers} <= {"DEADLINE_EXCEEDED", None}
    await until(lambda: world.server.load.in_flight == 0)


@pytest.mark.parametrize("never", ["-1S", "abc", "1"])
async def test_a_deadline_that_is_none_is_refused_and_nothing_is_begun(world, never):
    assert (await call(world.server.address, **{"grpc-timeout": never}))["grpc-status"] != "0"
    assert not world.handlers.requests
