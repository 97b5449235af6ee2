"""What a visitor's browser does, through the gateway: as the README shows it, and every way in which it goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import aiohttp
import grpc
import pytest
import pytest_asyncio
from jwt import PyJWKSet
from tests.fixtures.processes import service
from tests.fixtures.tenants import environment

from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as rpc

LEAD = {
    "email": "ada@acme.example",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company_name": "Acme AG",
    "address": {"country": "CH", "city": "Bern"},
}
NOBODY = "0192f0c1-2b3c-7d4e-8f50-112233445566"


@pytest_asyncio.fixture(scope="module")
async def tenants(postgres):
    async with service("tenants", **await environment(postgres, TRUSTED_PROXIES="127.0.0.1/32")) as process:
        yield process


@pytest_asyncio.fixture(scope="module")
async def call(gateway, tenants):
    """Calls the gateway with JSON: answers the status and the body."""
    url = (await gateway({"tenants": tenants.address})).url
    async with aiohttp.ClientSession(url) as session:

        async def call(method, path, body=None, **headers):
            async with session.request(method, path, json=body, headers=headers) as answer:
                return answer.status, await answer.json()

        yield call


def error(answer):
    """Reason and fields of an answer that is an error."""
    details = {detail["@type"].rpartition(".")[2]: detail for detail in answer["details"]}
    violations = details.get("BadRequest", {}).get("fieldViolations", [])
    return details["ErrorInfo"]["reason"], [violation["field"] for violation in violations]


async def test_a_visitor_becomes_a_tenant(call):
    status, lead = await call("POST", "/leads", LEAD)
    assert status == 200
    status, verified = await call("POST", f"/leads/{lead['id']}/verify", {"key": lead["key"]})
    assert status == 200
    wanted = {"key": "acme", "domains": ["acme.example"]}
    bearer = {"authorization": f"Bearer {verified['token']}"}
    status, made = await call("POST", f"/leads/{lead['id']}/tenants", wanted, **bearer)
    assert (status, made["status"]) == (200, "PENDING_PROVISION")
    status, found = await call("GET", "/tenants/by-key/acme")
    assert (status, found["tenant"]["tenantId"]) == (200, made["id"])
    status, check = await call("GET", "/tenant-keys/acme")
    assert (check["available"], check["obstacle"], check["suggestions"][0]) == (False, "OBSTACLE_TAKEN", "acme-2")
    status, refused = await call("POST", f"/leads/{lead['id']}/tenants", wanted, **bearer)
    assert (status, error(refused)[0]) == (409, "LEAD_CONVERTED")
    status, refused = await call("POST", "/leads", LEAD)
    assert (status, error(refused)[0]) == (409, "LEAD_EMAIL_VERIFIED")


async def test_the_public_keys_are_a_key_set_for_any_library(call):
    status, keys = await call("GET", "/.well-known/jwks.json")
    assert status == 200
    (key,) = keys["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")
    assert PyJWKSet.from_dict(keys).keys[0].key_id == key["kid"]


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("POST", "/leads", {**LEAD, "email": "nobody"}, (400, "REQUEST_INVALID", ["email"])),
        ("POST", "/leads", {**LEAD, "email": "nobody@nowhere"}, (400, "EMAIL_INVALID", ["email"])),
        ("POST", "/leads", {**LEAD, "first_name": " \u202e"}, (400, "REQUEST_INVALID", ["first_name"])),
        (
            "POST", "/leads", {"email": "a@b.example"},
            (400, "REQUEST_INVALID", ["first_name", "last_name", "company_name", "address"]),
        ),
        ("POST", f"/leads/{NOBODY}/verify", {"key": "x"}, (404, "LEAD_NOT_FOUND", [])),
        ("POST", "/leads/none/verify", {"key": "x"}, (400, "REQUEST_INVALID", ["lead_id"])),
        ("POST", f"/leads/{NOBODY}/tenants", {"key": "acme-2", "domains": ["a.ch"]}, (401, "LEAD_TOKEN_MISSING", [])),
        (
            "POST", f"/leads/{NOBODY}/tenants", {"key": "Acme!", "domains": []},
            (400, "REQUEST_INVALID", ["key", "domains"]),
        ),
        ("GET", "/tenants/by-key/nobody", None, (404, "TENANT_NOT_FOUND", [])),
        ("GET", "/tenants/by-key/UPPER", None, (400, "REQUEST_INVALID", ["key"])),
        ("GET", "/tenants?page_token=x.y", None, (400, "PAGE_TOKEN_INVALID", [])),
        ("GET", "/tenants?filter=state", None, (400, "FILTER_INVALID", ["filter"])),
        ("PATCH", f"/tenants/{NOBODY}", {"tenant": {"tier": "TIER_SILO"}}, (404, "TENANT_NOT_FOUND", [])),
    ],
)  # fmt: skip
async def test_bad_input_is_answered_as_json_with_its_reason(call, method, path, body, refusal):
    status, answer = await call(method, path, body)
    assert (status, *error(answer)) == refusal


async def test_a_killed_process_loses_no_token(postgres):
    told = await environment(postgres)
    async with service("tenants", **told) as first, grpc.aio.insecure_channel(first.address) as channel:
        stub = rpc.LeadServiceStub(channel)
        lead = await stub.CreateLead(pb.CreateLeadRequest(**LEAD))
        verified = await stub.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))
        first.process.send_signal(signal.SIGKILL)
        await first.ended()
    wanted = {"lead_id": lead.lead_id, "token": verified.token, "key": "acme", "domains": ["acme.example"]}
    async with service("tenants", **told) as second, grpc.aio.insecure_channel(second.address) as channel:
        made = await rpc.LeadServiceStub(channel).ConvertLead(pb.ConvertLeadRequest(**wanted))
        assert made.status == "PENDING_PROVISION"
        second.process.send_signal(signal.SIGTERM)
        assert await second.ended() == 0
        assert not [line for line in second.lines if verified.token in line or lead.key in line]


async def test_tables_are_brought_up_to_date_by_an_errand(postgres):
    told = await environment(postgres)
    errand = [sys.executable, "-m", "tenants_service", "migrate"]
    process = await asyncio.create_subprocess_exec(*errand, env={**os.environ, **told, "MESH_MODE": "development"})
    assert await process.wait() == 0
    # Who serves needs no rights of an owner.
    del told["ADMIN_DATABASE_URL"]
    async with service("tenants", **told) as served, grpc.aio.insecure_channel(served.address) as channel:
        assert (await rpc.LeadServiceStub(channel).CreateLead(pb.CreateLeadRequest(**LEAD))).key
