"""What HTTP answers and broken connections mean, whoever's they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from notifications_service.model import Verdict
from notifications_service.providers import refusals

_NOTHING_WAS_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def from_broken(error: httpx.HTTPError) -> Verdict:
    """What a connection that broke means: before it stood, nothing is under way; after that, nobody knows."""
    if isinstance(error, _NOTHING_WAS_SENT):
        return refusals.unreachable()
    return refusals.lost()


def from_status(status: int, headers: httpx.Headers) -> Verdict:
    """What a status that is no success means, as far as it is the same for everybody."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return refusals.credentials_refused(status)
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return refusals.put_off(status, retry_after(headers))
        # 409: an earlier request under this key is still being worked on.
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.CONFLICT:
            return refusals.failed_midway(status, retry_after(headers))
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return refusals.failed_midway(status, retry_after(headers))
        case _:
            return refusals.refused(status)


def retry_after(headers: httpx.Headers) -> timedelta | None:
    """When to come back, in either of the two forms of the header."""
    said = headers.get("retry-after", "")
    if said.isdecimal():
        return timedelta(seconds=int(said[:9]))
    try:
        return max(parsedate_to_datetime(said) - datetime.now(UTC), timedelta())
    except (ValueError, TypeError):
        return None
