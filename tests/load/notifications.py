"""What the notifications service costs beside aiosmtplib alone: 1,000 invitations to a real mail server, one run.

python tests/load/notifications.py

Alone means: messages that are written already, handed over by as many connections as the service has. The service
writes them, keeps a log of each, and is asked over gRPC. Both run on uvloop, as every service does. The mail server is
the local stack's, in Python and in a process of its own; it needs more of a processor for a message than aiosmtplib,
and so says how many a second there can be. Hence a line also says what each process has used of a processor.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from uuid import uuid4

import aiosmtplib
import asyncpg
import psutil
import uvloop

from chassis import running as serving
from chassis.client import ClientSettings, open_channel
from localstack.servers.mailsink import MAILSINK
from localstack.servers.postgres import POSTGRES, dsn
from localstack.settings import StackSettings
from localstack.site import HOST
from localstack.stack import plan, running
from notifications_service import app
from notifications_service.model import NOBODY, Branding, Mailbox, Message
from notifications_service.providers.mime import mime
from notifications_service.templates.providers.mjml import EVERYTHING, MjmlWriter
from notifications_service.templates.service import Templates
from tenantmesh.notifications.v1 import delivery_pb2 as pb
from tenantmesh.notifications.v1 import notification_service_pb2_grpc as rpc

RECIPIENTS = 1000
ROUNDS = 5
CONNECTIONS = 8
SENDER = "no-reply@mesh.example"
VARIABLES = {"tenant_name": "Analytical Engines", "inviter_name": "Charles Babbage", "role": "Editor"}
VARIABLES |= {"expire_time": "2026-11-28T09:00:00Z"}


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        settings = StackSettings(state=Path(folder), usual_ports=False)
        async with running(plan([POSTGRES, MAILSINK], settings)) as stack:
            sites = stack.plan.sites
            port = sites["mailsink"].ports["smtp"]
            print(f"writing a message: {write() * 1e3:.2f} ms (to reach: below 1)")
            async with service(dsn(sites["postgres"]), port) as stub:
                await compare(stub, port)


async def compare(stub: rpc.NotificationServiceStub, port: int) -> None:
    """In turns, so that both meet the same machine."""
    contents = [mime(message(number)) for number in range(RECIPIENTS)]
    await alone(port, contents[:100])
    await through(stub)
    ratios, memory = [], []
    for _ in range(ROUNDS):
        gc.collect()
        before = used()
        by_itself = await alone(port, contents)
        between = used()
        whole = await through(stub)
        ratios.append(whole / by_itself)
        memory.append(psutil.Process().memory_info().rss / 2**20)
        print(f"aiosmtplib alone {by_itself:5.0f}/s ({spent(before, between)})")
        print(f"the service      {whole:5.0f}/s ({spent(between, used())})   ratio {ratios[-1]:.2f}")
    print(f"ratio, median of {ROUNDS}: {statistics.median(ratios):.2f} (to reach: 0.80)")
    print("memory after each thousand, MB: " + " ".join(f"{size:.0f}" for size in memory))


def used() -> Counter[str]:
    """Seconds of a processor that this process, the mail server and PostgreSQL have used so far."""
    found = Counter({"here": process_time()})
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            name = "mail server" if "localstack.mailsink" in child.cmdline() else child.name()
            times = child.cpu_times()
            found[name] += times.user + times.system
    return found


def spent(before: Counter[str], after: Counter[str]) -> str:
    """What each has used between, for a message. Processes that have ended take what they used with them."""
    return ", ".join(
        f"{name} {(after[name] - before[name]) / RECIPIENTS * 1e3:.2f} ms"
        for name in ("here", "mail server", "postgres")
        if after[name] - before[name] > 0
    )


def write() -> float:
    """Seconds of the processor that one message takes to be written."""
    templates = Templates(MjmlWriter(), EVERYTHING, "en")
    variables = VARIABLES | {"accept_url": "https://engines.example/join/9b1c7d"}
    templates.write("invitation", variables, Branding())
    began = process_time()
    for _ in range(RECIPIENTS):
        templates.write("invitation", variables, Branding())
    return (process_time() - began) / RECIPIENTS


async def alone(port: int, contents: list[bytes]) -> float:
    """Messages a second, by aiosmtplib and nothing else."""
    waiting = list(enumerate(contents))

    async def connection() -> None:
        async with aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False) as client:
            while waiting:
                number, content = waiting.pop()
                await client.sendmail(SENDER, f"p{number}@engines.example", content)

    began = perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return len(contents) / (perf_counter() - began)


async def through(stub: rpc.NotificationServiceStub) -> float:
    """Messages a second, by the service."""
    links = [f"https://engines.example/join/{uuid4()}" for _ in range(RECIPIENTS)]
    people = [
        {"email": f"p{number}@engines.example", "secret_variables": {"accept_url": link}}
        for number, link in enumerate(links)
    ]
    asked = pb.SendNotificationRequest(
        request_id=str(uuid4()), template_id="invitation", variables=VARIABLES, recipients=people
    )
    began = perf_counter()
    answer = await stub.SendNotification(asked, timeout=300)
    spent = perf_counter() - began
    assert answer.delivery.counts == {"SENT": RECIPIENTS}, answer.delivery
    return RECIPIENTS / spent


def message(number: int) -> Message:
    """What the service would send to somebody."""
    templates = Templates(WRITER, EVERYTHING, "en")
    variables = VARIABLES | {"accept_url": f"https://engines.example/join/{uuid4()}"}
    written = templates.write("invitation", variables, Branding())
    return Message(
        key=f"bench-{number}", time=datetime.now(UTC), tenant_id=NOBODY, template_id="invitation", language="en",
        sender=Mailbox(SENDER, "Acme Cloud"), recipient=Mailbox(f"p{number}@engines.example"),
        subject=written.subject, html=written.html, text=written.text,
    )  # fmt: skip


@asynccontextmanager
async def service(owner: str, port: int) -> AsyncIterator[rpc.NotificationServiceStub]:
    """The whole service, and a client of it."""
    connection = await asyncpg.connect(owner)
    await connection.execute("CREATE ROLE bench LOGIN PASSWORD 'bench'")
    await connection.close()
    made = app.compose(
        {
            "MESH_MODE": "development",
            "RPC_PORT": "0",
            "OPS_PORT": "0",
            "DATABASE_URL": _as_bench(owner),
            "ADMIN_DATABASE_URL": owner,
            "NOTIFICATIONS_SECRET": "0123456789abcdef0123456789abcdef",
            "NOTIFICATION_FROM": SENDER,
            "NOTIFICATION_PROVIDER": "smtp",
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(port),
            "SMTP_TLS": "none",
            "SMTP_CONNECTIONS": str(CONNECTIONS),
            "SMTP_MESSAGES_PER_CONNECTION": "1000000",
        }
    )
    async with (
        serving("notifications", servicers=made.servicers, resources=made.resources, settings=made.server) as server,
        open_channel(server.address, settings=ClientSettings()) as channel,
    ):
        yield rpc.NotificationServiceStub(channel)


def _as_bench(owner: str) -> str:
    """The same database, as a role that owns nothing."""
    return "postgresql://bench:bench@" + owner.rpartition("@")[2]


WRITER = MjmlWriter()

if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
