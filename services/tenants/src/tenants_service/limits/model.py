"""A limit, and what it means to be past it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from faults import Exhausted, Fault

_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls an hour for each subject. Every call takes its share of the hour, and pays it off in time."""

    name: str
    an_hour: int

    @property
    def share(self) -> timedelta:
        """What one call takes of the hour."""
        return _WINDOW / self.an_hour

    def latest(self, now: datetime) -> datetime:
        """How far ahead of now a subject may be, this call included."""
        return now + _WINDOW


@dataclass(frozen=True, slots=True)
class Charge:
    """One call, for one subject of a limit."""

    limit: Limit
    subject: str
    called: str
    """What callers know the limit by: `network`, `email` or `lead`."""


def exceeded(charge: Charge, free_time: datetime, now: datetime) -> Fault:
    """The fault of a call too many."""
    return Exhausted(
        "Too many calls of this kind.",
        reason="RATE_LIMITED",
        facts={"limit": charge.called},
        retry_after=max(free_time + charge.limit.share - charge.limit.latest(now), timedelta(seconds=1)),
    )
