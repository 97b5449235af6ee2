"""How long each kind of call may take and how often it is tried: one table, so that no call site carries a literal.

What ends a retry early is the kind of the fault (`faults.Kind.retryable`), never a list of names: see
`temporalkit.failures`. Attempts only bound how long a retryable fault is borne.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Unpack

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

BACKOFF = 2.0

# A worker that says nothing for this long is taken for dead and the attempt starts elsewhere. How soon a cancellation
# reaches a running call does not depend on it, but on how often the worker reports: WorkerSettings.heartbeat_interval.
HEARTBEAT_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Preset:
    """The time-outs and retries of one kind of call."""

    start_to_close: timedelta
    first_delay: timedelta
    attempts: int
    longest_delay: timedelta = timedelta(minutes=2)
    heartbeat_timeout: timedelta = HEARTBEAT_TIMEOUT

    def options(self, **more: Unpack[ActivityConfig]) -> ActivityConfig:
        """The keyword arguments `workflow.execute_activity` takes: `**IDENTITY.options(task_queue="identity")`."""
        options = ActivityConfig(
            start_to_close_timeout=self.start_to_close,
            heartbeat_timeout=self.heartbeat_timeout,
            retry_policy=RetryPolicy(
                initial_interval=self.first_delay,
                backoff_coefficient=BACKOFF,
                maximum_interval=self.longest_delay,
                maximum_attempts=self.attempts,
            ),
            # Not the SDK's default, which lets the workflow go on while the call still runs: an undo would then delete
            # a thing just before the call it undoes makes it.
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        options.update(more)
        return options

    @property
    def worst_case(self) -> timedelta:
        """How long the call can take at most, while a worker is there: every attempt times out, after the longest wait.

        The longest, because a provider may ask for more patience than the back-off has (`RetryInfo`), up to that.
        """
        return self.attempts * self.start_to_close + (self.attempts - 1) * self.longest_delay


TENANTS = Preset(start_to_close=timedelta(seconds=30), first_delay=timedelta(seconds=1), attempts=5)
IDENTITY = Preset(start_to_close=timedelta(minutes=5), first_delay=timedelta(seconds=10), attempts=3)
STORAGE = Preset(start_to_close=timedelta(minutes=2), first_delay=timedelta(seconds=5), attempts=3)
DNS = Preset(start_to_close=timedelta(minutes=1), first_delay=timedelta(seconds=2), attempts=5)
NOTIFICATIONS = Preset(start_to_close=timedelta(seconds=30), first_delay=timedelta(seconds=2), attempts=3)
INFRASTRUCTURE = Preset(start_to_close=timedelta(minutes=30), first_delay=timedelta(seconds=30), attempts=3)
DEPLOYMENT = Preset(start_to_close=timedelta(minutes=15), first_delay=timedelta(seconds=15), attempts=5)

# An undo bears an outage of ten minutes: giving up means that something is left behind.
UNDO = Preset(
    start_to_close=timedelta(minutes=1),
    first_delay=timedelta(seconds=2),
    attempts=15,
    longest_delay=timedelta(minutes=1),
)
# For what takes long to take down: a stack, a deployment.
UNDO_LONG = Preset(
    start_to_close=timedelta(minutes=30),
    first_delay=timedelta(seconds=30),
    attempts=5,
    longest_delay=timedelta(minutes=5),
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "tenants": TENANTS,
        "identity": IDENTITY,
        "storage": STORAGE,
        "dns": DNS,
        "notifications": NOTIFICATIONS,
        "infrastructure": INFRASTRUCTURE,
        "deployment": DEPLOYMENT,
        "undo": UNDO,
        "undo_long": UNDO_LONG,
    }
)


def in_sequence(*parts: Preset | timedelta) -> timedelta:
    """The worst case of calls made one after the other. With `side_by_side` it budgets a whole workflow."""
    return sum(map(_worst_case, parts), start=timedelta())


def side_by_side(*parts: Preset | timedelta) -> timedelta:
    """The worst case of branches that run at the same time."""
    return max(map(_worst_case, parts), default=timedelta())


def _worst_case(part: Preset | timedelta) -> timedelta:
    return part.worst_case if isinstance(part, Preset) else part
