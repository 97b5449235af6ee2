"""What the dns service adds to the exchanges it is made of, and what its batches save.

    python tests/load/dns.py [--rounds 150] [--names 200]

1. Ensure and verify at a local BIND, against a script of bare exchanges: one update with the same prerequisites, and
   the same queries. Rounds alternate, and each set gives one ratio. Once within this process, and once through the
   running service over gRPC, where a caller pays two calls on top.
2. Many names at once against one by one, within each vendor's limit: requests sent, refused ones, and wall time.
3. What an idle process of each provider weighs, and how soon it serves.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import psutil
import uvloop

# A script's own folder is all that Python adds, and there this file would be taken for the DNS library.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import dns.asyncquery
import dns.flags
import dns.message
import dns.update
from tests.fixtures import nameservers
from tests.fixtures.cloudflare import Cloudflare
from tests.fixtures.dnsproviders import cloudflare_settings, rfc2136_settings, route53_settings
from tests.fixtures.nameservers import HOST, ZONE, NameServer
from tests.fixtures.processes import service
from tests.fixtures.route53 import Route53

from dns_service.model import RecordData, RecordKey, RecordType
from dns_service.providers.cloudflare import CloudflareProvider
from dns_service.providers.rfc2136 import Rfc2136Provider
from dns_service.providers.route53 import Route53Provider
from dns_service.service import Records
from dns_service.verification.model import Server, VerificationState
from dns_service.verification.providers.nameservers import NetworkNameServers
from dns_service.verification.providers.nolookup import NoLookup
from dns_service.verification.service import LiveVerifier
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc
from tenantmesh.dns.v1 import record_pb2, verification_pb2

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
OPERATION = f"provision-tenant-{TENANT}"
DATA = RecordData(("192.0.2.1",), timedelta(seconds=60))
WARM_UP = 10
STARTS = 5
AWAY = "http://127.0.0.1:9"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--names", type=int, default=200)
    chosen = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(chosen.rounds, chosen.names))


async def measure(rounds: int, names: int) -> None:
    """All three parts, on one BIND."""
    with tempfile.TemporaryDirectory() as folder:
        async with nameservers.bind(Path(folder)) as bind:
            await one_name(bind, rounds)
            await many_names(bind, names)
            await processes(bind)


# ------------------------------------------------------------------------------------------------------------ one name
async def one_name(bind: NameServer, rounds: int) -> None:
    """Ensure and verify against the bare exchanges."""
    async with within(bind) as records, over_grpc(bind) as stub:
        ways: dict[str, Callable[[str], Awaitable[None]]] = {
            "bare": lambda name: bare(bind, name),
            "in process": lambda name: in_process(records, name),
            "over gRPC": lambda name: remote(stub, name),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds + WARM_UP):
            order = [*ways][number % 3 :] + [*ways][: number % 3]
            for way in order:
                begun = perf_counter()
                await ways[way](f"{way.replace(' ', '-').lower()}-{number}.{ZONE}")
                if number >= WARM_UP:
                    times[way].append(perf_counter() - begun)
    print(f"ensure and verify at BIND, {rounds} rounds")
    for way, taken in times.items():
        ratio = statistics.median(mine / plain for mine, plain in zip(taken, times["bare"], strict=True))
        print(
            f"  {way:<12} median {statistics.median(taken) * 1000:6.2f} ms   p95 {percentile(taken, 95) * 1000:6.2f} ms"
            f"   {ratio:.2f} x bare"
        )


async def bare(bind: NameServer, name: str) -> None:
    """What a script would send: an update that is safe against others, and the questions whether it is so."""
    update = dns.update.UpdateMessage(f"{ZONE}.", keyring=bind.key)
    update.absent(f"{name}.", "A")
    update.absent(f"{name}.", "CNAME")
    update.absent(f"_tenantmesh.{name}.", "TXT")
    update.add(f"{name}.", 60, "A", "192.0.2.1")
    update.add(f"_tenantmesh.{name}.", 300, "TXT", f'"tenantmesh,A,{TENANT},provision-tenant-~,hefh0ptfsw,0"')
    answer = await dns.asyncquery.tcp(update, HOST, port=bind.port, timeout=5)
    assert answer.rcode() == 0
    stamp, record = await asyncio.gather(ask(bind, f"_tenantmesh.{name}.", "TXT"), ask(bind, f"{name}.", "A"))
    assert stamp.answer
    assert record.answer
    found, serial = await asyncio.gather(ask(bind, f"{name}.", "A"), ask(bind, f"{ZONE}.", "SOA"))
    assert found.answer[0][0].to_text() == "192.0.2.1"
    assert serial.answer


async def ask(bind: NameServer, name: str, kind: str) -> dns.message.Message:
    """One question, over UDP, and over TCP where the answer was cut short."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232, flags=dns.flags.Flag(0))
    answer, _ = await dns.asyncquery.udp_with_fallback(query, HOST, 5, bind.port)
    return answer


async def in_process(records: Records, name: str) -> None:
    """The same by the service's own domain."""
    key = RecordKey(name, RecordType.A)
    _, created = await records.ensure(key, DATA, tenant_id=TENANT, operation_id=OPERATION)
    assert created
    states = [one.state async for one in records.verify(key, tenant_id=TENANT, patience=timedelta(seconds=5))]
    assert states == [VerificationState.VERIFIED]


async def remote(stub: Any, name: str) -> None:
    """The same by two calls of the running service."""
    about: dict[str, Any] = {"tenant_id": TENANT, "name": name, "type": record_pb2.RECORD_TYPE_A}
    made = await stub.EnsureRecord(pb.EnsureRecordRequest(operation_id=OPERATION, values=["192.0.2.1"], **about))
    assert made.created
    states = [one.verification.state async for one in stub.VerifyRecord(pb.VerifyRecordRequest(**about))]
    assert states == [verification_pb2.Verification.STATE_VERIFIED]


@asynccontextmanager
async def within(bind: NameServer) -> AsyncIterator[Records]:
    """The domain over the rfc2136 provider, in this process."""
    servers = NetworkNameServers(resolvers=(), own=[Server.parse(bind.address)], patience=timedelta(seconds=5))
    async with Rfc2136Provider(rfc2136_settings(bind)) as provider:
        yield Records(provider, LiveVerifier(servers, quorum=1), NoLookup())


@asynccontextmanager
async def over_grpc(bind: NameServer) -> AsyncIterator[Any]:
    """The service as a process of its own."""
    async with service("dns", **settings_at(bind)) as process, grpc.aio.insecure_channel(process.address) as channel:
        yield rpc.DnsServiceStub(channel)


def settings_at(bind: NameServer) -> dict[str, str]:
    """The settings of a process that works on this BIND."""
    return {
        "DNS_PROVIDER": "rfc2136",
        "RFC2136_NAMESERVER": bind.address,
        "RFC2136_ZONE": ZONE,
        "RFC2136_TSIG_KEY": nameservers.KEY,
        "RFC2136_TSIG_SECRET": nameservers.SECRET,
        "DNS_NAMESERVERS": bind.address,
        "DNS_RESOLVERS": "none",
    }


# ---------------------------------------------------------------------------------------------------------- many names
async def many_names(bind: NameServer, count: int) -> None:
    """At once and one by one, at each vendor, within its limit."""
    patience = timedelta(minutes=10)
    print(f"\n{count} names at once, and one by one")
    async with Rfc2136Provider(rfc2136_settings(bind)) as provider:
        await both("BIND, no limit", count, provider, lambda: "")
    async with Cloudflare().running() as server:
        requests = server.plan.requests
        async with CloudflareProvider(cloudflare_settings(server, rate_patience=patience)) as provider:
            await both("Cloudflare, 1200 in 5 min", count, provider, counting(requests, lambda: server.refused))
    async with Route53().running() as server:
        await server.reset()
        requests = server.plan.requests
        server.rate, server.burst = 10.0, 50.0  # as Amazon documents it for an account
        async with Route53Provider(route53_settings(server, rate=5.0, rate_patience=patience)) as provider:
            await both("Route 53, 10 a second", count, provider, counting(requests, lambda: server.throttled))


async def both(vendor: str, count: int, provider: Any, tell: Callable[[], str]) -> None:
    """Time it both ways, and print what it took."""
    records = Records(provider, NoLookup(), NoLookup())

    async def ensure(name: str) -> None:
        key = RecordKey(name, RecordType.A)
        _, created = await records.ensure(key, DATA, tenant_id=TENANT, operation_id=OPERATION)
        assert created

    await provider.check()
    tell()
    begun = perf_counter()
    await asyncio.gather(*(ensure(f"together-{number}.{ZONE}") for number in range(count)))
    together, told = perf_counter() - begun, tell()
    print(f"  {vendor:<26} at once    {together:7.2f} s   {told}")
    begun = perf_counter()
    for number in range(count):
        await ensure(f"alone-{number}.{ZONE}")
    alone, told = perf_counter() - begun, tell()
    print(f"  {'':<26} one by one {alone:7.2f} s   {told}   {alone / together:.1f} x")


def counting(requests: list[str], refused: Callable[[], int]) -> Callable[[], str]:
    """Tells how many requests there were since it last did."""

    def tell() -> str:
        sent = len(requests)
        requests.clear()
        return f"{sent} requests, {refused()} refused for their rate"

    return tell


# ----------------------------------------------------------------------------------------------------------- processes
async def processes(bind: NameServer) -> None:
    """What an idle process weighs, and how soon it serves."""
    aws = {"ROUTE53_ENDPOINT": AWAY, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    settings = {
        "memory": {},
        "rfc2136": settings_at(bind),
        "powerdns": {"DNS_PROVIDER": "powerdns", "POWERDNS_URL": AWAY, "POWERDNS_API_KEY": "x"},
        "cloudflare": {"DNS_PROVIDER": "cloudflare", "CLOUDFLARE_API_TOKEN": "x", "CLOUDFLARE_API_URL": AWAY},
        "route53": {"DNS_PROVIDER": "route53", **aws},
    }
    print(f"\nan idle process, median of {STARTS} starts")
    for provider, environ in settings.items():
        starts, weights = [], []
        for _ in range(STARTS):
            begun = perf_counter()
            async with service("dns", **environ) as process:
                starts.append(perf_counter() - begun)
                weights.append(psutil.Process(process.process.pid).memory_info().rss / 2**20)
        print(f"  {provider:<12} serves after {statistics.median(starts):.2f} s, {statistics.median(weights):.0f} MB")


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    return sorted(values)[len(values) * percent // 100]


if __name__ == "__main__":
    main()
