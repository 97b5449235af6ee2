"""What the service and its providers may have to refuse, in the words of the contract.

A vendor's own text goes to the log only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from faults import (
    Aborted,
    AlreadyExists,
    Conflict,
    Exhausted,
    Fault,
    Internal,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)


def organization_not_found(name: str, provider: str) -> Fault:
    """The tenant has no organization there."""
    return NotFound(
        "The tenant has no organization at the identity provider.",
        reason="ORGANIZATION_NOT_FOUND",
        facts={"name": name, "provider": provider},
    )


def organization_not_owned(name: str, provider: str, owner: str) -> Fault:
    """Something of that name stands there, and is somebody else's."""
    return AlreadyExists(
        f"A realm or organization {name} exists that was not made for this tenant.",
        reason="ORGANIZATION_NOT_OWNED",
        facts={"name": name, "provider": provider, "owner": owner},
    )


def client_not_found(name: str, provider: str) -> Fault:
    """The organization has no client of that name."""
    return NotFound(
        f"The organization has no client {name}.",
        reason="CLIENT_NOT_FOUND",
        facts={"name": name, "provider": provider},
    )


def client_not_owned(client_id: str, provider: str, owner: str) -> Fault:
    """A client of that id stands there, and is somebody else's."""
    return AlreadyExists(
        f"A client {client_id} exists that was not made for this tenant.",
        reason="CLIENT_NOT_OWNED",
        facts={"client_id": client_id, "provider": provider, "owner": owner},
    )


def user_not_found(provider: str) -> Fault:
    """The organization has no such user."""
    return NotFound("The organization has no such user.", reason="USER_NOT_FOUND", facts={"provider": provider})


def user_not_owned(provider: str, owner: str) -> Fault:
    """Somebody of that address is there, and not of the mesh for this tenant."""
    return AlreadyExists(
        "Somebody of that address exists who was not made for this tenant.",
        reason="USER_NOT_OWNED",
        facts={"provider": provider, "owner": owner},
    )


def role_unknown(role: str, provider: str) -> Fault:
    """The provider knows no such role for the organization."""
    return Conflict(
        f"The identity provider knows no role {role} for this organization.",
        reason="ROLE_UNKNOWN",
        facts={"role": role, "provider": provider},
    )


def operation_mismatch(name: str, operation_id: str) -> Fault:
    """It was made by another operation."""
    return Conflict(
        f"{name} was made by another operation.",
        reason="OPERATION_MISMATCH",
        facts={"name": name, "operation_id": operation_id},
    )


def name_invalid(name: str, rule: str) -> Fault:
    """The name that follows from the key cannot be had."""
    return Invalid(f"The name {name} cannot be used.", reason="NAME_INVALID", facts={"name": name, "rule": rule})


def domain_taken(domain: str, provider: str) -> Fault:
    """Another organization of the shared realm has the domain."""
    return AlreadyExists(
        f"The domain {domain} belongs to another organization.",
        reason="DOMAIN_TAKEN",
        facts={"domain": domain, "provider": provider},
    )


def email_invalid(rule: str) -> Fault:
    """The address is none, or none the provider takes."""
    return Invalid("The e-mail address cannot be used.", reason="EMAIL_INVALID", facts={"rule": rule})


def redirect_uri_invalid(uri: str, rule: str) -> Fault:
    """A redirect URI or web origin is none, or is unsafe."""
    return Invalid(f"{uri} cannot be used.", reason="REDIRECT_URI_INVALID", facts={"uri": uri, "rule": rule})


def password_too_weak(rule: str) -> Fault:
    """The password breaks the policy."""
    return Invalid("The password is too weak.", reason="PASSWORD_TOO_WEAK", facts={"rule": rule})


def shard_unknown(shard: str) -> Fault:
    """The settings know no such shard."""
    return Invalid(f"There is no shard {shard}.", reason="SHARD_UNKNOWN", facts={"shard": shard})


def shards_full(limit: int, shards: str) -> Fault:
    """No shard takes another realm."""
    return Exhausted(
        "Every shard holds as many realms as it may.", reason="SHARDS_FULL", facts={"limit": limit, "shards": shards}
    )


def incapable(provider: str, capability: str) -> Fault:
    """The provider cannot do what was asked."""
    return Conflict(
        "The identity provider cannot do this.",
        reason="CAPABILITY_MISSING",
        facts={"provider": provider, "capability": capability},
    )


def changed(name: str) -> Fault:
    """Somebody made or removed it while this call was at work."""
    return Aborted(f"Somebody else changed {name} at the same time.", reason="CONCURRENT_CHANGE", domain="tenantmesh")


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
        reason="PROVIDER_ANSWER_UNKNOWN",
        facts={"provider": provider, "code": code},
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """When a vendor wants to be asked again, where it says so in seconds."""
    said = headers.get("retry-after", "")
    return timedelta(seconds=int(said)) if said.isdecimal() else None
