"""The calls to one store: one session, its clients opened once, and every error translated."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

import aioboto3  # type: ignore[import-untyped]  # it comes without types
from aiohttp import ClientError as BrokenAnswer
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ReadTimeoutError,
)

from faults import Fault
from storage_service.buckets.providers import refusals
from storage_service.buckets.providers.s3.settings import S3Settings

_log = logging.getLogger(__name__)
_THROTTLED = frozenset(
    {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
)
_REFUSED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId",
        "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException", "403",
    }
)  # fmt: skip
_LIMITS = frozenset({"LimitExceeded", "TooManyBuckets"})
# What a store answers that lacks what was asked for.
MISSING = frozenset({"NotImplemented", "MethodNotAllowed", "XNotImplemented", "501", "405"})
NO_BUCKET = frozenset({"NoSuchBucket", "404"})


class Answered(Exception):  # noqa: N818 - names what happened
    """The store answered with a code that the caller asked to be told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Api:
    """One client of the store, such as that of S3 or of IAM."""

    def __init__(self, provider: str, client: Any) -> None:
        self.provider = provider
        self.client = client

    async def call(self, method: str, *, tell: Collection[str] = (), **request: Any) -> Any:
        """Send one request; Answered for the codes in `tell`, else a fault."""
        try:
            return await getattr(self.client, method)(**request)
        except ClientError as error:
            code = str(error.response["Error"].get("Code", ""))
            if code in tell:
                raise Answered(code) from error
            raise self._refusal(error, method, code) from error
        except (BotoCoreError, BrokenAnswer, OSError, TimeoutError) as error:
            raise self._failure(error, method) from error

    async def read(self, *, tell: Collection[str] = (), **request: Any) -> tuple[bytes, str]:
        """A whole object and its ETag."""
        answer = await self.call("get_object", tell=tell, **request)
        try:
            async with answer["Body"] as body:
                return await body.read(), answer["ETag"]
        except (BotoCoreError, BrokenAnswer, OSError, TimeoutError) as error:
            raise self._failure(error, "get_object") from error

    async def pages(self, method: str, *, tell: Collection[str] = (), **request: Any) -> AsyncIterator[Any]:
        """Every page of a list; none where the store answers one of the codes in `tell`."""
        try:
            async for page in self.client.get_paginator(method).paginate(**request):
                yield page
        except ClientError as error:
            code = str(error.response["Error"].get("Code", ""))
            if code not in tell:
                raise self._refusal(error, method, code) from error
        except (BotoCoreError, BrokenAnswer, OSError) as error:
            raise self._failure(error, method) from error

    def _refusal(self, error: ClientError, method: str, code: str) -> Fault:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        said = error.response["Error"].get("Message", "")
        _log.warning("the store refused", extra={"method": method, "code": code, "status": status, "said": said})
        if code in _THROTTLED:
            return refusals.rate_limited(self.provider, None)
        if code in _LIMITS:
            return refusals.credentials_limit(self.provider)
        if code in _REFUSED:
            return refusals.credentials_refused(self.provider)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return refusals.unavailable(self.provider)
        return refusals.not_understood(self.provider, code)

    def _failure(self, error: Exception, method: str) -> Fault:
        if isinstance(error, ConnectTimeoutError | ReadTimeoutError | TimeoutError):
            return refusals.timed_out(self.provider)
        if isinstance(error, NoCredentialsError):
            return refusals.credentials_refused(self.provider)
        _log.warning("the store failed", extra={"method": method, "error": type(error).__name__})
        return refusals.unavailable(self.provider)


class Session:
    """Opens clients that last as long as the process, and short-lived ones for a key that was just made."""

    def __init__(self, provider: str, settings: S3Settings) -> None:
        self._provider = provider
        self._settings = settings
        self._session = aioboto3.Session(region_name=settings.region)
        self._opened = AsyncExitStack()

    async def open(self, service: str, endpoint: str | None) -> Api:
        """A client with the process's own credentials."""
        settings = self._settings
        own = {
            "aws_access_key_id": settings.key_id,
            "aws_secret_access_key": settings.key.reveal() if settings.key else None,
            "aws_session_token": settings.token.reveal() if settings.token else None,
        }
        client = self._session.client(service, endpoint_url=endpoint, config=self._config(), **own)
        return Api(self._provider, await self._opened.enter_async_context(client))

    def with_key(self, service: str, endpoint: str | None, key_id: str, secret: str) -> Any:
        """A client that acts as somebody else, to be entered."""
        return self._session.client(
            service, endpoint_url=endpoint, config=self._config(), aws_access_key_id=key_id,
            aws_secret_access_key=secret,
        )  # fmt: skip

    async def close(self) -> None:
        """Close every client."""
        await self._opened.aclose()

    def _config(self) -> Config:
        patience = self._settings.patience.total_seconds()
        return Config(
            connect_timeout=patience,
            read_timeout=patience,
            max_pool_connections=self._settings.connections,
            retries={"total_max_attempts": self._settings.attempts, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "path" if self._settings.in_path else "auto"},
            # Checksums that not every store knows are sent where S3 demands them, and nowhere else.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
