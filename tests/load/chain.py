"""What the chassis costs: a server with every layer against a bare grpc.aio server with the same handler.

    python tests/load/chain.py [--rounds 30] [--seconds 0.5] [--in-flight 40] [--json]

Each server is a process of its own on one core, the client on another, so that the server is what limits. Rounds
alternate between the two (A B, B A, ...), and each pair gives one ratio: what the machine does meanwhile happens to
both. Compared are callers known by a token over plain text, and callers known by their certificate over TLS; the bare
server gets the same metadata and the same TLS. Both run on uvloop. The chassis runs as it does in production:
production mode, every call logged and counted, no collector for spans.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a script's own folder is all that Python adds

from tests.fixtures.identities import Authority, Issuer

from tenantmesh.dns.v1 import dns_service_pb2 as pb

METHOD = "/tenantmesh.dns.v1.DnsService/GetRecord"
REQUEST = pb.GetRecordRequest(
    tenant_id="0199a0b0-0000-7000-8000-000000000001", name="www.acme.example", type="RECORD_TYPE_A"
).SerializeToString()
CLIENT = "spiffe://tenantmesh/worker"
STARTS = 5
QUICK_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 20),
]


@dataclass
class Server:
    """A server process, and what was measured of it round by round."""

    process: psutil.Process
    channel: grpc.aio.Channel
    rates: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """How callers are known, and what servers and clients need for it."""

    environ: Mapping[str, str]
    metadata: tuple[tuple[str, str], ...]
    credentials: grpc.ChannelCredentials | None


def settings_in(folder: Path) -> dict[str, Setting]:
    """A token over plain text, and a certificate over TLS."""
    issuer, authority = Issuer(), Authority()
    (folder / "jwks.json").write_bytes(issuer.jwks())
    (folder / "ca.crt").write_bytes(authority.certificate)
    policy = {"identities": [{"identity": CLIENT, "permissions": ["dns.*"]}]}
    (folder / "policy.json").write_text(json.dumps(policy))
    cert, key = authority.issue("dns").write(folder)
    client = authority.issue("worker", uri=CLIENT)
    token = issuer.token(sub="worker", scope="dns.*", exp=int(time.time()) + 3600)
    request = (("x-request-id", "0199a0b0-0000-7000-8000-00000000beef"), ("x-workflow-id", "provision-tenant-acme"))
    trace = (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),)
    return {
        "token": Setting(
            {"AUTH_JWKS": str(folder / "jwks.json"), "AUTH_ISSUER": Issuer.issuer, "AUTH_AUDIENCE": Issuer.audience},
            (*request, *trace, ("authorization", f"Bearer {token}")),
            None,
        ),
        "certificate": Setting(
            {
                "TLS_CERT_FILE": str(cert),
                "TLS_KEY_FILE": str(key),
                "TLS_CLIENT_CA_FILE": str(folder / "ca.crt"),
                "AUTH_POLICY_FILE": str(folder / "policy.json"),
            },
            (*request, *trace),
            grpc.ssl_channel_credentials(authority.certificate, client.key, client.certificate),
        ),
    }


# ------------------------------------------------------------------------------------------------------------ measuring
def environment(setting: Setting) -> tuple[int, dict[str, str]]:
    """A free port, and what a server process is started with."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return port, {**kept, **setting.environ, "RPC_HOST": "localhost", "RPC_PORT": str(port)}


@contextmanager
def process(kind: str, environ: Mapping[str, str], *, log: Path) -> Iterator[psutil.Process]:
    """A server process, which writes what it logs into a file."""
    with log.open("wb") as output:
        child = subprocess.Popen([sys.executable, __file__, "--serve", kind], env=environ, stdout=output)
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(10)


@asynccontextmanager
async def started(kind: str, setting: Setting, *, log: Path) -> AsyncIterator[Server]:
    """A server process that accepts connections."""
    port, environ = environment(setting)
    target, options = f"localhost:{port}", [("grpc.use_local_subchannel_pool", 1)]
    if setting.credentials:
        channel = grpc.aio.secure_channel(target, setting.credentials, options)
    else:
        channel = grpc.aio.insecure_channel(target, options)
    with process(kind, environ, log=log) as child:
        async with channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
            yield Server(child, channel)


async def measure(server: Server, setting: Setting, seconds: float, in_flight: int) -> None:
    """Send as much as the server takes, for a while."""
    call = server.channel.unary_unary(METHOD)
    latencies: list[float] = []
    before, began = server.process.cpu_times(), time.perf_counter()
    until = began + seconds

    async def caller() -> None:
        while (sent := time.perf_counter()) < until:
            await call(REQUEST, timeout=20, metadata=setting.metadata)
            latencies.append(time.perf_counter() - sent)

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    took, after = time.perf_counter() - began, server.process.cpu_times()
    server.rates.append(len(latencies) / took)
    server.processor.append((after.user + after.system - before.user - before.system) / len(latencies))
    server.latencies += latencies


async def compare(setting: Setting, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Rounds of both servers, one after the other and the other way round."""
    async with AsyncExitStack() as stack:
        bare, chassis = [
            await stack.enter_async_context(started(kind, setting, log=folder / f"{kind}.log"))
            for kind in ("bare", "chassis")
        ]
        for server in (bare, chassis):  # caches, rules, tokens
            await measure(server, setting, options.seconds, options.in_flight)
            for measured in (server.rates, server.processor, server.latencies):
                measured.clear()
        for number in range(options.rounds):
            for server in (bare, chassis) if number % 2 else (chassis, bare):
                await measure(server, setting, options.seconds, options.in_flight)
    ratios = [one / other for one, other in zip(chassis.rates, bare.rates, strict=True)]
    return {
        "ratio": statistics.median(ratios),
        "ratio_quartiles": statistics.quantiles(ratios, n=4)[::2],
        "bare": figures(bare),
        "chassis": figures(chassis),
    }


def figures(server: Server) -> dict[str, float]:
    """What the rounds of one server come to."""
    percentiles = statistics.quantiles(server.latencies, n=100)
    return {
        "requests_per_second": statistics.median(server.rates),
        "processor_us": statistics.median(server.processor) * 1e6,
        "p50_ms": percentiles[49] * 1e3,
        "p99_ms": percentiles[98] * 1e3,
    }


async def shares(setting: Setting, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """What each layer takes of a call, in microseconds, timed inside a server of its own."""
    log = folder / "timed.log"
    async with started("timed", setting, log=log) as server:
        for _ in range(6):
            await measure(server, setting, options.seconds, options.in_flight)
    return json.loads(log.read_text().splitlines()[-1])["layers"]


async def idle(setting: Setting, folder: Path) -> dict[str, float]:
    """How long a process takes from its start until it says SERVING, and what it holds when nobody calls."""
    seconds, memory = [], []
    for _ in range(STARTS):
        port, environ = environment(setting)
        began = time.perf_counter()
        with process("chassis", environ, log=folder / "idle.log") as child:
            await serving(port)
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(1)
            memory.append(child.memory_info().rss)
    return {"start_seconds": statistics.median(seconds), "resident_mb": statistics.median(memory) / 1e6}


async def serving(port: int) -> None:
    """Return as soon as the process says SERVING."""
    async with grpc.aio.insecure_channel(f"localhost:{port}", QUICK_RECONNECT) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def benchmark(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as one document."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known_by = settings_in(folder)
        return {
            "idle": await idle(known_by["token"], folder),
            "known_by": {how: await compare(setting, options, folder) for how, setting in known_by.items()},
            "layers_us": {how: await shares(setting, options, folder) for how, setting in known_by.items()},
        }


def report(result: dict[str, Any]) -> Iterator[str]:
    """The document for a person."""
    start, memory = result["idle"]["start_seconds"], result["idle"]["resident_mb"]
    yield f"idle process: {memory:.0f} MB resident, {start:.2f} s from exec to SERVING"
    for how, one in result["known_by"].items():
        low, high = one["ratio_quartiles"]
        yield f"\ncaller known by {how}: {one['ratio']:.3f} of the bare throughput"
        yield f"  half of the pairs between {low:.3f} and {high:.3f}"
        for kind in ("bare", "chassis"):
            yield (
                "  {:8} {requests_per_second:6.0f} requests/s  p50 {p50_ms:5.1f} ms  p99 {p99_ms:5.1f} ms  "
                "{processor_us:4.0f} us of the server's core a request".format(kind, **one[kind])
            )
        for layer, share in result["layers_us"][how].items():
            yield f"    {layer:16} {share:5.1f} us"


# -------------------------------------------------------------------------------------------------------------- serving
def pin(core: int) -> None:
    """Stay on one core, where there are two."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def serve(kind: str) -> int:
    """Be one of the servers."""
    from tests.load import servers

    import chassis
    from settingskit import load

    pin(0)
    settings = load(chassis.ServerSettings, os.environ)
    return chassis.run(lambda: servers.KINDS[kind](settings))


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=30, help="pairs of rounds")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a round")
    parser.add_argument("--in-flight", type=int, default=40, help="calls on their way at once")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")
    parser.add_argument("--serve", choices=("bare", "chassis", "timed"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        sys.exit(serve(options.serve))
    pin(1)
    result = uvloop.run(benchmark(options))
    text = json.dumps(result, indent=2) if options.json else "\n".join(report(result))
    print(text)


if __name__ == "__main__":
    main()
