"""Commands that start an operation and follow it: provision, deprovision, suspend, resume, deploy, export."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from typing import Final

from meshctl.commands.call import Call, Subparsers, agreed, named
from meshctl.exits import Exit
from tenantmesh.provisioning.v1 import deprovision_requests_pb2 as deprovision_pb
from tenantmesh.provisioning.v1 import export_tenant_pb2, provision_tenant_pb2
from tenantmesh.provisioning.v1 import tenant_requests_pb2 as pb

_POLICIES: Final = {
    "undo": provision_tenant_pb2.FAILURE_POLICY_UNDO,
    "hold": provision_tenant_pb2.FAILURE_POLICY_HOLD,
}
_PARTS: Final = {
    name.removeprefix("EXPORT_PART_").lower(): value for name, value in export_tenant_pb2.ExportPart.items() if value
}
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add(commands: Subparsers) -> None:
    """Declare the commands."""
    one = commands.add_parser("provision", help="make everything a tenant needs and activate it")
    one.add_argument("--skip", action="append", default=[], metavar="STEP", help="leave out an optional step")
    one.add_argument("--tag", action="append", default=[], metavar="TAG", help="tag what is made")
    one.add_argument("--on-failure", choices=_POLICIES, help="undo, or hold for a person (the tier's setting)")
    one.add_argument("--require-approval", action="store_true", help="wait for an approval before infrastructure")
    one.add_argument("--admin-credential", default="", metavar="ID", help="the staged password of the first admin")
    _started(one, needs_reason=False)
    named(one, provision)

    one = commands.add_parser("deprovision", help="shut a tenant off, export it, and remove all it has")
    one.add_argument("--grace", type=period, metavar="7d", help="how long everything is kept (the service's setting)")
    one.add_argument("--skip-export", action="store_true", help="remove without an export")
    one.add_argument("--yes", action="store_true", help="do not ask")
    _started(one, needs_reason=True)
    named(one, deprovision)

    for name, command, words in (
        ("suspend", suspend, "shut a tenant off and keep all it has"),
        ("resume", resume, "let a suspended tenant in again"),
    ):
        one = commands.add_parser(name, help=words)
        one.add_argument("--for", dest="suspension", required=True, metavar="WHY", help="billing, abuse, security …")
        _started(one, needs_reason=True)
        named(one, command)

    one = commands.add_parser("deploy", help="bring another version of the application to a tenant")
    one.add_argument("--version", default="", help="the version (the deployments service's setting for the tier)")
    _started(one, needs_reason=False)
    named(one, deploy)

    one = commands.add_parser("export", help="write a tenant's data to an archive")
    one.add_argument("--part", action="append", default=[], choices=_PARTS, help="only this part")
    one.add_argument("--keep", type=period, metavar="7d", help="how long the archive is kept (7d)")
    _started(one, needs_reason=False)
    named(one, export)

    for name, command, words in (
        ("confirm-deprovision", confirm, "end the grace period: remove everything now"),
        ("undo-deprovision", undo, "let a tenant in again inside its grace period"),
    ):
        one = commands.add_parser(name, help=words)
        one.add_argument("--reason", required=True, help="why; kept with the operation")
        one.add_argument("--no-wait", action="store_true", help="do not follow it")
        one.add_argument("--yes", action="store_true", help="do not ask")
        named(one, command)


async def provision(call: Call) -> Exit:
    """Provision a tenant."""
    chosen = call.chosen
    request = pb.ProvisionTenantRequest(
        tenant_id=await call.tenant_id(),
        admin_credential_id=chosen.admin_credential,
        require_approval=chosen.require_approval,
        failure_policy=_POLICIES.get(chosen.on_failure, provision_tenant_pb2.FAILURE_POLICY_UNSPECIFIED),
        skip_steps=chosen.skip,
        tags=chosen.tag,
        reason=chosen.reason,
    )
    return await call.started(request)


async def deprovision(call: Call) -> Exit:
    """Deprovision a tenant, once somebody has said that it is meant."""
    chosen = call.chosen
    tenant = await call.tenant()
    if not (chosen.yes or chosen.plan or agreed(f"Everything of {tenant.key} will be removed.", tenant.key)):
        return _not_meant(call)
    request = deprovision_pb.DeprovisionTenantRequest(
        tenant_id=tenant.tenant_id, skip_export=chosen.skip_export, reason=chosen.reason
    )
    if chosen.grace is not None:
        request.grace_period.FromTimedelta(chosen.grace)
    return await call.started(request)


async def suspend(call: Call) -> Exit:
    """Suspend a tenant."""
    chosen = call.chosen
    request = pb.SuspendTenantRequest(
        tenant_id=await call.tenant_id(), suspension_reason=chosen.suspension, reason=chosen.reason
    )
    return await call.started(request)


async def resume(call: Call) -> Exit:
    """Resume a tenant."""
    chosen = call.chosen
    request = pb.ResumeTenantRequest(
        tenant_id=await call.tenant_id(), suspension_reason=chosen.suspension, reason=chosen.reason
    )
    return await call.started(request)


async def deploy(call: Call) -> Exit:
    """Deploy a version."""
    chosen = call.chosen
    request = pb.DeployTenantRequest(tenant_id=await call.tenant_id(), version=chosen.version, reason=chosen.reason)
    return await call.started(request)


async def export(call: Call) -> Exit:
    """Export a tenant."""
    chosen = call.chosen
    request = pb.ExportTenantRequest(
        tenant_id=await call.tenant_id(), parts=[_PARTS[part] for part in chosen.part], reason=chosen.reason
    )
    if chosen.keep is not None:
        request.retention.FromTimedelta(chosen.keep)
    return await call.started(request)


async def confirm(call: Call) -> Exit:
    """End the grace period, once somebody has said that it is meant."""
    tenant = await call.tenant()
    if not (call.chosen.yes or agreed(f"Everything of {tenant.key} will be removed now.", tenant.key)):
        return _not_meant(call)
    return await call.followed(await call.mesh.confirm_deprovision(tenant.tenant_id, call.chosen.reason))


async def undo(call: Call) -> Exit:
    """Let a tenant in again."""
    return await call.followed(await call.mesh.undo_deprovision(await call.tenant_id(), call.chosen.reason))


def period(text: str) -> timedelta:
    """Read `90s`, `10m`, `12h`, `7d`."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        message = f"{text!r} is no time such as 90s, 10m, 12h, 7d"
        raise argparse.ArgumentTypeError(message)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _started(parser: argparse.ArgumentParser, *, needs_reason: bool) -> None:
    parser.add_argument("--reason", default="", required=needs_reason, help="why; kept with the operation")
    parser.add_argument("--plan", action="store_true", help="only say what would be done")
    parser.add_argument("--no-wait", action="store_true", help="do not follow it")


def _not_meant(call: Call) -> Exit:
    print("Nothing was done. Without a terminal say --yes.", file=call.err)
    return Exit.USAGE
