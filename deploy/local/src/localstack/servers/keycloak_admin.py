"""Who administers Keycloak: a service account that may make realms and administers those it made, and nobody else.

A new Keycloak has one temporary account that may do everything. It makes the service account, and is removed.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from localstack.component import Unprepared

BOOTSTRAP = "tenantmesh-bootstrap"
CLIENT = "tenantmesh"
ROLE = "create-realm"
"""All it needs: whoever makes a realm is given the roles to administer that one."""

LIGHTWEIGHT = "client.use.lightweight.access.token.enabled"
"""The roles are looked up, not carried in each token: some twenty a realm, which no header would hold at 300 realms."""

TIMEOUT = aiohttp.ClientTimeout(total=30)


async def arrange(base: str, bootstrap_secret: str, secret: str) -> None:
    """Make the service account and remove the temporary one, or find that done. It can be interrupted anywhere."""
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            token = await token_of(session, base, BOOTSTRAP, bootstrap_secret)
            if token is not None:
                await _Master(session, base, {"Authorization": f"Bearer {token}"}).hand_over(secret)
            if await token_of(session, base, CLIENT, secret) is None:
                msg = f"it does not know the service account {CLIENT}, nor the one that could make it"
                raise Unprepared(msg)
    except aiohttp.ClientError as error:
        raise Unprepared(str(error)) from error


class _Master:
    """The realm of the administrators, with the rights of the temporary one."""

    def __init__(self, session: aiohttp.ClientSession, base: str, headers: dict[str, str]) -> None:
        self._session, self._headers = session, headers
        self._base = f"{base}/admin/realms/master"

    async def hand_over(self, secret: str) -> None:
        """Make the service account, whole, before the temporary account goes."""
        await self._make_client(secret)
        client = await self._id(CLIENT)
        account = await self._call("GET", f"/clients/{client}/service-account-user")
        role = await self._call("GET", f"/roles/{ROLE}")
        await self._call("POST", f"/users/{account['id']}/role-mappings/realm", [role])
        await self._call("DELETE", f"/clients/{await self._id(BOOTSTRAP)}")

    async def _make_client(self, secret: str) -> None:
        if await self._call("GET", f"/clients?clientId={CLIENT}"):
            return
        client = {
            "clientId": CLIENT, "secret": secret, "serviceAccountsEnabled": True,
            "standardFlowEnabled": False, "directAccessGrantsEnabled": False,
            "attributes": {LIGHTWEIGHT: "true"},
        }  # fmt: skip
        await self._call("POST", "/clients", client)

    async def _id(self, client: str) -> str:
        (found,) = await self._call("GET", f"/clients?clientId={client}")
        return str(found["id"])

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        async with self._session.request(method, self._base + path, json=body, headers=self._headers) as answer:
            if answer.status >= 400:  # noqa: PLR2004 - where errors begin
                msg = f"{method} {path} was answered with {answer.status}"
                raise Unprepared(msg)
            return await answer.json() if answer.content_type == "application/json" else None


async def token_of(session: aiohttp.ClientSession, base: str, client: str, secret: str) -> str | None:
    """A token for an account, or None where there is no such account."""
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    async with session.post(f"{base}/realms/master/protocol/openid-connect/token", data=form) as answer:
        if answer.status in {400, 401}:
            return None
        if answer.status != 200:  # noqa: PLR2004 - the only good one
            msg = f"a token was refused with {answer.status}"
            raise Unprepared(msg)
        return str((await answer.json())["access_token"])
