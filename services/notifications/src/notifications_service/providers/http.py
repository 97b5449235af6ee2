"""What HTTP answers and broken connections mean, whoever's they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from notifications_service.model import Failure, Verdict

_NOTHING_WAS_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def from_broken(error: httpx.HTTPError) -> Verdict:
    """What a connection that broke means: before it stood, nothing is under way; after that, nobody knows."""
    if isinstance(error, _NOTHING_WAS_SENT):
        return Verdict.failed(Failure.PROVIDER_UNAVAILABLE, "The provider could not be reached.")
    return Verdict.failed(Failure.OUTCOME_UNKNOWN, "The connection ended after the message was handed over.")


def from_status(status: int, headers: httpx.Headers) -> Verdict:
    """What a status that is no success means, as far as it is the same for everybody."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            text = f"The provider refused the configured credentials ({status})."
            return Verdict.failed(Failure.PROVIDER_CREDENTIALS_REFUSED, text)
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            text = f"The provider put us off ({status})."
            return Verdict.failed(Failure.PROVIDER_UNAVAILABLE, text, retry_after(headers))
        # 409: an earlier request under this key is still being worked on.
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.CONFLICT:
            return _unknown(status, headers)
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _unknown(status, headers)
        case _:
            return Verdict.failed(Failure.MESSAGE_REFUSED, f"The provider refused the message ({status}).")


def retry_after(headers: httpx.Headers) -> timedelta | None:
    """When to come back, in either of the two forms of the header."""
    said = headers.get("retry-after", "")
    if said.isdecimal():
        return timedelta(seconds=int(said[:9]))
    try:
        return max(parsedate_to_datetime(said) - datetime.now(UTC), timedelta())
    except (ValueError, TypeError):
        return None


def _unknown(status: int, headers: httpx.Headers) -> Verdict:
    text = f"The provider failed while it had the message ({status})."
    return Verdict.failed(Failure.OUTCOME_UNKNOWN, text, retry_after(headers))
