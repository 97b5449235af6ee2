"""Keycloak as the local stack starts it: who may do what there."""

import asyncio
import json

import aiohttp
import pytest
import pytest_asyncio
from tests.integration.keycloak.conftest import fresh_name

from localstack.servers import keycloak_admin

MASTER = "/admin/realms/master"


@pytest_asyncio.fixture
async def account(keycloak):
    """Asks as the service account: answers status and body."""
    async with aiohttp.ClientSession(keycloak.url) as session:
        token = await keycloak_admin.token_of(session, keycloak.url, keycloak.client_id, keycloak.client_secret)
        assert token is not None

        async def ask(method, path, body=None):
            async with session.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if text else None

        yield ask


async def test_the_temporary_account_is_gone(keycloak):
    async with aiohttp.ClientSession() as session:
        secret = keycloak.server.site.secret("bootstrap")
        assert await keycloak_admin.token_of(session, keycloak.url, keycloak_admin.BOOTSTRAP, secret) is None
    await keycloak_admin.arrange(keycloak.url, secret, keycloak.client_secret)  # to find it done is fine


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{MASTER}/users", None),
        ("GET", f"{MASTER}/clients", None),
        ("PUT", MASTER, {"enabled": False}),
        ("POST", f"{MASTER}/users", {"username": "intruder"}),
        ("DELETE", MASTER, None),
    ],
)
async def test_the_service_account_has_no_say_in_the_realm_of_administrators(account, method, path, body):
    status, _ = await account(method, path, body)
    assert status == 403


async def test_it_administers_the_realms_it_made_with_the_token_it_had_before(account):
    names = [fresh_name("probe") for _ in range(2)]
    for name in names:
        assert (await account("POST", "/admin/realms", {"realm": name}))[0] == 201
    for name in names:
        assert (await account("GET", f"/admin/realms/{name}/users"))[0] == 200
    _, seen = await account("GET", "/admin/realms?briefRepresentation=true")
    assert {realm["realm"] for realm in seen} >= set(names)
    assert "master" not in {realm["realm"] for realm in seen}
    await asyncio.gather(*(account("DELETE", f"/admin/realms/{name}") for name in names))
