"""The servers that the benchmark of the layers compares. They share one handler, which does nothing."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import grpc

import chassis
from chassis.interceptors import Call, Handler, Layer, Method
from chassis.process import signals
from chassis.tls import server_credentials
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc
from tenantmesh.dns.v1 import record_pb2

REPLY = pb.GetRecordResponse(
    record=record_pb2.Record(name="www.acme.example", type="RECORD_TYPE_A", values=["192.0.2.1"], provider="memory")
)
KEPT = 50_000


class Handlers(rpc.DnsServiceServicer):
    async def GetRecord(self, _request, _context):  # noqa: N802 - the contract's name
        return REPLY


async def bare(settings: chassis.ServerSettings) -> None:
    """What grpc.aio does by itself."""
    server = grpc.aio.server()
    rpc.add_DnsServiceServicer_to_server(Handlers(), server)
    credentials, address = server_credentials(settings.tls), f"{settings.host}:{settings.port}"
    if credentials:
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    await server.start()
    with signals() as stop:
        await stop.wait()
        await server.stop(None)


async def whole(settings: chassis.ServerSettings) -> None:
    """The chassis, as a service runs it."""
    servicer = chassis.Servicer(rpc.add_DnsServiceServicer_to_server, Handlers())
    await chassis.serve("dns", servicers=[servicer], settings=settings)


async def timed(settings: chassis.ServerSettings) -> None:
    """The same with a clock around each layer; the medians are the last line it prints."""
    from chassis import server

    seconds: dict[str, list[float]] = {}
    layers: Callable[..., dict[str, Layer]] = server.layers
    server.layers = lambda *arguments: {
        name: _clocked(layer, seconds.setdefault(name, [])) for name, layer in layers(*arguments).items()
    }
    await whole(settings)
    medians = {name: statistics.median(each) * 1e6 for name, each in seconds.items() if each}
    print(json.dumps({"layers": medians}), flush=True)


def _clocked(layer: Layer, seconds: list[float]) -> Layer:
    """The layer, with the time that it takes and the layers beneath it do not take noted for each call."""

    def clocked(method: Method, proceed: Handler) -> Handler:
        beneath = 0.0

        async def below(call: Call) -> Any:
            nonlocal beneath
            began = time.perf_counter()
            try:
                return await proceed(call)
            finally:
                beneath = time.perf_counter() - began

        handle = layer(method, below)
        if handle is below:  # this layer has nothing to do for the method
            return proceed

        async def above(call: Call) -> Any:
            began = time.perf_counter()
            try:
                return await handle(call)
            finally:
                if len(seconds) < KEPT:
                    seconds.append(time.perf_counter() - began - beneath)

        return above

    return clocked


KINDS = {"bare": bare, "chassis": whole, "timed": timed}
