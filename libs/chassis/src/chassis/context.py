"""What is known about the work in hand, wherever code runs on its behalf: logs name it, outgoing calls pass it on.

The server sets it for every call it receives; a worker sets it for every activity. Nothing here knows gRPC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from chassis.principal import Principal

REQUEST_ID = "x-request-id"
TENANT_ID = "x-tenant-id"
WORKFLOW_ID = "x-workflow-id"
"""The metadata keys that carry these facts from process to process."""

_LONGEST = 128


@dataclass(slots=True)
class CallContext:
    """The facts of one call. Mutable, because they are learnt one by one: the principal after authentication, say."""

    method: str = ""
    request_id: str = ""
    tenant_id: str = ""
    workflow_id: str = ""
    principal: Principal | None = None
    deadline: float | None = None
    """When the work must be over, on the clock of `time.monotonic`."""

    def remaining(self) -> float | None:
        """Seconds left until the deadline, never below zero; None where there is none."""
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0.0)


_current: ContextVar[CallContext | None] = ContextVar("chassis_call", default=None)


def identifier(value: object) -> str:
    """An identifier somebody else sent, if it can stand in logs and in the metadata of other calls, else nothing."""
    if isinstance(value, str) and len(value) <= _LONGEST and value.isascii() and value.isprintable():
        return value
    return ""


def current() -> CallContext | None:
    """The call this code runs for, or None outside of one."""
    return _current.get()


enter = _current.set
"""Make a context the current one for the rest of this task. A task that serves one call needs no way back."""


@contextmanager
def using(context: CallContext) -> Iterator[CallContext]:
    """Make `context` the current one inside the block."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
