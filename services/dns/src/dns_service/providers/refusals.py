"""What every provider may have to say, in the words of the contract. The vendor's own text goes to the log only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from dns_service.model import Record, RecordKey
from faults import Aborted, Conflict, Exhausted, Fault, Internal, Invalid, Timeout, Unavailable


def zone_among(zones: Iterable[str], name: str, provider: str) -> str:
    """The longest zone that holds the name; ZONE_NOT_SERVED where none does."""
    holding = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    if not holding:
        raise zone_not_served(name, provider)
    return max(holding, key=len)


def zone_not_served(name: str, provider: str) -> Fault:
    """No zone of this provider holds the name."""
    return Conflict(
        f"No zone of this provider holds {name}.",
        reason="ZONE_NOT_SERVED",
        facts={"name": name, "provider": provider},
    )


def changed(key: RecordKey) -> Fault:
    """What was seen no longer stands."""
    return Aborted(
        f"Somebody else changed {key.name} at the same time.",
        reason="RECORD_CHANGED",
        facts={"name": key.name, "type": key.type.value},
    )


def conflict(key: RecordKey, existing: str) -> Fault:
    """The name carries what cannot stand beside this record."""
    return Conflict(
        f"{key.name} carries a record that cannot stand beside a {key.type.value} record.",
        reason="RECORD_CONFLICT",
        facts={"name": key.name, "type": key.type.value, "existing_type": existing},
    )


def not_taken(record: Record) -> Fault:
    """The provider does not take a value, for a reason of its own."""
    return Invalid(
        f"The DNS provider does not take this {record.key.type.value} record.",
        reason="VALUE_INVALID",
        facts={"name": record.key.name, "type": record.key.type.value, "value": ", ".join(record.data.values)},
    )


def incapable(name: str, provider: str, capability: str) -> Fault:
    """The provider cannot do what was asked."""
    return Conflict(
        f"The provider cannot do this for {name}.",
        reason="CAPABILITY_MISSING",
        facts={"name": name, "provider": provider, "capability": capability},
    )


def credentials_refused(provider: str) -> Fault:
    """The provider knows neither us nor our key, or gave it too few rights."""
    return Conflict(
        "The DNS provider refused the configured credentials.",
        reason="PROVIDER_CREDENTIALS_REFUSED",
        facts={"provider": provider},
    )


def rate_limited(provider: str, retry_after: timedelta | None) -> Fault:
    """The provider wants fewer requests, or would."""
    return Exhausted(
        "The DNS provider's rate limit is reached.",
        reason="PROVIDER_RATE_LIMITED",
        facts={"provider": provider},
        retry_after=retry_after,
    )


def unavailable(provider: str) -> Fault:
    """The provider is broken, or cannot be reached; whether the change was made is not known."""
    return Unavailable(
        "The DNS provider is not available.", reason="PROVIDER_UNAVAILABLE", facts={"provider": provider}
    )


def timed_out(provider: str) -> Fault:
    """The provider gave no answer in time; whether the change was made is not known."""
    return Timeout(
        "The DNS provider gave no answer in time.", reason="PROVIDER_TIMED_OUT", facts={"provider": provider}
    )


def not_understood(provider: str, code: object) -> Fault:
    """The provider answered what no version of it that we know answers."""
    return Internal(
        "The DNS provider answered what nobody expected.",
        reason="PROVIDER_ANSWER_UNKNOWN",
        facts={"provider": provider, "code": code},
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """When a vendor wants to be asked again, where it says so in seconds."""
    said = headers.get("retry-after", "")
    return timedelta(seconds=int(said)) if said.isdecimal() else None
