"""What every store may have to say, in the words of the contract. The vendor's own text goes to the log only."""

from __future__ import annotations

from datetime import timedelta

from faults import Aborted, AlreadyExists, Conflict, Exhausted, Fault, Internal, Timeout, Unavailable
from storage_service.buckets.model import Place


def changed(place: Place) -> Fault:
    """What was read no longer stands."""
    return Aborted(
        "Somebody else changed it at the same time.", reason="BUCKET_CHANGED", facts={"bucket": place.bucket}
    )


def taken(bucket: str, provider: str) -> Fault:
    """Another account has a bucket of that name."""
    return AlreadyExists(
        f"The bucket {bucket} was not made for this tenant.",
        reason="BUCKET_NOT_OWNED",
        facts={"bucket": bucket, "provider": provider, "owner": "unknown"},
    )


def credentials_refused(provider: str) -> Fault:
    """The store knows neither us nor our key, or gave it too few rights."""
    return Conflict(
        "The store refused the configured credentials.",
        reason="PROVIDER_CREDENTIALS_REFUSED",
        facts={"provider": provider},
    )


def credentials_limit(provider: str) -> Fault:
    """The store allows no further identities."""
    return Exhausted(
        "The store allows no further credentials.",
        reason="CREDENTIALS_LIMIT_REACHED",
        facts={"provider": provider, "limit": "identities of the account"},
    )


def rate_limited(provider: str, retry_after: timedelta | None) -> Fault:
    """The store wants fewer requests."""
    return Exhausted(
        "The store's rate limit is reached.",
        reason="PROVIDER_RATE_LIMITED",
        facts={"provider": provider},
        retry_after=retry_after,
    )


def unavailable(provider: str) -> Fault:
    """The store is broken, or cannot be reached; whether the change was made is not known."""
    return Unavailable("The store is not available.", reason="PROVIDER_UNAVAILABLE", facts={"provider": provider})


def timed_out(provider: str) -> Fault:
    """The store gave no answer in time; whether the change was made is not known."""
    return Timeout("The store gave no answer in time.", reason="PROVIDER_TIMED_OUT", facts={"provider": provider})


def not_understood(provider: str, code: object) -> Fault:
    """The store answered what no version of it that we know answers."""
    return Internal(
        "The store answered what nobody expected.",
        reason="PROVIDER_ANSWER_UNKNOWN",
        facts={"provider": provider, "code": code},
    )
