"""Walk through what stands today, on the running local stack, by plain JSON through the gateway.

Tenants of every tier are provisioned, and one fails on purpose and leaves nothing. Then a customer signs up, and each
of its things is made, tried and taken away again by hand: what the workflows did by themselves. Each step says what it
does, shows the answer, and fails the demo when that is not the promised one.
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

import dns.message
import dns.query

from demo_operations import ADDRESS, TIERS, Mesh

STATE = Path(os.environ.get("LOCAL_STATE", ".local"))
TIER = "TIER_BRIDGE"
Answer = tuple[int, dict[str, Any]]


class BrokenPromiseError(Exception):
    """A step did not show what it promised."""


def main() -> int:
    """Run every step and answer 1 when one breaks."""
    environment = read_environment(STATE / "env")
    customer = Customer(environment)
    try:
        for number, step in enumerate(STEPS, 1):
            print(f"\n{bold(f'{number}. {step.__doc__}')}")
            step(customer)
    except BrokenPromiseError as broken:
        print(f"\n{broken}", file=sys.stderr)
        return 1
    print(f"\n{bold('The stack stays up.')} `make status` shows it, `make down` ends it.")
    for name, what in SHOWN.items():
        if name in environment:
            print(f"  {what:<26}{environment[name]}")
    return 0


class Customer:
    """A customer on the way to a tenant, and the mesh as an outside client sees it: JSON through the gateway."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.key = f"demo-{uuid.uuid4().hex[:8]}"
        self.email = f"ada@{self.key}.example"
        self.host = f"{self.key}.tenantmesh.test"
        self.tenant = ""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request, show it and its answer."""
        request = urllib.request.Request(  # noqa: S310 - the gateway's own address
            self.environment["GATEWAY_URL"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        print(f"   {method} {path}" + (f"\n     {json.dumps(body)[:300]}" if body else ""))
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
                *_, last = response.read().splitlines()  # a stream is a line for each of its answers
                answer = response.status, json.loads(last)
        except urllib.error.HTTPError as error:
            with error:
                answer = error.code, json.load(error)
        print(f"   → {answer[0]} {json.dumps(answer[1])[:300]}")
        return answer

    def ensure(self, things: str, **wanted: Any) -> Answer:
        """Ask for one of the tenant's things."""
        return self.call("POST", f"/tenants/{self.tenant}/{things}", {**self.operation, **wanted})

    @property
    def operation(self) -> dict[str, str]:
        """On whose behalf."""
        return {"operationId": f"provision-tenant-{self.tenant}", "tenantKey": self.key}

    def resolve(self, name: str = "") -> list[str]:
        """What the zone's name server says of a name, else of the tenant's own."""
        name = name or self.host
        host, _, port = self.environment["RFC2136_NAMESERVER"].rpartition(":")
        answer = dns.query.udp(dns.message.make_query(name, "A"), host, port=int(port), timeout=10)
        addresses = [record.to_text() for records in answer.answer for record in records]
        print(f"   dig {name} @{host} -p {port}\n   → {addresses or 'no such name'}")
        return addresses


def provision(customer: Customer) -> None:
    """Provision a tenant of each tier: everything it needs, side by side, until it is active."""
    mesh = Mesh(customer.environment["GATEWAY_URL"])
    for tier in TIERS:
        tenant, key = mesh.subscribed(tier)
        print(f"   {key}")
        operation = mesh.provisioned(tenant)
        expect(operation["state"] == "OPERATION_STATE_SUCCEEDED", f"{key} is active")
        held = mesh.held(tenant)
        kinds = ("organizations", "schemas", "buckets", "dns-records")
        expect(all(len(held[kind]) == 1 for kind in kinds), "realm or organization, schema, bucket and name are there")
        expect(customer.resolve(f"{key}.tenantmesh.test") == ADDRESS, "its name resolves")
        url = f"{customer.environment['MAILSINK_URL']}/api/mails?to=ada@{key}.example"
        expect(len(json.loads(fetch(url))) == 1, "its administrator was welcomed")


def fail(customer: Customer) -> None:
    """Provision one whose name is somebody else's: it fails at DNS, and nothing of it is left."""
    mesh = Mesh(customer.environment["GATEWAY_URL"])
    tenant, key = mesh.subscribed("TIER_SILO")
    other = uuid.uuid4()
    name, address = f"{key}.tenantmesh.test", ["192.0.2.99"]
    taken = {"name": name, "type": "RECORD_TYPE_A", "values": address}
    mesh.call("POST", f"/tenants/{other}/dns-records", {"operationId": f"provision-tenant-{other}", **taken})
    operation = mesh.provisioned(tenant)
    expect(operation["state"] == "OPERATION_STATE_FAILED", f"it failed: {operation['rootCause']['message']}")
    expect(operation["failedStep"] == "dns_record", "at dns_record")
    expect(not any(mesh.held(tenant).values()), "nothing is left of it, asked of every service")
    state = mesh.call("GET", f"/tenants/{tenant}")["tenant"]["state"]
    expect(state == "TENANT_STATE_PROVISION_FAILED", "its record says so, and it can be tried again")
    expect(customer.resolve(name) == address, "the other one's name was not touched")


def sign_up(customer: Customer) -> None:
    """Sign up: a lead, its address proven by a key, and the lead becomes a tenant."""
    person = {"firstName": "Ada", "lastName": "Lovelace", "companyName": "Acme AG", "email": customer.email}
    _, lead = customer.call("POST", "/leads", {**person, "address": {"country": "CH", "city": "Bern"}})
    _, proof = customer.call("POST", f"/leads/{lead['id']}/verify", {"key": lead["key"]})
    wanted = {"token": proof["token"], "key": customer.key, "domains": [f"{customer.key}.example"]}
    status, tenant = customer.call("POST", f"/leads/{lead['id']}/tenants", wanted)
    expect(status == 200 and tenant["status"] == "PENDING_PROVISION", "a tenant, waiting to be provisioned")
    customer.tenant = tenant["id"]
    status, body = customer.call("POST", f"/leads/{lead['id']}/verify", {"key": lead["key"]})
    expect(status == 409 and reason(body) == "LEAD_CONVERTED", "a key works once")


def ask_badly(customer: Customer) -> None:
    """Send nonsense: every field at fault is named."""
    status, body = customer.call("POST", "/tenants/nobody/dns-records", {"values": [], "ttl": "5s"})
    violations = {field["field"] for detail in body["details"] for field in detail.get("fieldViolations", [])}
    expect(status == 400 and {"tenant_id", "values", "ttl"} <= violations, "tenant_id, values and ttl are among them")


def make_a_bucket(customer: Customer) -> None:
    """Make a bucket, and put a file into it by a link that needs no key."""
    status, body = customer.ensure("buckets", tier=TIER)
    expect(status == 200 and body["created"], f"a bucket of its own: {body['bucket']['name']}")
    file, where = b"hello", {"tenantKey": customer.key, "key": "hello.txt"}
    wanted = {**where, "contentType": "text/plain", "contentLength": str(len(file))}
    _, upload = customer.call("POST", f"/tenants/{customer.tenant}/buckets/{TIER}/uploads", wanted)
    fetch(upload["url"], method="PUT", data=file, headers=upload["headers"])
    _, download = customer.call("POST", f"/tenants/{customer.tenant}/buckets/{TIER}/downloads", where)
    expect(fetch(download["url"]) == file, "what was put in comes out")


def make_a_schema(customer: Customer) -> None:
    """Make a database schema with a role of its own, and its first rows."""
    status, body = customer.ensure("schemas", tier=TIER)
    expect(status == 200 and body["created"], f"a schema of its own: {body['schema']['name']}")
    status, body = customer.ensure(f"schemas/{TIER}/seed", variables={"company_name": "Acme AG"})
    expect(status == 200 and body["created"], f"its first rows: {body['seed']['rows']}")


def make_a_name(customer: Customer) -> None:
    """Make a DNS name: it resolves."""
    status, body = customer.ensure("dns-records", **record(customer))
    expect(status == 200 and body["created"], "the record was made")
    path = f"/tenants/{customer.tenant}/dns-records/RECORD_TYPE_A/{customer.host}/verification"
    _, body = customer.call("GET", path)
    expect(body["verification"]["state"] == "STATE_VERIFIED", "every server of the zone has it")
    expect(customer.resolve() == record(customer)["values"], "whoever asks is told")


def repeat(customer: Customer) -> None:
    """Ask for all of it again, as a retry after a lost answer would: nothing changes."""
    answers = [customer.ensure(things, tier=TIER) for things in ("buckets", "schemas")]
    answers.append(customer.ensure("dns-records", **record(customer)))
    expect([body["created"] for _, body in answers] == [False] * 3, "the same bucket, schema and record")


def take(customer: Customer) -> None:
    """Let another tenant ask for the same name: refused, with a reason a program can act on."""
    wanted = {"operationId": "provision-other", **record(customer)}
    status, body = customer.call("POST", f"/tenants/{uuid.uuid4()}/dns-records", wanted)
    expect(status == 409 and reason(body) == "RECORD_NOT_OWNED", "another tenant's record is not taken")


def write_to_them(customer: Customer) -> None:
    """Send the welcome, twice: it arrives once."""
    message = {
        "requestId": str(uuid.uuid4()),
        "templateId": "welcome",
        "recipients": [{"email": customer.email, "displayName": "Ada Lovelace"}],
        "variables": {"tenant_name": "Acme AG", "login_url": f"https://{customer.host}"},
    }
    for _ in range(2):
        status, _ = customer.call("POST", f"/tenants/{customer.tenant}/notifications", message)
        expect(status == 200, "it was taken")
    mails = json.loads(fetch(f"{customer.environment['MAILSINK_URL']}/api/mails?to={customer.email}"))
    expect(len(mails) == 1, f"one mail in the sink: {mails[0]['subject'] if mails else 'none'}")


def undo(customer: Customer) -> None:
    """Undo it, twice: gone, and still gone. Nothing is left behind."""
    of_whom = f"?tenantKey={customer.key}&operationId={customer.operation['operationId']}"
    things = f"/tenants/{customer.tenant}"
    customer.call("POST", f"{things}/buckets/{TIER}/empty", customer.operation)
    for path in (
        f"{things}/schemas/{TIER}{of_whom}",
        f"{things}/buckets/{TIER}{of_whom}",
        f"{things}/dns-records/RECORD_TYPE_A/{customer.host}",
    ):
        existed = [customer.call("DELETE", path)[1]["existed"] for _ in range(2)]
        expect(existed == [True, False], "removed once, confirmed twice")
    lists = {"buckets": "buckets", "schemas": "schemas", "dns-records": "records"}
    left = [customer.call("GET", f"{things}/{path}")[1][field] for path, field in lists.items()]
    expect(left == [[], [], []] and not customer.resolve(), "none is left, asked of the servers themselves")


def tell(customer: Customer) -> None:
    """Ask the record what happened to the tenant."""
    _, body = customer.call("GET", f"/events?tenantId={customer.tenant}")
    expect([event["eventType"] for event in body["events"]][:1] == ["tenant.created"], "it begins with its making")


STEPS: tuple[Callable[[Customer], None], ...] = (
    provision,
    fail,
    sign_up,
    ask_badly,
    make_a_bucket,
    make_a_schema,
    make_a_name,
    repeat,
    take,
    write_to_them,
    undo,
    tell,
)
SHOWN = {
    "GATEWAY_URL": "gateway (JSON, gRPC)",
    "MAILSINK_URL": "mails",
    "TENANTS_ADDRESS": "tenants (gRPC)",
    "STORAGE_ADDRESS": "storage (gRPC)",
    "DNS_ADDRESS": "dns (gRPC)",
    "NOTIFICATIONS_ADDRESS": "notifications (gRPC)",
    "PROVISIONING_ADDRESS": "provisioning (gRPC)",
}


def record(customer: Customer) -> dict[str, Any]:
    """The tenant's record."""
    return {"name": customer.host, "type": "RECORD_TYPE_A", "values": ["192.0.2.10"]}


def fetch(url: str, **request: Any) -> bytes:
    """What an address of the local stack answers."""
    with urllib.request.urlopen(urllib.request.Request(url, **request), timeout=30) as response:  # noqa: S310 - as said
        content: bytes = response.read()
        return content


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
