"""How much of something a tenant may use, how much it does, and when that is forgotten."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from faults import Exhausted, Fault, NotFound

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When a period began that never ends."""

MOST: Final = 2**63 - 1
"""What can be counted at all."""


class ResetPeriod(enum.Enum):
    """When what was used is forgotten."""

    NEVER = "NEVER"
    DAILY = "DAILY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"

    def begin(self, now: datetime) -> datetime:
        """When the period began that the moment is in."""
        if self is ResetPeriod.NEVER:
            return EVER
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        match self:
            case ResetPeriod.MONTHLY:
                return day.replace(day=1)
            case ResetPeriod.YEARLY:
                return day.replace(month=1, day=1)
        return day

    def next(self, now: datetime) -> datetime | None:
        """When the next one begins; None where none ever does."""
        longest = {ResetPeriod.DAILY: 1, ResetPeriod.MONTHLY: 31, ResetPeriod.YEARLY: 366}.get(self)
        # A day of the next period also where this month or year is a short one.
        return self.begin(self.begin(now) + timedelta(days=longest)) if longest else None


class Verdict(enum.Enum):
    """What follows from use and limits."""

    WITHIN = "WITHIN"
    SOFT_EXCEEDED = "SOFT_EXCEEDED"
    HARD_EXCEEDED = "HARD_EXCEEDED"


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of something a tenant may use; a limit of 0 is none."""

    name: str
    soft_limit: int = 0
    hard_limit: int = 0
    reset_period: ResetPeriod = ResetPeriod.NEVER

    @property
    def ceiling(self) -> int:
        """What use never passes."""
        return self.hard_limit or MOST

    def verdict(self, used: int) -> Verdict:
        """What follows from so much use."""
        if used > self.ceiling:
            return Verdict.HARD_EXCEEDED
        return Verdict.SOFT_EXCEEDED if 0 < self.soft_limit < used else Verdict.WITHIN


@dataclass(frozen=True, slots=True)
class Count:
    """How much of something a tenant has used, counted since some moment."""

    name: str
    used: int = 0
    since: datetime = EVER
    revision: int = 0

    def within(self, period: ResetPeriod, now: datetime) -> Count:
        """The count in the period of the moment: what is from an earlier one is forgotten."""
        begin = period.begin(now)
        return self if self.since >= begin else replace(self, used=0, since=begin)


@dataclass(frozen=True, slots=True)
class Usage:
    """How a tenant stands to one of its quotas."""

    quota: Quota
    used: int
    reset_time: datetime | None

    @property
    def verdict(self) -> Verdict:
        """What follows from it."""
        return self.quota.verdict(self.used)

    @property
    def allowed(self) -> bool:
        """Whether the hard limit is not passed."""
        return self.verdict is not Verdict.HARD_EXCEEDED


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a tenant may use, as its subscription and the plan of that say."""

    subscription: str
    """The state of the subscription that is not over; empty where there is none."""
    quotas: tuple[Quota, ...] = ()


def usage_of(quota: Quota, count: Count, now: datetime, *, more: int = 0) -> Usage:
    """How a tenant stands to a quota, or would stand if it used so much more."""
    return Usage(quota, count.within(quota.reset_period, now).used + more, quota.reset_period.next(now))


def counted(tenant_id: UUID, quota: Quota, count: Count, amount: int, now: datetime) -> Count:
    """The count after so much more was used, or given back; never below 0."""
    before = count.within(quota.reset_period, now)
    used = max(0, before.used + amount)
    # Who is above a limit that was lowered can still give back.
    if amount > 0 and used > quota.ceiling:
        raise Exhausted(
            "So much more would pass the hard limit.",
            reason="QUOTA_EXCEEDED",
            facts={"tenant_id": tenant_id, "name": quota.name, "used": before.used, "hard_limit": quota.ceiling},
            retry_after=reset - now if (reset := quota.reset_period.next(now)) else None,
        )
    return replace(before, used=used, revision=before.revision + 1)


def not_found(tenant_id: UUID, name: str) -> Fault:
    """The fault of a quota the tenant's plan has not."""
    return NotFound(
        "The tenant's plan has no such quota.", reason="QUOTA_NOT_FOUND", facts={"tenant_id": tenant_id, "name": name}
    )
