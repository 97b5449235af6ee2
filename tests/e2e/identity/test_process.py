"""The identity process as an operator starts it, by its port and through the gateway; and what it tells nobody."""

from __future__ import annotations

import json
import signal
from uuid import uuid4

import aiohttp
import asyncpg
import grpc
import pytest
import pytest_asyncio
from tests.fixtures.auth0 import CLIENT_ID, Auth0
from tests.fixtures.auth0 import SECRET as AUTH0_SECRET
from tests.fixtures.identity import SECRET, environment, made, refused
from tests.fixtures.processes import service

from tenantmesh.identity.v1 import client_pb2, organization_pb2, user_pb2
from tenantmesh.identity.v1 import credential_pb2 as pb
from tenantmesh.identity.v1 import identity_service_pb2_grpc as rpc

OPERATION = "provision-tenant-acme"
STAGED = "Correct-horse-7-battery"
CHOSEN = "Staple-of-8-batteries"
WRONG = "Guess-number-9-of-many"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(postgres):
    environ = await environment(postgres, LOG_LEVEL="debug", CREDENTIAL_SWEEP_INTERVAL="100ms")
    return {name: value for name, value in environ.items() if name not in {"MESH_MODE", "RPC_PORT", "OPS_PORT"}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def process(told):
    async with service("identity", **told) as process:
        yield process


@pytest.fixture
def where():
    number = uuid4()
    return {"tenant_id": str(number), "tenant_key": f"t{number.hex[:12]}", "tier": "TIER_SILO"}


async def handed_over(stub, where, credential_id):
    """The claim token and the secret: the two answers that hold one."""
    coordinates = {"tenant_id": where["tenant_id"], "credential_id": credential_id}
    issued = await stub.IssueCredentialClaim(pb.IssueCredentialClaimRequest(**coordinates))
    claimed = await stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=issued.claim_token))
    assert await refused(stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=issued.claim_token)))
    return issued.claim_token, claimed.secret


async def told_by(call):
    """Everything that an answer, or a refusal, says."""
    try:
        return str(await call)
    except grpc.aio.AioRpcError as error:
        return f"{error.details()} {error.debug_error_string()} {error.trailing_metadata()}"


async def everything_kept(address):
    """Every row of every table."""
    connection = await asyncpg.connect(address)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f'SELECT t::text FROM "{table[0]}" t') for table in tables]
    finally:
        await connection.close()
    return [row[0] for table in rows for row in table]


@pytest.fixture
async def auth0():
    async with Auth0().running() as server:
        yield server


@pytest.fixture(params=["local", "auth0"])
def over(request, told, auth0):
    """What the process is told, over each provider that needs no server of its own."""
    account = {
        "AUTH0_DOMAIN": auth0.domain, "AUTH0_URL": auth0.url, "AUTH0_CLIENT_ID": CLIENT_ID,
        "AUTH0_CLIENT_SECRET": AUTH0_SECRET, "AUTH0_RATE": "1000", "AUTH0_BURST": "1000",
    }  # fmt: skip
    return {**told, **account, "IDENTITY_PROVIDER": request.param}


async def make_everything(stub, where):
    """One of each thing; the answers, and the secrets that were handed over."""
    organization, client, user = made(where, "ada@acme.example", OPERATION)
    staged = await stub.StageCredential(
        pb.StageCredentialRequest(
            tenant_id=where["tenant_id"], request_id=str(uuid4()), kind="CREDENTIAL_KIND_PASSWORD", secret=STAGED
        )
    )
    rotation = client_pb2.RotateClientSecretRequest(
        **where, operation_id=OPERATION, request_id=str(uuid4()), name="app"
    )
    answers = [await stub.EnsureOrganization(organization), staged]
    waiting = [
        await stub.EnsureClient(client), await stub.RotateClientSecret(rotation), await stub.EnsureUser(user),
    ]  # fmt: skip
    user.email, user.credential_id = "eve@acme.example", staged.credential.credential_id
    answers.append(await stub.EnsureUser(user))
    # The first secret of the client may be claimed although it was rotated: it is still nobody else's.
    secrets = [await handed_over(stub, where, one.credential_id) for one in waiting]
    return [str(one) for one in (*answers, *waiting)], {secret for pair in secrets for secret in pair}


async def sign_in(stub, where):
    """What is said to who guesses, and to who knows."""
    return [
        await told_by(
            stub.VerifyPassword(
                user_pb2.VerifyPasswordRequest(
                    **where, email="eve@acme.example", password=password, new_password=new_password
                )
            )
        )
        for password, new_password in ((WRONG, ""), (STAGED, ""), (STAGED, "weak"), (STAGED, CHOSEN))
    ]


async def test_no_secret_is_in_what_the_run_produced(over, where, auth0):
    """Each secret is looked for in every log line, every answer but its one hand-over, and every row."""
    async with service("identity", **over) as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub = rpc.IdentityServiceStub(channel)
            produced, secrets = await make_everything(stub, where)
            produced += await sign_in(stub, where)
            produced += [
                await told_by(stub.GetClient(client_pb2.GetClientRequest(**where, name="app"))),
                await told_by(stub.ListUsers(user_pb2.ListUsersRequest(**where))),
                await told_by(stub.ListOrganizations(organization_pb2.ListOrganizationsRequest())),
            ]
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
    produced += process.lines + await everything_kept(over["ADMIN_DATABASE_URL"])
    secrets |= {STAGED, CHOSEN, WRONG, SECRET, AUTH0_SECRET} | auth0.tokens
    assert len(secrets) == 11 + len(auth0.tokens)
    assert [one for one in secrets if any(one in text for text in produced)] == []
    assert [line for line in process.lines if "EnsureUser" in line], "the log tells of the calls"


async def test_by_json_through_the_gateway(process, gateway, where):
    url = (await gateway({"identity": process.address})).url
    base = f"/tenants/{where['tenant_id']}"
    about = {"tenantKey": where["tenant_key"], "operationId": OPERATION}
    home = f"{base}/organizations/TIER_SILO"
    person = about | {"email": '"Ada L"+ops@bücher.example', "handover": "PASSWORD_HANDOVER_CLAIM"}
    async with aiohttp.ClientSession(url) as session:

        async def call(method, path, body=None):
            async with session.request(method, path, json=body) as answer:
                return answer.status, await answer.json()

        wish = about | {"tier": "TIER_SILO", "displayName": "Acme", "domains": ["acme.example"]}
        status, answer = await call("POST", f"{base}/organizations", wish)
        assert (status, answer["created"], answer["organization"]["provider"]) == (200, True, "local")
        status, answer = await call("POST", f"{home}/clients", about | {"name": "app", "domains": ["acme.example"]})
        assert (status, answer["client"]["clientId"]) == (200, f"{where['tenant_key']}-app")
        status, refusal = await call("POST", f"{home}/users", person)
        assert (status, refusal["details"][0]["reason"]) == (400, "EMAIL_INVALID")
        person["email"] = "Ada+Ops'@bücher.example"
        status, answer = await call("POST", f"{home}/users", person)
        assert (status, answer["user"]["email"]) == (200, "ada+ops'@bücher.example")
        status, claim = await call("POST", f"{base}/credentials/{answer['credentialId']}/claim", {})
        status, claimed = await call("POST", "/credentials/claim", {"claimToken": claim["claimToken"]})
        assert (status, claimed["subject"]) == (200, "ada+ops'@bücher.example")
        status, refusal = await call("POST", "/credentials/claim", {"claimToken": claim["claimToken"]})
        assert (status, refusal["details"][0]["reason"]) == (400, "CLAIM_SPENT")
        check = {"tenantKey": where["tenant_key"], "email": person["email"], "password": claimed["secret"]}
        status, refusal = await call("POST", f"{home}/verify-password", check)
        assert (status, refusal["details"][0]["reason"]) == (400, "PASSWORD_CHANGE_REQUIRED")
        status, answer = await call("DELETE", f"{home}?tenantKey={where['tenant_key']}")
        assert (status, answer) == (200, {"existed": True})


async def test_its_health_names_the_provider(process):
    async with aiohttp.ClientSession() as session, session.get(f"http://{process.ops_address}/ready") as answer:
        assert answer.status == 200
        assert "local" in json.dumps(await answer.json())


async def test_it_stops_when_told_to(told):
    async with service("identity", **told) as process:
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
        assert not [line for line in process.lines if "Traceback" in line]
