"""Secrets: staged, used once, handed over once, and forgotten in time."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from tests.fixtures.identity import made, refused

from postgreskit.catalog import tenancy_violations
from tenantmesh.identity.v1 import client_pb2, organization_pb2, user_pb2
from tenantmesh.identity.v1 import credential_pb2 as pb

OPERATION = "provision-tenant-acme"
PASSWORD = "Correct-horse-7-battery"
NEXT_PASSWORD = "Staple-of-8-batteries"


@pytest.fixture
async def placed(identity, where, who):
    """A tenant with its client and its admin, by whom no password was claimed yet."""
    organization, client, user = made(where, who, OPERATION)
    await identity.stub.EnsureOrganization(organization)
    return await identity.stub.EnsureClient(client), await identity.stub.EnsureUser(user)


def stage(where, secret=PASSWORD, kind="CREDENTIAL_KIND_PASSWORD", request_id=None):
    return pb.StageCredentialRequest(
        tenant_id=where["tenant_id"], request_id=request_id or str(uuid4()), kind=kind, secret=secret
    )


def reference(where, credential_id):
    return {"tenant_id": where["tenant_id"], "credential_id": credential_id}


async def claim(identity, where, credential_id):
    issued = await identity.stub.IssueCredentialClaim(pb.IssueCredentialClaimRequest(**reference(where, credential_id)))
    return issued, await identity.stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=issued.claim_token))


def verify(where, email, password, new_password=""):
    return user_pb2.VerifyPasswordRequest(**where, email=email, password=password, new_password=new_password)


async def state(identity, where, credential_id):
    found = await identity.stub.GetCredential(pb.GetCredentialRequest(**reference(where, credential_id)))
    return pb.CredentialState.Name(found.credential.state).removeprefix("CREDENTIAL_STATE_")


async def test_a_generated_password_is_handed_over_once_and_signs_in(identity, where, who, placed):
    _, user = placed
    issued, claimed = await claim(identity, where, user.credential_id)
    assert (len(claimed.secret) >= 24, claimed.subject, claimed.kind) == (True, who, pb.CREDENTIAL_KIND_PASSWORD)
    again = pb.ClaimCredentialRequest(claim_token=issued.claim_token)
    assert await refused(identity.stub.ClaimCredential(again)) == "CLAIM_SPENT"
    assert await state(identity, where, user.credential_id) == "SPENT"
    issue = pb.IssueCredentialClaimRequest(**reference(where, user.credential_id))
    assert await refused(identity.stub.IssueCredentialClaim(issue)) == "CREDENTIAL_SPENT"
    assert await refused(identity.stub.VerifyPassword(verify(where, who, claimed.secret))) == "PASSWORD_CHANGE_REQUIRED"
    changed = await identity.stub.VerifyPassword(verify(where, who, claimed.secret, NEXT_PASSWORD))
    assert not changed.user.password_change_required
    assert (await identity.stub.VerifyPassword(verify(where, who, claimed.secret, NEXT_PASSWORD))).user.email == who
    assert await refused(identity.stub.VerifyPassword(verify(where, who, claimed.secret))) == "PASSWORD_WRONG"


async def test_of_many_who_claim_at_once_one_gets_it(identity, where, placed):
    client, _ = placed
    issue = pb.IssueCredentialClaimRequest(**reference(where, client.credential_id))
    token = (await identity.stub.IssueCredentialClaim(issue)).claim_token
    request = pb.ClaimCredentialRequest(claim_token=token)
    reasons = await asyncio.gather(*(refused(identity.stub.ClaimCredential(request)) for _ in range(10)))
    assert sorted(reasons) == ["", *["CLAIM_SPENT"] * 9]


async def test_the_newest_claim_token_is_the_only_one(identity, where, placed):
    client, _ = placed
    issue = pb.IssueCredentialClaimRequest(**reference(where, client.credential_id))
    old = (await identity.stub.IssueCredentialClaim(issue)).claim_token
    new = (await identity.stub.IssueCredentialClaim(issue)).claim_token
    for token in (old, new[:-1] + ("A" if new[-1] != "A" else "B"), "x" * 86, "-" * 43):
        assert await refused(identity.stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=token))) == (
            "CLAIM_NOT_FOUND"
        )
    assert (await identity.stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=new))).secret


async def test_a_claim_has_its_time(identity, where, placed, clock):
    client, user = placed
    issue = pb.IssueCredentialClaimRequest(**reference(where, client.credential_id))
    token = (await identity.stub.IssueCredentialClaim(issue)).claim_token
    clock.pass_by(timedelta(hours=24))
    assert await refused(identity.stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=token))) == "CLAIM_EXPIRED"
    assert await refused(identity.stub.IssueCredentialClaim(issue)) == "CREDENTIAL_EXPIRED"
    assert await state(identity, where, user.credential_id) == "EXPIRED"


async def test_a_staged_password_is_used_for_one_user(identity, where, who):
    organization, _, user = made(where, who, OPERATION)
    await identity.stub.EnsureOrganization(organization)
    request = stage(where)
    staged = (await identity.stub.StageCredential(request)).credential
    assert (await identity.stub.StageCredential(request)).credential.credential_id == staged.credential_id
    assert (staged.generated, staged.expire_time.seconds - staged.create_time.seconds) == (False, 15 * 60)
    user.credential_id = staged.credential_id
    answer = await identity.stub.EnsureUser(user)
    assert (answer.created, answer.credential_id) == (True, "")
    assert await state(identity, where, staged.credential_id) == "SPENT"
    assert not (await identity.stub.EnsureUser(user)).created
    user.email = f"other-{who}"
    assert await refused(identity.stub.EnsureUser(user)) == "CREDENTIAL_SPENT"
    assert await refused(identity.stub.VerifyPassword(verify(where, who, PASSWORD))) == "PASSWORD_CHANGE_REQUIRED"
    issue = pb.IssueCredentialClaimRequest(**reference(where, staged.credential_id))
    assert await refused(identity.stub.IssueCredentialClaim(issue)) == "CREDENTIAL_NOT_FOUND"


async def test_a_staged_password_waits_15_minutes(identity, where, who, clock):
    organization, _, user = made(where, who, OPERATION)
    await identity.stub.EnsureOrganization(organization)
    user.credential_id = (await identity.stub.StageCredential(stage(where))).credential.credential_id
    clock.pass_by(timedelta(minutes=15))
    assert await refused(identity.stub.EnsureUser(user)) == "CREDENTIAL_EXPIRED"


async def test_a_credential_is_its_tenants_and_of_its_kind(identity, where, who):
    organization, _, user = made(where, who, OPERATION)
    await identity.stub.EnsureOrganization(organization)
    other = {**where, "tenant_id": str(uuid4())}
    foreign = (await identity.stub.StageCredential(stage(other))).credential.credential_id
    secret = stage(where, kind="CREDENTIAL_KIND_SSO_CLIENT_SECRET")
    for credential_id in (
        foreign,
        (await identity.stub.StageCredential(secret)).credential.credential_id,
        str(uuid4()),
    ):
        user.credential_id = credential_id
        assert await refused(identity.stub.EnsureUser(user)) == "CREDENTIAL_NOT_FOUND"


async def test_a_request_id_names_one_credential(identity, where):
    request = stage(where)
    await identity.stub.StageCredential(request)
    reused = stage(where, secret=NEXT_PASSWORD, request_id=request.request_id)
    assert await refused(identity.stub.StageCredential(reused)) == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("password", ["Ab1-xyz", "correct-horse-7", "CORRECT-HORSE-7", "Correct-horse", "Password1!"])
async def test_a_weak_password_is_not_staged(identity, where, password):
    assert await refused(identity.stub.StageCredential(stage(where, password))) == "PASSWORD_TOO_WEAK"


async def test_a_staged_credential_is_forgotten_before_its_time(identity, where):
    credential = (await identity.stub.StageCredential(stage(where))).credential
    delete = pb.DeleteCredentialRequest(**reference(where, credential.credential_id))
    assert (await identity.stub.DeleteCredential(delete)).existed
    assert not (await identity.stub.DeleteCredential(delete)).existed
    gone = pb.GetCredentialRequest(**reference(where, credential.credential_id))
    assert await refused(identity.stub.GetCredential(gone)) == "CREDENTIAL_NOT_FOUND"


async def test_a_removed_organization_takes_its_credentials_along(identity, where, placed):
    client, _ = placed
    issue = pb.IssueCredentialClaimRequest(**reference(where, client.credential_id))
    token = (await identity.stub.IssueCredentialClaim(issue)).claim_token
    await identity.stub.DeleteOrganization(organization_pb2.DeleteOrganizationRequest(**where))
    assert await refused(identity.stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=token))) == (
        "CLAIM_NOT_FOUND"
    )


async def test_who_is_made_anew_by_the_same_operation_gets_a_new_password(identity, where, who, placed):
    _, user = placed
    _, claimed = await claim(identity, where, user.credential_id)
    await identity.stub.DeleteUser(user_pb2.DeleteUserRequest(**where, email=who))
    *_, request = made(where, who, OPERATION)
    again = await identity.stub.EnsureUser(request)
    assert again.created
    _, new = await claim(identity, where, again.credential_id)
    assert new.secret != claimed.secret
    assert await refused(identity.stub.VerifyPassword(verify(where, who, claimed.secret))) == "PASSWORD_WRONG"


@pytest.mark.usefixtures("placed")
async def test_a_secret_is_rotated_once_for_each_request(identity, where):
    request = client_pb2.RotateClientSecretRequest(
        **where, operation_id="rotate-acme", request_id=str(uuid4()), name="app", overlap={"seconds": 3600}
    )
    first = await identity.stub.RotateClientSecret(request)
    assert await identity.stub.RotateClientSecret(request) == first
    assert first.client.previous_secret_expire_time.seconds - first.client.secret_create_time.seconds == 3600
    _, claimed = await claim(identity, where, first.credential_id)
    assert claimed.subject == first.client.client_id
    assert await identity.stub.RotateClientSecret(request) == first
    other = client_pb2.EnsureClientRequest(**where, operation_id=OPERATION, name="other")
    await identity.stub.EnsureClient(other)
    request.name = "other"
    assert await refused(identity.stub.RotateClientSecret(request)) == "REQUEST_ID_REUSED"


@pytest.mark.usefixtures("placed")
async def test_a_public_client_has_no_secret(identity, where):
    spa = client_pb2.EnsureClientRequest(**where, operation_id=OPERATION, name="spa", type="CLIENT_TYPE_PUBLIC")
    assert (await identity.stub.EnsureClient(spa)).credential_id == ""
    rotate = client_pb2.RotateClientSecretRequest(**where, operation_id=OPERATION, request_id=str(uuid4()), name="spa")
    assert await refused(identity.stub.RotateClientSecret(rotate)) == "CAPABILITY_MISSING"


async def test_wrong_passwords_lock_an_account_for_a_while(identity, where, who, placed, clock):
    _, user = placed
    _, claimed = await claim(identity, where, user.credential_id)
    await identity.stub.VerifyPassword(verify(where, who, claimed.secret, NEXT_PASSWORD))
    wrong = verify(where, who, PASSWORD)
    assert await asyncio.gather(*(refused(identity.stub.VerifyPassword(wrong)) for _ in range(5))) == (
        ["PASSWORD_WRONG"] * 5
    )
    right = verify(where, who, NEXT_PASSWORD)
    assert await refused(identity.stub.VerifyPassword(right)) == "ACCOUNT_LOCKED"
    clock.pass_by(timedelta(seconds=60))
    assert await refused(identity.stub.VerifyPassword(wrong)) == "PASSWORD_WRONG"
    clock.pass_by(timedelta(seconds=60))
    assert await refused(identity.stub.VerifyPassword(right)) == "ACCOUNT_LOCKED", "the second lock is twice as long"
    clock.pass_by(timedelta(seconds=60))
    assert (await identity.stub.VerifyPassword(right)).user.email == who
    assert await refused(identity.stub.VerifyPassword(wrong)) == "PASSWORD_WRONG", "failures are forgotten"


async def test_nobody_signs_in_to_what_is_switched_off(identity, where, who, placed):
    _, user = placed
    _, claimed = await claim(identity, where, user.credential_id)
    off = organization_pb2.SetOrganizationEnabledRequest(**where, enabled=False)
    assert (await identity.stub.SetOrganizationEnabled(off)).changed
    assert not (await identity.stub.SetOrganizationEnabled(off)).changed
    attempt = verify(where, who, claimed.secret, NEXT_PASSWORD)
    assert await refused(identity.stub.VerifyPassword(attempt)) == "ORGANIZATION_DISABLED"
    off.enabled = True
    await identity.stub.SetOrganizationEnabled(off)
    assert (await identity.stub.VerifyPassword(attempt)).user.email == who
    assert await refused(identity.stub.VerifyPassword(verify(where, f"x{who}", PASSWORD))) == "PASSWORD_WRONG"


async def test_what_is_due_is_swept_away(identity, environ, where, clock):
    credential_id = (await identity.stub.StageCredential(stage(where))).credential.credential_id
    connection = await asyncpg.connect(environ["ADMIN_DATABASE_URL"])
    sealed = "SELECT sealed IS NOT NULL FROM credentials WHERE credential_id = $1"
    try:
        assert await connection.fetchval(sealed, credential_id)
        clock.pass_by(timedelta(minutes=15))
        async with asyncio.timeout(30):
            while await connection.fetchval(sealed, credential_id):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.02)
    finally:
        await connection.close()
    assert await state(identity, where, credential_id) == "EXPIRED"


async def test_every_row_is_its_tenants(environ):
    role = environ["DATABASE_URL"].split("//")[1].split(":")[0]
    connection = await asyncpg.connect(environ["ADMIN_DATABASE_URL"])
    try:
        assert await tenancy_violations(connection, role=role, reference_tables={"local_names"}) == []
    finally:
        await connection.close()
