"""A pipeline that is called by HTTP."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp

from deployments_service.model import Deployment
from deployments_service.signing.model import signatures
from deployments_service.webhook.model import AddressRefused, Answer, body_of
from deployments_service.webhook.providers.addresses import GuardedResolver, Network, check_literal, check_url
from faults import Unavailable

_log = logging.getLogger(__name__)
_LONGEST = 64 * 1024
"""Bytes of an answer that are read: no report is longer."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a pipeline is, and how it is called."""

    url: str
    secrets: Sequence[str]
    patience: timedelta
    status_hosts: Collection[str] = ()
    allowed: Collection[Network] = ()
    ca_file: Path | None = None
    public_url: str = ""
    """Where we are reached from outside; empty where pipelines do not report."""

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r})"


class HttpPipeline:
    """A pipeline at a URL. A resource."""

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        ca_file = self._endpoint.ca_file
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._endpoint.allowed),
            ssl=ssl.create_default_context(cafile=ca_file) if ca_file else True,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=self._endpoint.patience.total_seconds()),
        )
        self._session = await self._opened.enter_async_context(session)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def call(self, deployment: Deployment) -> Answer:
        """Have a rollout done. The key tells the pipeline which call it has had before."""
        rollout_id = deployment.rollout.rollout_id
        body = body_of(deployment, self._report_url(deployment))
        check_literal(urlsplit(self._endpoint.url).hostname or "", self._endpoint.allowed)
        return await self._request("POST", self._endpoint.url, body, {"Idempotency-Key": rollout_id})

    async def ask(self, status_url: str) -> Answer:
        """How a rollout stands."""
        endpoint = self._endpoint
        check_url(status_url, like=endpoint.url, hosts=endpoint.status_hosts, allowed=endpoint.allowed)
        return await self._request("GET", status_url, b"", {})

    def _report_url(self, deployment: Deployment) -> str:
        base = self._endpoint.public_url.rstrip("/")
        path = f"/tenants/{deployment.tenant_id}/deployments/{deployment.app}/rollouts/{deployment.rollout.rollout_id}"
        return f"{base}{path}/report" if base else ""

    async def _request(self, method: str, url: str, body: bytes, more: Mapping[str, str]) -> Answer:
        delivery_id = str(uuid4())
        headers = {**self._signed(body), "X-Delivery-Id": delivery_id, **more}
        try:
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as response:
                answer = Answer(response.status, await _read(response), self._retry_after(response.headers))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            _log.warning("the pipeline failed", extra={"delivery_id": delivery_id, "error": type(error).__name__})
            cause = getattr(error, "os_error", None)
            if isinstance(cause, AddressRefused):
                raise cause from error
            raise Unavailable(
                "The pipeline did not answer.", reason="PROVIDER_UNAVAILABLE", facts={"provider": "webhook"}
            ) from error
        _log.info("the pipeline answered", extra={"delivery_id": delivery_id, "status": answer.status})
        return answer

    def _signed(self, body: bytes) -> Mapping[str, str]:
        timestamp = str(int(self._clock().timestamp()))
        return {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "tenantmesh-deployments",
            "X-Timestamp": timestamp,
            "X-Signature": signatures(self._endpoint.secrets, timestamp, body),
        }

    def _retry_after(self, headers: Mapping[str, str]) -> timedelta | None:
        """When to come back, in either of the two forms of the header."""
        said = headers.get("Retry-After", "")
        if said.isdecimal():
            return timedelta(seconds=int(said[:9]))
        try:
            return max(parsedate_to_datetime(said) - self._clock(), timedelta())
        except (ValueError, TypeError):
            return None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """What was answered, as far as a report may go; what is cut off is no report any more."""
    body = b""
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > _LONGEST:
            return b"(too long)"
    return body
