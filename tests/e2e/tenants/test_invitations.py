"""Invitations, resources and events through the gateway, as operators, pages behind links and schedules call them."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp
import pytest
import pytest_asyncio
from tests.fixtures.processes import service
from tests.fixtures.tenants import environment

NOBODY = "0192f0c1-2b3c-7d4e-8f50-112233445566"


@pytest_asyncio.fixture(scope="module")
async def mesh(gateway, postgres):
    """The process behind the gateway, and a caller that answers the status and the body."""
    async with service("tenants", **await environment(postgres)) as process:
        url = (await gateway({"tenants": process.address})).url
        async with aiohttp.ClientSession(url) as session:

            async def call(method, path, body=None):
                async with session.request(method, path, json=body) as answer:
                    return answer.status, await answer.json()

            yield SimpleNamespace(process=process, call=call)


@pytest.fixture
def call(mesh):
    return mesh.call


@pytest.fixture
def tenant(call):
    """Makes an active tenant, and answers its path."""

    async def tenant(key):
        person = {"firstName": "Ada", "lastName": "L", "email": f"ada@{key}.example", "primary": True}
        wanted = {"key": key, "displayName": "Acme AG", "tier": "TIER_POOLED", "contacts": [person]}
        _, made = await call("POST", "/tenants", {**wanted, "domains": [f"{key}.example"]})
        path = f"/tenants/{made['tenant']['tenantId']}"
        for state in ("TENANT_STATE_PROVISIONING", "TENANT_STATE_ACTIVE"):
            status, _ = await call("POST", f"{path}/transitions", {"state": state})
            assert status == 200
        return path

    return tenant


def refusal(answer):
    """Reason and fields of an answer that is an error."""
    details = {detail["@type"].rpartition(".")[2]: detail for detail in answer["details"]}
    violations = details.get("BadRequest", {}).get("fieldViolations", [])
    return details["ErrorInfo"]["reason"], [violation["field"] for violation in violations]


async def test_a_person_is_invited_looks_and_comes_once(mesh, call, tenant):
    path = await tenant("inviting")
    invitees = [{"email": "Bob@Other.example", "roles": ["admin"]}]
    status, answer = await call("POST", f"{path}/invitations", {"invitees": invitees, "remindAfter": "86400s"})
    assert status == 200
    (made,) = answer["invitations"]
    token = {"token": made["token"]}
    status, shown = await call("POST", "/invitations/validate", token)
    assert (status, shown["tenantDisplayName"], shown["email"]) == (200, "Acme AG", "bob@other.example")
    status, refused = await call("POST", f"{path}/invitations/{made['invitation']['invitationId']}/resend", {})
    assert (status, refusal(refused)[0]) == (429, "INVITATION_COOLING_DOWN")
    status, come = await call("POST", "/invitations/accept", {**token, "firstName": "Bob"})
    assert (status, come["invitation"]["state"]) == (200, "STATE_ACCEPTED")
    status, refused = await call("POST", "/invitations/accept", token)
    assert refusal(refused)[0] == "INVITATION_NOT_PENDING"
    status, page = await call("GET", f"{path}/invitations?state=STATE_ACCEPTED")
    assert [one["firstName"] for one in page["invitations"]] == ["Bob"]
    assert await call("POST", f"{path}/invitations/revoke", {"operationId": "any-op"}) == (200, {"revokedCount": 0})
    assert await call("POST", "/invitations/expire", {}) == (200, {"expiredCount": 0, "more": False})
    assert not [line for line in mesh.process.lines if made["token"] in line or "bob@other" in line.lower()]


async def test_what_was_made_is_recorded_found_and_removed(call, tenant):
    path = await tenant("recording")
    thing = {"type": "bucket", "provider": "s3", "identifier": "acme", "metadata": {"region": "eu"}}
    report = {"operationId": "provision-acme", "resources": [thing]}
    for created in (1, 0):
        status, answer = await call("POST", f"{path}/resources", report)
        assert (status, answer["createdCount"]) == (200, created)
    status, refused = await call("POST", f"{path}/resources", {**report, "operationId": "another-one"})
    assert (status, refusal(refused)[0]) == (409, "RESOURCE_RECORDED_OTHERWISE")
    for listed in (f"{path}/resources", "/resources?type=bucket&operation_id=provision-acme"):
        status, page = await call("GET", listed)
        assert [(one["identifier"], one["metadata"]) for one in page["resources"]] == [("acme", {"region": "eu"})]
    removal = {"operationId": "provision-acme"}
    assert await call("POST", f"{path}/resources/remove", removal) == (200, {"removedCount": 1})
    status, page = await call("GET", f"{path}/events?aggregate_type=resource")
    assert [one["eventType"] for one in page["events"]] == ["resource.recorded", "resource.removed"]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", f"/tenants/{NOBODY}/invitations", {"invitees": []}, (400, "REQUEST_INVALID", ["invitees"])),
        (
            "POST", f"/tenants/{NOBODY}/invitations", {"invitees": [{"email": "a@b", "roles": ["x"]}]},
            (400, "EMAIL_INVALID", ["invitees[0].email"]),
        ),
        (
            "POST", f"/tenants/{NOBODY}/invitations", {"invitees": [{"email": "a@b.example", "roles": ["x"]}]},
            (404, "TENANT_NOT_FOUND", []),
        ),
        ("POST", "/invitations/validate", {"token": "guessed"}, (404, "INVITATION_NOT_FOUND", [])),
        ("POST", "/invitations/accept", {}, (400, "REQUEST_INVALID", ["token"])),
        ("GET", f"/tenants/{NOBODY}/invitations/{NOBODY}", None, (404, "INVITATION_NOT_FOUND", [])),
        ("POST", f"/tenants/{NOBODY}/invitations/revoke", {}, (400, "REQUEST_INVALID", [""])),
        (
            "POST", f"/tenants/{NOBODY}/resources", {"operationId": "op-1", "resources": [{"type": "Bucket"}]},
            (400, "REQUEST_INVALID", ["resources[0].type", "resources[0].provider", "resources[0].identifier"]),
        ),
        ("GET", "/resources?page_token=x.y", None, (400, "PAGE_TOKEN_INVALID", [])),
    ],
)  # fmt: skip
async def test_bad_input_is_answered_as_json_with_its_reason(call, method, path, body, expected):
    status, answer = await call(method, path, body)
    assert (status, *refusal(answer)) == expected
