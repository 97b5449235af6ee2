"""Commands about the records: tenant, lead."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

from chassis.errors import faults_raised
from meshctl.commands.call import Call, Subparsers, named
from meshctl.exits import Exit
from meshctl.showing import words
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import address_pb2, contact_pb2, lead_pb2, tenant_pb2
from tenantmesh.tenants.v1 import lead_service_pb2 as lead_pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb

_TIERS: Final = {name.removeprefix("TIER_").lower(): value for name, value in tier_pb2.Tier.items() if value}
_HEAD: Final = ("KEY", "STATE", "TIER", "NAME", "ID")


def add(commands: Subparsers) -> None:
    """Declare the commands."""
    _add_tenant(commands.add_parser("tenant", help="show, list and make tenants").add_subparsers(required=True))
    _add_lead(commands.add_parser("lead", help="take in a visitor").add_subparsers(required=True))


def _add_tenant(ones: Subparsers) -> None:
    named(ones.add_parser("show", help="a tenant's record"), show)
    one = ones.add_parser("list", help="the newest first")
    one.add_argument("--filter", default="", help='such as: state = "ACTIVE" AND tag = "development"')
    one.add_argument("--limit", type=int, default=100, help="how many at most (100)")
    one.set_defaults(command=listed)
    one = ones.add_parser("check-key", help="whether a key can be had, and which similar ones")
    one.add_argument("key")
    one.set_defaults(command=check_key)
    one = ones.add_parser("create", help="make a record; nothing is provisioned by it")
    one.add_argument("key", help="3 to 31 letters, digits and hyphens")
    one.add_argument("--tier", choices=_TIERS, required=True)
    one.add_argument("--display-name", default="", help="what people call it (the key)")
    one.add_argument("--domain", action="append", required=True, help="a host name; once for each")
    _person(one)
    one.set_defaults(command=create)


def _add_lead(ones: Subparsers) -> None:
    one = ones.add_parser("create", help="note who asks for a tenant; answers the key where the caller may see it")
    one.add_argument("--company", required=True)
    one.add_argument("--country", required=True, help="two letters")
    _person(one)
    one.set_defaults(command=create_lead)
    for name, command, help_, secret in (
        ("verify", verify_lead, "use up a key read from standard input, and answer the token", "key"),
        ("convert", convert_lead, "make the lead's tenant, with a token read from standard input", "token"),
        ("show", show_lead, "a lead's record", ""),
    ):
        one = ones.add_parser(name, help=help_)
        one.add_argument("lead", metavar="LEAD", help="the lead's id")
        if secret:
            one.add_argument("--file", type=argparse.FileType(), default=sys.stdin, help=f"where the {secret} is read")
        if command is convert_lead:
            one.add_argument("--key", required=True, help="the key of the tenant to make")
            one.add_argument("--domain", action="append", required=True, help="a host name; once for each")
        one.set_defaults(command=command)


def _person(one: argparse.ArgumentParser) -> None:
    one.add_argument("--email", required=True, help="of the person who administers it")
    one.add_argument("--first-name", required=True)
    one.add_argument("--last-name", required=True)


async def show(call: Call) -> Exit:
    """Show a tenant."""
    tenant = await call.tenant()
    call.message(tenant, _tenant_lines(tenant))
    return Exit.OK


async def listed(call: Call) -> Exit:
    """List tenants, page after page."""
    found: list[tenant_pb2.Tenant] = []
    request = pb.ListTenantsRequest(filter=call.chosen.filter, page_size=max(1, min(call.chosen.limit, 500)))
    while len(found) < call.chosen.limit:
        with faults_raised():
            answer = await call.mesh.tenants.ListTenants(request)
        found.extend(answer.tenants)
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    call.table(found[: call.chosen.limit], _HEAD, _tenant_row)
    return Exit.OK


async def check_key(call: Call) -> Exit:
    """Say whether a key can be had."""
    with faults_raised():
        answer = await call.mesh.tenants.CheckTenantKey(pb.CheckTenantKeyRequest(key=call.chosen.key))
    call.message(answer, _key_lines(answer))
    return Exit.OK if answer.available else Exit.REFUSED


async def create(call: Call) -> Exit:
    """Make a tenant's record."""
    chosen = call.chosen
    person = contact_pb2.Contact(
        first_name=chosen.first_name, last_name=chosen.last_name, email=chosen.email, primary=True
    )
    request = pb.CreateTenantRequest(
        key=chosen.key,
        display_name=chosen.display_name or chosen.key,
        tier=_TIERS[chosen.tier],
        contacts=[person],
        domains=chosen.domain,
        request_id=str(uuid4()),
    )
    with faults_raised():
        tenant = (await call.mesh.tenants.CreateTenant(request)).tenant
    call.message(tenant, _tenant_lines(tenant))
    return Exit.OK


async def create_lead(call: Call) -> Exit:
    """Note a lead."""
    chosen = call.chosen
    request = lead_pb.CreateLeadRequest(
        email=chosen.email,
        first_name=chosen.first_name,
        last_name=chosen.last_name,
        company_name=chosen.company,
        address=address_pb2.Address(country=chosen.country),
        request_id=str(uuid4()),
    )
    with faults_raised():
        answer = await call.mesh.leads.CreateLead(request)
    call.message(answer, [f"lead  {answer.lead_id}", f"key   {answer.key or 'was sent by mail'}"])
    return Exit.OK


async def verify_lead(call: Call) -> Exit:
    """Verify a lead: the key never stands in a list of processes."""
    request = lead_pb.VerifyLeadRequest(
        lead_id=call.chosen.lead, key=call.chosen.file.readline().strip(), request_id=str(uuid4())
    )
    with faults_raised():
        answer = await call.mesh.leads.VerifyLead(request)
    call.message(answer, [answer.token])
    return Exit.OK


async def convert_lead(call: Call) -> Exit:
    """Make the tenant of a lead."""
    chosen = call.chosen
    request = lead_pb.ConvertLeadRequest(
        lead_id=chosen.lead,
        token=chosen.file.readline().strip(),
        key=chosen.key,
        domains=chosen.domain,
        request_id=str(uuid4()),
    )
    with faults_raised():
        tenant = (await call.mesh.leads.ConvertLead(request)).tenant
    call.message(tenant, _tenant_lines(tenant))
    return Exit.OK


async def show_lead(call: Call) -> Exit:
    """Show a lead."""
    with faults_raised():
        lead = (await call.mesh.leads.GetLead(lead_pb.GetLeadRequest(lead_id=call.chosen.lead))).lead
    state = lead_pb2.Lead.State.Name(lead.state).removeprefix("STATE_")
    call.message(
        lead, [f"{state}  {words.safe(lead.email)}  {words.safe(lead.company_name)}  {lead.tenant_id}".rstrip()]
    )
    return Exit.OK


def _tenant_row(tenant: tenant_pb2.Tenant) -> tuple[str, ...]:
    return (
        tenant.key,
        words.tenant_state(tenant.state),
        words.tier_name(tenant.tier),
        tenant.display_name,
        tenant.tenant_id,
    )


def _tenant_lines(tenant: tenant_pb2.Tenant) -> Iterator[str]:
    yield f"{tenant.key}  {words.tenant_state(tenant.state)}  {words.tier_name(tenant.tier)}"
    yield f"  id       {tenant.tenant_id}"
    yield f"  name     {words.safe(tenant.display_name)}"
    yield f"  domains  {', '.join(tenant.domains)}"
    for contact in tenant.contacts:
        name = words.safe(f"{contact.first_name} {contact.last_name} <{contact.email}>")
        yield f"  contact  {name}{' (primary)' if contact.primary else ''}"
    if tenant.protected:
        yield "  protected: it is neither suspended nor removed"
    if tenant.failure.failed_step:
        yield f"  failed   {tenant.failure.failed_step}: {words.safe(tenant.failure.root_cause)}"
    if tenant.operation_id:
        yield f"  latest   {tenant.operation_id}"


def _key_lines(answer: pb.CheckTenantKeyResponse) -> Iterator[str]:
    if answer.available:
        yield "It can be had."
        return
    obstacle = pb.CheckTenantKeyResponse.Obstacle.Name(answer.obstacle).removeprefix("OBSTACLE_").lower()
    yield words.safe(f"It cannot be had: {obstacle}. {answer.rule}".rstrip())
    if answer.suggestions:
        yield f"  free: {', '.join(answer.suggestions)}"
