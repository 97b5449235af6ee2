"""What every command is given, and the ways of ending it that commands share."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TextIO, TypeAlias
from uuid import UUID

from google.protobuf.message import Message

from chassis.errors import faults_raised
from meshctl.client import Mesh, Operation
from meshctl.exits import Exit, of_operation
from meshctl.requests import StartRequest
from meshctl.showing import reports, summary, words
from tenantmesh.provisioning.v1 import operation_state_pb2
from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no other name


@dataclass(frozen=True, slots=True)
class Call:
    """One command as somebody typed it, the mesh to ask, and where to answer."""

    mesh: Mesh
    chosen: argparse.Namespace
    out: TextIO
    err: TextIO

    def message(self, message: Message, lines: Iterable[str]) -> None:
        """Answer a message: as JSON where that was asked for, else in lines."""
        if self.chosen.json:
            print(reports.in_one_line(message), file=self.out)
            return
        for line in lines:
            print(line, file=self.out)

    def table(self, messages: Sequence[Message], head: Sequence[str], row: Callable[[Any], Sequence[str]]) -> None:
        """Answer messages: as JSON, one a line, else as a table."""
        if self.chosen.json:
            for message in messages:
                print(reports.in_one_line(message), file=self.out)
            return
        rows = [tuple(head), *(tuple(words.safe(cell) for cell in row(message)) for message in messages)]
        print(*words.columns(rows), sep="\n", file=self.out)

    async def tenant(self) -> tenant_pb2.Tenant:
        """The tenant that was named by its key or its id."""
        named: str = self.chosen.tenant
        with faults_raised():
            if is_id(named):
                return (await self.mesh.tenants.GetTenant(tenant_pb.GetTenantRequest(tenant_id=named))).tenant
            return (await self.mesh.tenants.GetTenantByKey(tenant_pb.GetTenantByKeyRequest(key=named))).tenant

    async def tenant_id(self) -> str:
        """Its id; nobody is asked where the id itself was given."""
        return self.chosen.tenant if is_id(self.chosen.tenant) else (await self.tenant()).tenant_id

    async def started(self, request: StartRequest) -> Exit:
        """Start an operation and follow it, or show the plan of it."""
        if self.chosen.plan:
            plan = await self.mesh.plan(request)
            self.message(plan, summary.of_plan(plan))
            return Exit.OK if plan.acceptable else Exit.REFUSED
        operation = await self.mesh.start(request)
        if not operation.started:
            print(f"{operation.id} runs already", file=self.err)
        return await self.followed(operation)

    async def followed(self, operation: Operation) -> Exit:
        """Show an operation until it has ended, or somebody has to decide."""
        if getattr(self.chosen, "no_wait", False):
            return self.shown(operation)
        try:
            await self._follow(operation)
        except asyncio.CancelledError:
            print(f"\nIt goes on. Watch it again: meshctl operations watch {operation.id}", file=self.err)
            raise
        if not self.chosen.json:
            print(*summary.of_end(operation.latest), sep="\n", file=self.out)
        return of_operation(operation.latest)

    def shown(self, operation: Operation) -> Exit:
        """Show an operation as it stands."""
        self.message(operation.latest, summary.of_operation(operation.latest))
        return of_operation(operation.latest)

    async def _follow(self, operation: Operation) -> None:
        with reports.reporter(as_json=self.chosen.json, out=self.out) as report:
            async with aclosing(operation.watch()) as states:
                async for now in states:
                    report.show(now)
                    if now.state == operation_state_pb2.OPERATION_STATE_HELD:
                        return


Command: TypeAlias = Callable[[Call], Awaitable[Exit]]


def is_id(text: str) -> bool:
    """Whether it is an identifier, and no key."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def named(parser: argparse.ArgumentParser, command: Command) -> None:
    """The command of a line that names a tenant."""
    parser.add_argument("tenant", metavar="TENANT", help="the tenant's key or id")
    parser.set_defaults(command=command)


def agreed(question: str, wanted: str) -> bool:
    """Whether a person at the terminal types what is wanted; without a terminal nobody agrees."""
    if not sys.stdin.isatty():
        return False
    return input(f"{question} Type {wanted} to go on: ").strip() == wanted
