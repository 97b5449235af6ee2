"""What every provider may have to say, in the words of the contract. The vendor's own text goes to the log only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from faults import AlreadyExists, Conflict, Exhausted, Fault, Internal, Invalid, Unauthenticated, Unavailable


def role_unknown(role: str, provider: str) -> Fault:
    """The provider knows no such role for the organization."""
    return Conflict(
        f"The identity provider knows no role {role} for this organization.",
        reason="ROLE_UNKNOWN",
        facts={"role": role, "provider": provider},
    )


def domain_taken(domain: str, provider: str) -> Fault:
    """Another organization of the shared realm has the domain."""
    return AlreadyExists(
        f"The domain {domain} belongs to another organization.",
        reason="DOMAIN_TAKEN",
        facts={"domain": domain, "provider": provider},
    )


def shard_unknown(shard: str) -> Fault:
    """The settings know no such shard."""
    return Invalid(f"There is no shard {shard}.", reason="SHARD_UNKNOWN", facts={"shard": shard})


def shards_full(limit: int, shards: str) -> Fault:
    """No shard takes another realm."""
    return Exhausted(
        "Every shard holds as many realms as it may.", reason="SHARDS_FULL", facts={"limit": limit, "shards": shards}
    )


def rate_limited(provider: str, retry_after: timedelta | None) -> Fault:
    """The provider wants fewer requests, or would."""
    return Exhausted(
        "The identity provider's rate limit is reached.",
        reason="PROVIDER_RATE_LIMITED",
        facts={"provider": provider},
        retry_after=retry_after,
    )


def unavailable(provider: str) -> Fault:
    """The provider is broken, too slow, or cannot be reached; whether the change was made is not known."""
    return Unavailable(
        "The identity provider is not available.", reason="PROVIDER_UNAVAILABLE", facts={"provider": provider}
    )


def credentials_refused(provider: str) -> Fault:
    """The provider refused the service's own credentials, or gave them too few rights."""
    return Unauthenticated(
        "The identity provider refused the configured credentials.",
        reason="PROVIDER_CREDENTIALS_REFUSED",
        facts={"provider": provider},
    )


def not_understood(provider: str, code: object) -> Fault:
    """The provider answered what no version of it that we know answers."""
    return Internal(
        "The identity provider answered what nobody expected.",
        reason="UNEXPECTED",
        domain="tenantmesh",
        facts={"provider": provider, "code": code},
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """When a vendor wants to be asked again, where it says so in seconds."""
    said = headers.get("retry-after", "")
    return timedelta(seconds=int(said)) if said.isdecimal() else None
