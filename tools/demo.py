"""Walk through what stands today, on the running local stack, by plain JSON through the gateway.

Each step says what it does, shows the answer, and fails the demo when the answer is not the promised one.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

STATE = Path(os.environ.get("LOCAL_STATE", ".local"))
Answer = tuple[int, dict[str, Any]]


class BrokenPromiseError(Exception):
    """A step did not show what it promised."""


def main() -> int:
    """Run every step and answer 1 when one breaks."""
    environment = read_environment(STATE / "env")
    mesh = Mesh(environment["GATEWAY_URL"])
    try:
        for number, step in enumerate(STEPS, 1):
            print(f"\n{bold(f'{number}. {step.__doc__}')}")
            step(mesh)
    except BrokenPromiseError as broken:
        print(f"\n{broken}", file=sys.stderr)
        return 1
    print(f"\n{bold('The stack stays up.')} `make status` shows it, `make down` ends it.")
    for name, what in SHOWN.items():
        if name in environment:
            print(f"  {what:<26}{environment[name]}")
    return 0


class Mesh:
    """The mesh as an outside client sees it: JSON through the gateway."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self.acme, self.globex = str(uuid.uuid4()), str(uuid.uuid4())
        self.name = f"demo-{self.acme[:8]}.tenantmesh.test"

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request, show it and its answer."""
        request = urllib.request.Request(  # noqa: S310 - the gateway's own address
            self.gateway + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        print(f"   {method} {path}" + (f"\n     {json.dumps(body)}" if body else ""))
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
                answer = response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                answer = error.code, json.load(error)
        print(f"   → {answer[0]} {json.dumps(answer[1])[:400]}")
        return answer

    def ensure(self, tenant: str, **changes: Any) -> Answer:
        """Ask for the demo's record on behalf of a tenant."""
        body = {
            "operationId": f"provision-tenant-{tenant}",
            "name": self.name,
            "type": "RECORD_TYPE_A",
            "values": ["192.0.2.10"],
            **changes,
        }
        return self.call("POST", f"/tenants/{tenant}/dns-records", body)


def make_a_record(mesh: Mesh) -> None:
    """Make a DNS record for the tenant Acme."""
    status, body = mesh.ensure(mesh.acme)
    expect(status == 200 and body["created"], "the record was made")


def make_it_again(mesh: Mesh) -> None:
    """Repeat it, as a retry after a lost answer would: nothing changes."""
    status, body = mesh.ensure(mesh.acme)
    expect(status == 200 and not body["created"], "the same record, not made again")


def take_it(mesh: Mesh) -> None:
    """Let the tenant Globex ask for the same name: refused, with a reason a program can act on."""
    status, body = mesh.ensure(mesh.globex)
    expect(status == 409 and reason(body) == "RECORD_NOT_OWNED", "another tenant's record is not taken")


def ask_badly(mesh: Mesh) -> None:
    """Send nonsense: every field at fault is named."""
    status, body = mesh.ensure("nobody", values=[], ttl="5s")
    violations = {field["field"] for detail in body["details"] for field in detail.get("fieldViolations", [])}
    expect(status == 400 and violations == {"tenant_id", "values", "ttl"}, "tenant_id, values and ttl are named")


def verify_it(mesh: Mesh) -> None:
    """Verify the record: the memory provider says honestly that nobody was asked."""
    path = f"/tenants/{mesh.acme}/dns-records/RECORD_TYPE_A/{mesh.name}/verification"
    status, _ = mesh.call("GET", path)
    expect(status == 200, "the verification was streamed")


def audit(mesh: Mesh) -> None:
    """Ask the provider what the mesh made for Acme: what an audit compares with the records."""
    _, body = mesh.call("GET", f"/tenants/{mesh.acme}/dns-records")
    expect([record["name"] for record in body["records"]] == [mesh.name], "exactly this record, with its stamp")


def undo(mesh: Mesh) -> None:
    """Undo it, twice: gone, and still gone. Nothing is left behind."""
    path = f"/tenants/{mesh.acme}/dns-records/RECORD_TYPE_A/{mesh.name}"
    existed = [mesh.call("DELETE", path)[1]["existed"] for _ in range(2)]
    _, body = mesh.call("GET", f"/tenants/{mesh.acme}/dns-records")
    expect(existed == [True, False] and body["records"] == [], "removed once, confirmed twice, none left")


STEPS: tuple[Callable[[Mesh], None], ...] = (
    make_a_record,
    make_it_again,
    take_it,
    ask_badly,
    verify_it,
    audit,
    undo,
)
SHOWN = {
    "GATEWAY_URL": "gateway (JSON, gRPC)",
    "TEMPORAL_UI_URL": "Temporal UI",
    "MAILSINK_URL": "mail sink",
    "DNS_ADDRESS": "dns service (gRPC)",
}


def expect(truth: bool, promise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Tick the promise, or break the demo."""
    if not truth:
        raise BrokenPromiseError(f"broken promise: {promise}")
    print(f"   ✓ {promise}")


def reason(body: Mapping[str, Any]) -> str:
    """The reason of an error."""
    return next((str(detail["reason"]) for detail in body["details"] if "reason" in detail), "")


def read_environment(path: Path) -> dict[str, str]:
    """The addresses the local stack wrote for its clients."""
    lines = (line.removeprefix("export ") for line in path.read_text().splitlines() if "=" in line)
    return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


def bold(text: str) -> str:
    """Set off, where that is seen."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


if __name__ == "__main__":
    sys.exit(main())
