"""What the gateway costs: the same call directly, through it as gRPC, and through it as JSON, in one run.

    python tests/load/gateway.py [CALLS]

The service answers at once and stands in this process, so that what is printed is the way there and back alone. The
three take turns in small batches: whatever else the machine does meets all alike.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from localstack.servers.gateway import GATEWAY
from localstack.settings import StackSettings
from localstack.stack import plan, running
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

CALLS = 2000
BATCH = 50
WARM_UP = 200
REACH, STRETCH = 1.0, 0.5

Call = Callable[[], Awaitable[object]]


class Instant(rpc.DnsServiceServicer):
    """Answers at once."""

    async def ListRecords(self, request: pb.ListRecordsRequest, context: object) -> pb.ListRecordsResponse:  # noqa: ARG002, N802 - the contract's shape
        return pb.ListRecordsResponse()


@asynccontextmanager
async def service() -> AsyncIterator[int]:
    """The service, on a free port."""
    server = aio.server()
    rpc.add_DnsServiceServicer_to_server(Instant(), server)
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


@asynccontextmanager
async def gateway(port: int) -> AsyncIterator[str]:
    """A gateway before it; yields its address."""
    with tempfile.TemporaryDirectory() as folder:
        layout = plan([GATEWAY], StackSettings(state=Path(folder), usual_ports=False))
        site = replace(layout.sites["gateway"], neighbours={"dns": {"rpc": port}})
        async with running(replace(layout, sites={"gateway": site})):
            yield site.address("http")


async def measure(calls: dict[str, Call], count: int) -> dict[str, list[float]]:
    """Milliseconds of each call, sorted."""
    spans: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP):
            await call()
    for _ in range(count // BATCH):
        for name, call in calls.items():
            for _ in range(BATCH):
                began = time.perf_counter()
                await call()
                spans[name].append((time.perf_counter() - began) * 1000)
    return {name: sorted(taken) for name, taken in spans.items()}


async def main(count: int) -> None:
    """Measure and print."""
    async with (
        service() as port,
        gateway(port) as address,
        aiohttp.ClientSession() as session,
        aio.insecure_channel(f"127.0.0.1:{port}") as direct_channel,
        aio.insecure_channel(address) as gateway_channel,
    ):
        direct, through = rpc.DnsServiceStub(direct_channel), rpc.DnsServiceStub(gateway_channel)

        async def json_call() -> None:
            async with session.get(f"http://{address}/dns-records") as answer:
                answer.raise_for_status()
                await answer.read()

        while True:  # until the gateway has found the service healthy
            async with session.get(f"http://{address}/dns-records") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.1)
        spans = await measure(
            {
                "direct gRPC": lambda: direct.ListRecords(pb.ListRecordsRequest()),
                "gRPC through the gateway": lambda: through.ListRecords(pb.ListRecordsRequest()),
                "JSON through the gateway": json_call,
            },
            count,
        )
    report(spans)


def report(spans: dict[str, list[float]]) -> None:
    """Print each and what the gateway adds."""
    base = median(spans["direct gRPC"])
    lines = [f"{'':<26}{'median':>9}{'p99':>9}{'added':>9}"]
    for name, taken in spans.items():
        last = taken[len(taken) * 99 // 100]
        lines.append(f"{name:<26}{median(taken):>6.2f} ms{last:>6.2f} ms{median(taken) - base:>+6.2f} ms")
    added = median(spans["JSON through the gateway"]) - base
    verdict = "stretch reached" if added <= STRETCH else "reached" if added <= REACH else "not reached"
    lines.append(f"JSON adds {added:+.2f} ms at the median; reach {REACH} ms, stretch {STRETCH} ms: {verdict}")
    print("\n".join(lines))


def median(taken: list[float]) -> float:
    """The middle one of sorted values."""
    return taken[len(taken) // 2]


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
