"""What every activity has without a line of its own, so that it only calls a service and returns the answer.

Heartbeats, two log lines, its facts on the span, and a failure that carries kind, reason and facts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any, Final

import grpc
from opentelemetry import trace
from temporalio import activity, worker
from temporalio.exceptions import ApplicationError

import faults
from chassis import context
from chassis.errors import DOMAIN
from faults import Fault
from temporalkit.failures import application_error, fault_of
from temporalkit.heartbeats import Progress, heartbeating
from temporalkit.propagation import step

_log: Final = logging.getLogger(__name__)
_AT_ONCE: Final = timedelta(milliseconds=100)

Facts = dict[str, str | int | float]


class ActivityInterceptor(worker.Interceptor):
    """Surrounds every activity of a worker. The innermost of its interceptors: the others see the neutral failure."""

    def __init__(self, heartbeat_interval: timedelta) -> None:
        """Beat at least so often: it is also how often an activity can learn that it is cancelled."""
        self._heartbeat_interval = heartbeat_interval

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        """See base class."""
        return _Inbound(next, self._heartbeat_interval)


class _Inbound(worker.ActivityInboundInterceptor):
    def __init__(self, next: worker.ActivityInboundInterceptor, heartbeat_interval: timedelta) -> None:
        super().__init__(next)
        self._heartbeat_interval = heartbeat_interval

    def init(self, outbound: worker.ActivityOutboundInterceptor) -> None:
        self._progress = Progress(outbound, tuple(activity.info().heartbeat_details))
        super().init(self._progress)

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        info = activity.info()
        facts: Facts = {"activity": info.activity_type, "step": step(), "attempt": info.attempt}
        _describe_span({**facts, **_call_facts()})
        _log.info("activity started", extra=facts)
        begun = time.monotonic()
        try:
            async with heartbeating(self._progress, self._heartbeat_interval):
                result = await self.next.execute_activity(input)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, it is translated
            raise _reported(error, {**facts, "seconds": _since(begun)}) from None
        _log.info("activity succeeded", extra={**facts, "seconds": _since(begun)})
        return result


def _reported(error: BaseException, facts: Facts) -> BaseException:
    """Log what happened, in full, and answer what Temporal may know of it."""
    fault = fault_of(error)
    if fault is None:
        return _cancelled(error, facts)
    facts = {**facts, "kind": fault.kind.value, "reason": fault.reason}
    _describe_span({"kind": fault.kind.value, "reason": fault.reason})
    foreseen = isinstance(error, (Fault, grpc.RpcError, ApplicationError))
    _log.log(
        logging.WARNING if foreseen else logging.ERROR,
        "activity failed",
        extra=facts,
        exc_info=None if foreseen else error,
    )
    if isinstance(error, ApplicationError):
        return error
    failure = application_error(fault, longest_delay=_longest_delay())
    return failure if foreseen else failure.with_traceback(error.__traceback__)  # where, not what: source lines only


def _cancelled(error: BaseException, facts: Facts) -> BaseException:
    """A cancellation stays one, unless it is only this worker that stops: then the next attempt starts at once."""
    _log.info("activity cancelled", extra=facts)
    details = activity.cancellation_details()
    if details is None or not details.worker_shutdown:
        return error
    stopping = faults.Unavailable(
        "The worker is stopping.",
        reason="SHUTTING_DOWN",
        facts={"method": "worker"},
        domain=DOMAIN,
        retry_after=_AT_ONCE,
    )
    return application_error(stopping)


def _describe_span(facts: Facts) -> None:
    trace.get_current_span().set_attributes({f"tenantmesh.{name}": value for name, value in facts.items() if value})


def _call_facts() -> Facts:
    call = context.current()
    return {"request_id": call.request_id, "tenant_id": call.tenant_id} if call else {}


def _longest_delay() -> timedelta | None:
    """The longest wait the budget of this call has room for, whatever a provider asks."""
    policy = activity.info().retry_policy
    return policy.maximum_interval if policy else None


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)
