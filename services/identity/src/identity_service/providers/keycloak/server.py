"""One Keycloak: requests with a token, each within its time, and what goes wrong told by its kind.

The token is fetched by one request at a time, however many need it. One that is refused is fetched anew, once: Keycloak
may have been restarted, or its keys changed. No realm is remembered between requests: each names its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx

from faults import Fault
from identity_service.providers import refusals
from identity_service.providers.keycloak.settings import FIRST, KeycloakSettings

NAME: Final = "keycloak"
PAGE: Final = 100

_log = logging.getLogger(__name__)
_LEEWAY = 10.0
"""Seconds before its end from which on a token is not used any more: a request takes time, too."""
_CONNECTIONS = 32


class Server:
    """One Keycloak, as its service account."""

    def __init__(self, name: str, url: str, settings: KeycloakSettings) -> None:
        self.name = name
        self._settings = settings
        self._public = settings.public_url.rstrip("/") if name == FIRST and settings.public_url else url
        self._patience = settings.patience.total_seconds()
        self._token, self._good_until = "", 0.0
        self._fetching = asyncio.Lock()
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        # No time limit of its own: that of each request holds for all of it, waiting for a connection included.
        self._http = httpx.AsyncClient(base_url=url, timeout=None, limits=limits)  # noqa: S113 - see above

    def issuer(self, realm: str) -> str:
        """Who the tokens of a realm say they are from."""
        return f"{self._public}/realms/{realm}"

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def check(self) -> None:
        """Raise unless Keycloak answers and knows the service account."""
        await self._authorization()
        await self.call("GET", "/realms/master")

    async def admin(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str | int] | None = None,
        accept: Collection[int] = (),
        patience: int = 1,
    ) -> httpx.Response:
        """Ask the administration.

        Args:
            method: of HTTP.
            path: below `/admin/realms`, its parts quoted already.
            body: what is sent as JSON, if anything.
            params: the query.
            accept: what is answered to the caller, beside success.
            patience: how many times the usual time it may take.
        """
        answer = await self._authorized(method, f"/admin/realms{path}", body, params, patience)
        if answer.is_success or answer.status_code in accept:
            return answer
        raise _refusal(method, path, answer)

    async def read(self, path: str, *, params: Mapping[str, str | int] | None = None) -> Any:
        """What stands there; None where nothing does."""
        answer = await self.admin("GET", path, params=params, accept={HTTPStatus.NOT_FOUND})
        return None if answer.status_code == HTTPStatus.NOT_FOUND else decoded(answer)

    async def remove(self, path: str, *, patience: int = 1) -> None:
        """Remove what stands there, or find it gone."""
        await self.admin("DELETE", path, accept={HTTPStatus.NOT_FOUND}, patience=patience)

    async def pages(self, path: str, params: Mapping[str, str | int] | None = None) -> AsyncIterator[Any]:
        """Everything of a list, a page at a time; nothing where there is no such list."""
        first = 0
        while True:
            page = await self.read(path, params={**(params or {}), "first": first, "max": PAGE}) or []
            for one in page:
                yield one
            if len(page) < PAGE:
                return
            first += PAGE

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask for anything that needs no token."""
        answer = await self._send(method, path, **arguments)
        if answer.is_success:
            return answer
        raise _refusal(method, path, answer)

    async def _authorized(
        self, method: str, path: str, body: object, params: Mapping[str, str | int] | None, patience: int
    ) -> httpx.Response:
        for last in (False, True):
            headers = await self._authorization()
            answer = await self._send(method, path, json=body, params=params, headers=headers, patience=patience)
            if answer.status_code != HTTPStatus.UNAUTHORIZED or last:
                break
            self._forget(headers)
        return answer

    async def _authorization(self) -> dict[str, str]:
        """The header with a token that is good for a while yet."""
        async with self._fetching:
            if time.monotonic() >= self._good_until:
                await self._fetch()
            return {"Authorization": f"Bearer {self._token}"}

    def _forget(self, headers: Mapping[str, str]) -> None:
        """Do not use this token again; another may have been fetched by now."""
        if headers["Authorization"] == f"Bearer {self._token}":
            self._good_until = 0.0

    async def _fetch(self) -> None:
        began = time.monotonic()
        secret = self._settings.client_secret.reveal()
        form = {"grant_type": "client_credentials", "client_id": self._settings.client_id, "client_secret": secret}
        path = "/realms/master/protocol/openid-connect/token"
        answer = await self._send("POST", path, data=form)
        if answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}:
            raise refusals.credentials_refused(NAME)
        if not answer.is_success:
            raise _refusal("POST", path, answer)
        granted = decoded(answer)
        self._token = granted["access_token"]
        self._good_until = began + granted["expires_in"] - _LEEWAY

    async def _send(self, method: str, path: str, *, patience: int = 1, **arguments: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(patience * self._patience):
                return await self._http.request(method, path, **arguments)
        except (TimeoutError, httpx.TransportError) as error:
            _log.warning(
                "Keycloak gave no answer",
                extra={"shard": self.name, "method": method, "path": path, "problem": type(error).__name__},
            )
            raise refusals.unavailable(NAME) from None


def decoded(answer: httpx.Response) -> Any:
    """The JSON of an answer; a proxy's page in its place is nothing to go on."""
    try:
        return answer.json()
    except ValueError:
        raise refusals.not_understood(NAME, "no JSON") from None


def said(answer: httpx.Response) -> str:
    """What Keycloak complains of, in its words."""
    try:
        told = answer.json()
    except ValueError:
        return ""
    return str(told.get("errorMessage") or told.get("error") or "") if isinstance(told, dict) else ""


def made_id(answer: httpx.Response) -> str:
    """The identifier of what was made."""
    found = answer.headers.get("location", "").rpartition("/")[2]
    if not found:
        raise refusals.not_understood(NAME, "no Location")
    return str(found)


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def _refusal(method: str, path: str, answer: httpx.Response) -> Fault:
    """An answer that nobody asked for, by its kind. What Keycloak says goes to the log only, and may name no secret."""
    code = answer.status_code
    _log.warning(
        "Keycloak refused", extra={"method": method, "path": path, "code": code, "problem": said(answer)[:200]}
    )
    if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return refusals.credentials_refused(NAME)
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return refusals.rate_limited(NAME, refusals.retry_after(answer.headers))
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return refusals.unavailable(NAME)
    return refusals.not_understood(NAME, code)
