"""Commands about operations: list, show, watch, cancel, retry, approve, reject, amend."""

from __future__ import annotations

import argparse
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from meshctl.client import Operation
from meshctl.commands.call import Call, Command, Subparsers
from meshctl.exits import Exit
from meshctl.showing import words
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import operation_pb2, operation_state_pb2
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb

_KINDS: Final = {
    name.removeprefix("OPERATION_KIND_").lower(): value for name, value in operation_pb2.OperationKind.items() if value
}
_STATES: Final = {
    name.removeprefix("OPERATION_STATE_").lower(): value
    for name, value in operation_state_pb2.OperationState.items()
    if value
}
_TIERS: Final = {name.removeprefix("TIER_").lower(): value for name, value in tier_pb2.Tier.items() if value}
_HEAD: Final = ("OPERATION", "TENANT", "STATE", "%", "STEP", "BEGAN")


def add(commands: Subparsers) -> None:
    """Declare the commands."""
    group = commands.add_parser("operations", aliases=["ops"], help="list, show and steer operations")
    ones = group.add_subparsers(required=True, metavar="COMMAND")
    one = ones.add_parser("list", help="the newest first")
    one.add_argument("--tenant", default="", metavar="TENANT", help="only this tenant's: its key or id")
    one.add_argument("--kind", action="append", default=[], choices=_KINDS, help="only of this kind")
    one.add_argument("--state", action="append", default=[], choices=_STATES, help="only in this state")
    one.add_argument("--failed-step", default="", metavar="STEP", help="only those that ended at this step")
    one.add_argument("--tier", choices=_TIERS, help="only tenants of this tier")
    one.add_argument("--since", type=moment, metavar="TIME", help="only those that began then or later (ISO 8601)")
    one.add_argument("--limit", type=int, default=50, help="how many at most (50)")
    one.set_defaults(command=listed)
    _about(ones, "show", show, "as it stands now, with every step")
    _about(ones, "watch", watch, "follow it to its end")
    for name, command, help_, needs_reason in (
        ("cancel", cancel, "end it and undo what it made", False),
        ("retry", retry, "take it up at its first step not done", False),
        ("approve", approve, "let it go on", True),
        ("reject", reject, "end it and undo what it made", True),
        ("amend", amend, "change host names, or leave out an optional step, while it runs", False),
    ):
        one = _about(ones, name, command, help_)
        one.add_argument("--reason", default="", required=needs_reason, help="why; kept with the operation")
        one.add_argument("--no-wait", action="store_true", help="do not follow it")
        if command is amend:
            one.add_argument("--domain", action="append", default=[], help="takes the place of all host names")
            one.add_argument("--skip", action="append", default=[], metavar="STEP", help="leave out a step")


async def listed(call: Call) -> Exit:
    """List operations."""
    chosen = call.chosen
    request = pb.ListOperationsRequest(
        tenant_id=await call.tenant_id() if chosen.tenant else "",
        kinds=[_KINDS[kind] for kind in chosen.kind],
        states=[_STATES[state] for state in chosen.state],
        failed_step=chosen.failed_step,
        tier=_TIERS.get(chosen.tier, tier_pb2.TIER_UNSPECIFIED),
        page_size=max(1, min(chosen.limit, 200)),
    )
    if chosen.since is not None:
        request.min_start_time.FromDatetime(chosen.since)
    found: list[operation_pb2.Operation] = []
    async with aclosing(call.mesh.operations(request)) as operations:
        async for operation in operations:
            found.append(operation)
            if len(found) >= chosen.limit:
                break
    call.table(found, _HEAD, _row)
    return Exit.OK


async def show(call: Call) -> Exit:
    """Show one; the exit code says how it stands."""
    return call.shown(await _found(call))


async def watch(call: Call) -> Exit:
    """Follow one to its end; the exit code says how it ended."""
    return await call.followed(await _found(call))


async def cancel(call: Call) -> Exit:
    """Cancel one and follow its undos. That it was cancelled is what was asked for."""
    operation = await _found(call)
    await operation.cancel(call.chosen.reason)
    code = await call.followed(operation)
    return Exit.OK if code is Exit.CANCELLED else code


async def retry(call: Call) -> Exit:
    """Retry one and follow the run that goes on."""
    return await call.followed(await (await _found(call)).retry(call.chosen.reason))


async def approve(call: Call) -> Exit:
    """Approve one and follow it."""
    operation = await _found(call)
    await operation.approve(call.chosen.reason)
    return await call.followed(operation)


async def reject(call: Call) -> Exit:
    """Reject one and follow its undos."""
    operation = await _found(call)
    await operation.reject(call.chosen.reason)
    return await call.followed(operation)


async def amend(call: Call) -> Exit:
    """Amend one and follow it."""
    chosen = call.chosen
    operation = await _found(call)
    await operation.amend(domains=chosen.domain, skip_steps=chosen.skip, reason=chosen.reason)
    return await call.followed(operation)


def moment(text: str) -> datetime:
    """Read a time; one without a zone is in UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no time such as 2026-11-21T08:00:00Z"
        raise argparse.ArgumentTypeError(message) from None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


async def _found(call: Call) -> Operation:
    return await call.mesh.operation(call.chosen.operation, run_id=call.chosen.run)


def _about(ones: Subparsers, name: str, command: Command, words_: str) -> argparse.ArgumentParser:
    one = ones.add_parser(name, help=words_)
    one.add_argument("operation", metavar="OPERATION", help="such as provision-tenant-<tenant id>")
    one.add_argument("--run", default="", metavar="ID", help="this run of it (the latest)")
    one.set_defaults(command=command)
    return one


def _row(operation: operation_pb2.Operation) -> tuple[str, ...]:
    began = operation.start_time.ToDatetime(UTC).strftime("%Y-%m-%d %H:%M:%S") if operation.start_time.seconds else ""
    return (
        operation.operation_id,
        operation.tenant_key,
        words.state_of(operation),
        str(operation.percent or ""),
        operation.failed_step or operation.step,
        began,
    )
