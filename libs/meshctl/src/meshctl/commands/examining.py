"""Commands that look: explain, health."""

from __future__ import annotations

from collections.abc import Iterator

from meshctl.commands.call import Call, Subparsers, named
from meshctl.exits import Exit
from meshctl.showing import summary, words
from tenantmesh.provisioning.v1 import health_pb2


def add(commands: Subparsers) -> None:
    """Declare the commands."""
    named(commands.add_parser("explain", help="say where a tenant stands, and what helps"), explain)
    one = commands.add_parser("health", help="say whether operations can be started and are worked on")
    one.add_argument("--prove", action="store_true", help="run a workflow that does nothing and wait for it")
    one.set_defaults(command=health)


async def explain(call: Call) -> Exit:
    """Explain a tenant."""
    explanation = await call.mesh.explain(await call.tenant_id())
    call.message(explanation, summary.of_explanation(explanation))
    return Exit.OK


async def health(call: Call) -> Exit:
    """Say how healthy it is; the exit code says it too."""
    found = await call.mesh.health(prove=call.chosen.prove)
    call.message(found, _lines(found))
    return Exit.AWAY if found.status == health_pb2.Health.STATUS_NOT_SERVING else Exit.OK


def _lines(found: health_pb2.Health) -> Iterator[str]:
    status = health_pb2.Health.Status.Name(found.status).removeprefix("STATUS_").lower().replace("_", " ")
    yield f"{status}  {words.safe(found.details)}".rstrip()
    for dependency in found.dependencies:
        yield f"  {dependency.name}: {'reachable' if dependency.reachable else words.safe(dependency.details)}"
    for queue in found.queues:
        yield f"  queue {words.safe(queue.name)}: {queue.workers} workers, {queue.backlog} waiting"
    for switch in found.switches:
        if not switch.enabled:
            yield f"  {switch.name} is off: no new starts"
