"""The Management API by Auth0's own client, with what that leaves to us.

The client's own retries are off: a caller's workflow retries, with the time Auth0 said. Its asynchronous client gets
tokens by blocking calls, so the tokens are ours; each request takes its turn in a token bucket.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

import httpx
from auth0.management.client import AsyncAuth0
from auth0.management.core.api_error import ApiError

from faults import Fault
from identity_service.model import Organization, organization_not_found
from identity_service.providers import refusals
from identity_service.providers.auth0.budget import Budget
from identity_service.providers.auth0.settings import Auth0Settings

NAME: Final = "auth0"
_LEEWAY: Final = 30
_BAD, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY, _BROKEN = 400, 401, 403, 404, 409, 429, 500
_log = logging.getLogger(__name__)


class Tokens:
    """The access token of the machine-to-machine application: fetched once for all who wait, and again in time."""

    def __init__(self, settings: Auth0Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good for a while."""
        async with self._lock:
            if time.monotonic() >= self._until:
                await self._fetch()
            return self._token

    def forget(self) -> None:
        """Fetch another one next time: this one was refused."""
        self._until = 0.0

    async def _fetch(self) -> None:
        audience = self._settings.audience or f"https://{self._settings.domain}/api/v2/"
        answer = await self._http.post(
            f"{self._settings.base_url}/oauth/token",
            json={
                "grant_type": "client_credentials",
                "client_id": self._settings.client_id,
                "client_secret": self._settings.client_secret.reveal(),
                "audience": audience,
            },
        )
        if answer.status_code in {_UNAUTHORIZED, _FORBIDDEN}:
            raise refusals.credentials_refused(NAME)
        if answer.is_error:
            raise fault_of(answer.status_code, answer.headers)
        said = answer.json()
        self._token = said["access_token"]
        self._until = time.monotonic() + max(0, int(said["expires_in"]) - _LEEWAY)


@asynccontextmanager
async def connected(
    settings: Auth0Settings, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[AsyncAuth0]:
    """The client of the Management API."""
    budget = Budget(NAME, rate=settings.rate, burst=settings.burst, patience=settings.patience)
    timeout = settings.timeout.total_seconds()
    async with (
        httpx.AsyncClient(timeout=timeout, transport=transport) as plain,
        httpx.AsyncClient(timeout=timeout, transport=transport) as http,
    ):
        tokens = Tokens(settings, plain)

        async def take(_: httpx.Request) -> None:
            await budget.take()

        async def note(answer: httpx.Response) -> None:
            if answer.status_code == _UNAUTHORIZED:
                tokens.forget()
            wait = waited(answer.headers)
            if wait and (answer.status_code == _TOO_MANY or answer.headers.get("x-ratelimit-remaining") == "0"):
                budget.pause(wait)

        http.event_hooks = {"request": [take], "response": [note]}
        yield AsyncAuth0(
            base_url=f"{settings.base_url}/api/v2", token="", async_token=tokens.get, httpx_client=http,
            timeout=timeout, max_retries=0,
        )  # fmt: skip


@contextmanager
def translated(inside: Organization | None = None) -> Iterator[None]:
    """Let only faults leave the block; what is missing inside an organization is that itself."""
    try:
        yield
    except ApiError as error:
        if inside and is_missing(error):
            raise organization_not_found(inside.name, NAME) from None
        raise fault_of(error.status_code or _BROKEN, error.headers or {}, _code(error)) from None
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        _log.warning("auth0 does not answer", extra={"cause": repr(error)})
        raise refusals.unavailable(NAME) from None


def is_missing(error: ApiError) -> bool:
    """Whether it says that there is no such thing."""
    return error.status_code == _NOT_FOUND


def is_taken(error: ApiError) -> bool:
    """Whether it says that there is one already."""
    return error.status_code == _CONFLICT


def fault_of(status: int, headers: Mapping[str, str], code: str = "") -> Fault:
    """What a status means for the caller. The text of an answer may repeat what was sent, so it is told nowhere."""
    _log.warning("auth0 refuses", extra={"status": status, "code": code})
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return refusals.credentials_refused(NAME)
    if status == _TOO_MANY:
        return refusals.rate_limited(NAME, waited(headers))
    if status >= _BROKEN or status < _BAD:  # a page of somebody in between is no answer either
        return refusals.unavailable(NAME)
    return refusals.not_understood(NAME, code or status)


def waited(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> timedelta | None:
    """When Auth0 wants to be asked again: Retry-After in seconds, or the moment at which its limit is reset."""
    told = {name.lower(): value for name, value in headers.items()}
    if (span := refusals.retry_after(told)) is not None:
        return span
    reset = told.get("x-ratelimit-reset", "")
    return timedelta(seconds=max(0.0, int(reset) - now())) if reset.isdecimal() else None


def _code(error: ApiError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("errorCode", ""))[:100]
