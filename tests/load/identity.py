"""What a tenant costs at Keycloak: `python tests/load/identity.py [ROUNDS [POOLED [SILO]]]`.

First the service against a script that sends the bare requests without which there would be no such tenant, in turns,
so that what else the machine does meets both alike; both send what is independent side by side. Then the curves: what
the next tenant costs when so many are there.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

# In place of this folder, whose dns.py is not the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx
from tests.fixtures.identity import environment, made, serving
from tests.fixtures.servers import CACHE, Keycloak, Postgres, Server
from tests.integration.keycloak.conftest import OPERATION, keycloak_environment, somewhere

from localstack.servers.keycloak import KEYCLOAK
from localstack.servers.postgres import POSTGRES
from localstack.settings import StackSettings
from localstack.stack import plan, running
from tenantmesh.identity.v1 import user_pb2

ROUNDS, POOLED, SILO = (int(word) for word in [*sys.argv[1:], *("20", "300", "100")[len(sys.argv) - 1 :]])
BOUND, FLAT = 1.25, 1.2
PASSWORD = "Correct-horse-7-battery"


class Script:
    """What somebody would write who wants such a tenant and nothing else."""

    def __init__(self, keycloak, http):
        self.keycloak, self.http, self.token, self.until = keycloak, http, "", 0.0

    async def ask(self, method, path, body=None):
        if time.monotonic() > self.until:
            form = {"grant_type": "client_credentials", "client_id": self.keycloak.client_id,
                    "client_secret": self.keycloak.client_secret}  # fmt: skip
            answer = await self.http.post("/realms/master/protocol/openid-connect/token", data=form)
            self.token, self.until = answer.json()["access_token"], time.monotonic() + 40
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await self.http.request(method, f"/admin/realms{path}", json=body, headers=headers)
        answer.raise_for_status()
        return answer

    async def tenant(self, where):
        key, shared = where["tenant_key"], where["tier"] == "TIER_POOLED"
        realm = self.keycloak.realm if shared else f"tenant-{key}"
        if shared:
            body = {"name": f"tenant-{key}", "alias": f"tenant-{key}", "domains": [{"name": f"{key}.example"}]}
            answer = await self.ask("POST", f"/{realm}/organizations", body)
            organization = answer.headers["location"].rpartition("/")[2]
        else:
            role = {"name": "tenant-admin", "composite": True,
                    "composites": {"client": {"realm-management": ["realm-admin"]}}}  # fmt: skip
            await self.ask("POST", "", {"realm": realm, "enabled": True, "roles": {"realm": [role]}})
            organization = ""
        client = {"clientId": f"{key}-app", "secret": uuid.uuid4().hex, "redirectUris": [f"https://{key}.example/*"]}
        await asyncio.gather(
            self.ask("POST", f"/{realm}/clients", client), self.person(realm, f"ada@{key}.example", organization)
        )

    async def person(self, realm, email, organization):
        password = {"type": "password", "value": PASSWORD, "temporary": True}
        user = {"username": email, "email": email, "enabled": True, "credentials": [password]}
        answer = await self.ask("POST", f"/{realm}/users", user)
        number = answer.headers["location"].rpartition("/")[2]
        if organization:
            await self.ask("POST", f"/{realm}/organizations/{organization}/members", number)
        role = (await self.ask("GET", f"/{realm}/roles/tenant-admin")).json()
        await self.ask("POST", f"/{realm}/users/{number}/role-mappings/realm", [role])


async def provision(stub, where):
    """The same by the service."""
    email = f"ada@{where['tenant_key']}.example"
    organization, client, user = made(where, email, OPERATION)

    async def admin():
        await stub.EnsureUser(user)
        await stub.AssignRole(user_pb2.AssignRoleRequest(**where, operation_id=OPERATION, email=email, role="admin"))

    await stub.EnsureOrganization(organization)
    await asyncio.gather(stub.EnsureClient(client), admin())


async def timed(work):
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def compare(stub, script, tier):
    """Both in turns; answers how many times as long the service takes."""
    ours, bare = [], []
    for number in range(ROUNDS + 3):
        turns = [(ours, provision(stub, somewhere(tier))), (bare, script.tenant(somewhere(tier)))]
        for times, work in turns if number % 2 else reversed(turns):
            times.append(await timed(work))
    ours, bare = ours[3:], bare[3:]
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"{tier}: service {_ms(ours)}, bare requests {_ms(bare)}, ratio {ratio:.2f} (at most {BOUND})")
    return ratio


async def curve(stub, tier, count):
    """What each of so many tenants cost, in tens."""
    times = [await timed(provision(stub, somewhere(tier))) for _ in range(count)]
    tens = [times[first : first + 10] for first in range(0, count, 10)]
    shown = [0, *range(len(tens) // 6, len(tens), max(1, len(tens) // 6))]
    print(
        f"{tier}: " + ", ".join(f"{10 * number + 1}th to {10 * number + 10}th {_ms(tens[number])}" for number in shown)
    )
    quarter = max(10, count // 6)
    return statistics.median(times[-quarter:]) / statistics.median(times[:quarter])


def _ms(times):
    return f"{statistics.median(times) * 1000:.0f} ms"


async def main():
    with tempfile.TemporaryDirectory() as folder:
        settings = StackSettings(state=Path(folder), cache=CACHE, usual_ports=False)
        layout = plan([POSTGRES, KEYCLOAK], settings, required=["keycloak"])
        began = time.perf_counter()
        async with running(layout) as stack:
            keycloak, postgres = Keycloak(Server(KEYCLOAK, stack)), Postgres(Server(POSTGRES, stack))
            print(f"Keycloak from nothing, its tables included: {time.perf_counter() - began:.1f} s")
            environ = await environment(postgres, **keycloak_environment(keycloak))
            async with serving(environ) as identity, httpx.AsyncClient(base_url=keycloak.url, timeout=60) as http:
                return await measured(identity.stub, Script(keycloak, http))


async def measured(stub, script):
    await provision(stub, somewhere("TIER_POOLED"))  # the shared realm
    ratios = [await compare(stub, script, tier) for tier in ("TIER_POOLED", "TIER_SILO")]
    pooled = await curve(stub, "TIER_POOLED", POOLED)
    print(f"pooled, the last sixth against the first: {pooled:.2f} (at most {FLAT})")
    silo = await curve(stub, "TIER_SILO", SILO)
    print(f"silo, the last sixth against the first: {silo:.2f} (no bound: this is why shards hold few)")
    return max(ratios) <= BOUND and pooled <= FLAT


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
