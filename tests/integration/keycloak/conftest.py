"""An identity service over the real Keycloak, and tenants that were provisioned by it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest_asyncio
from tests.fixtures.identity import environment, made, serving
from tests.fixtures.keycloaks import by_hand
from tests.fixtures.servers import Keycloak
from tests.fixtures.signin import App

from tenantmesh.identity.v1 import credential_pb2, user_pb2

OPERATION = "provision-tenant-acme"
TIERS = ("TIER_SILO", "TIER_POOLED")


def fresh_name(prefix: str) -> str:
    """A name that nothing has yet: all tests share one server."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def keycloak_environment(keycloak: Keycloak, **more: str) -> dict[str, str]:
    """What tells the service of the server. The machine may be busy, so it has patience."""
    return {
        "IDENTITY_PROVIDER": "keycloak",
        "KEYCLOAK_URL": keycloak.url,
        "KEYCLOAK_REALM": keycloak.realm,
        "KEYCLOAK_ADMIN_CLIENT_ID": keycloak.client_id,
        "KEYCLOAK_ADMIN_CLIENT_SECRET": keycloak.client_secret,
        "KEYCLOAK_SECRET_OVERLAP": "true",
        "KEYCLOAK_TIMEOUT": "60s",
        **more,
    }


@dataclass(frozen=True, slots=True)
class Patient:
    """A stub whose calls have time enough on a busy machine: a new realm takes a while."""

    stub: Any

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self.stub, name), timeout=90)


@pytest_asyncio.fixture(scope="session")
async def identity(postgres, keycloak):
    """The service over Keycloak."""
    async with serving(await environment(postgres, **keycloak_environment(keycloak))) as identity:
        identity.stub = Patient(identity.stub)
        yield identity


@pytest_asyncio.fixture
async def person(keycloak):
    """Somebody at the server itself."""
    async with by_hand(keycloak) as person:
        yield person


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A tenant with a client and an admin, and what was handed over."""

    where: dict[str, Any]
    issuer: str
    app: App
    email: str
    user_id: str
    password: str


def somewhere(tier: str) -> dict[str, Any]:
    """The coordinates of a tenant nobody had before."""
    number = uuid.uuid4()
    return {"tenant_id": str(number), "tenant_key": f"t{number.hex[:12]}", "tier": tier}


async def claimed(stub, where, credential_id):
    """What is handed over."""
    issue = credential_pb2.IssueCredentialClaimRequest(tenant_id=where["tenant_id"], credential_id=credential_id)
    token = (await stub.IssueCredentialClaim(issue)).claim_token
    return (await stub.ClaimCredential(credential_pb2.ClaimCredentialRequest(claim_token=token))).secret


async def provision(stub, tier) -> Provisioned:
    """All that a tenant needs, call by call."""
    where = somewhere(tier)
    email = f"ada@{where['tenant_key']}.example"
    organization, client, user = made(where, email, OPERATION)
    issuer = (await stub.EnsureOrganization(organization)).organization.issuer
    client_made, user_made = await stub.EnsureClient(client), await stub.EnsureUser(user)
    role = user_pb2.AssignRoleRequest(**where, operation_id=OPERATION, email=email, role="admin")
    assert (await stub.AssignRole(role)).created
    app = App(
        issuer,
        client_made.client.client_id,
        await claimed(stub, where, client_made.credential_id),
        f"https://{where['tenant_key']}.example/callback",
    )
    password = await claimed(stub, where, user_made.credential_id)
    return Provisioned(where, issuer, app, email, user_made.user.user_id, password)
