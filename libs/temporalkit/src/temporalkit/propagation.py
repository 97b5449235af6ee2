"""Who and what a call is for, carried from a client through the workflow and its activities to the services they call.

The caller's request and tenant ids travel in a header of every start, signal and update; a workflow passes them on
with its own id and the step at work; an activity finds all of it in `chassis.context`, from where logs name it and
outgoing calls pass it on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from chassis import context
from chassis.context import CallContext

HEADER = "tenantmesh-context"

Headers = Mapping[str, Payload]
Facts = Mapping[str, str]

_facts: ContextVar[Facts] = ContextVar("temporalkit_facts", default={})  # noqa: B039 - only ever replaced as a whole
# An activity's calls end a little before the activity's own time-out, so that it fails with what happened and not with
# "timed out".
_SHARE_OF_TIME = 0.95


@contextmanager
def at_step(name: str) -> Iterator[None]:
    """Let every activity started inside the block know, and log, which step it is for."""
    before = _facts.get()
    _facts.set({**before, "step": name})
    try:
        yield
    finally:
        # Not `reset`: a run that is dropped from memory unwinds in a context that is not the one it was set in.
        _facts.set(before)


def step() -> str:
    """The step this activity or workflow code is for; empty outside of one."""
    return _facts.get().get("step", "")


def act_for(tenant_id: str) -> None:
    """Name the tenant a workflow works for, from here on: for one whose starter did not know it."""
    _facts.set({**_facts.get(), "tenant_id": tenant_id})


class PropagationInterceptor(client.Interceptor, worker.Interceptor):
    """Carries the facts of the call in hand across Temporal. A worker takes it over from its client."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """See base class."""
        return _Client(next)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: ARG002 - the SDK's signature
    ) -> type[worker.WorkflowInboundInterceptor]:
        """See base class."""
        return _Workflow

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        """See base class."""
        return _Activity(next)


class _Client(client.OutboundInterceptor):
    """Writes what `chassis.context` knows of the call in hand."""

    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        input.headers = _with_facts(input.headers, _facts_of_call())
        return await self.next.start_workflow(input)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        input.headers = _with_facts(input.headers, _facts_of_call())
        await self.next.signal_workflow(input)

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        input.headers = _with_facts(input.headers, _facts_of_call())
        return await self.next.start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        facts = _facts_of_call()
        for part in (input.start_workflow_input, input.update_workflow_input):
            part.headers = _with_facts(part.headers, facts)
        return await self.next.start_update_with_start_workflow(input)


class _Workflow(worker.WorkflowInboundInterceptor):
    """Reads the facts of whoever started, signalled or updated the workflow."""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        _facts.set(_read(input.headers))
        return await self.next.execute_workflow(input)

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        _facts.set(_of_message(input.headers))
        await self.next.handle_signal(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        _facts.set(_of_message(input.headers))
        return await self.next.handle_update_handler(input)


class _Outbound(worker.WorkflowOutboundInterceptor):
    """Passes the facts on to what the workflow starts. The step also labels the activity where people watch it."""

    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = _with_facts(input.headers, _facts_of_workflow())
        input.summary = input.summary or step() or None
        return self.next.start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = _with_facts(input.headers, _facts_of_workflow())
        return self.next.start_local_activity(input)

    async def start_child_workflow(
        self, input: worker.StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        input.headers = _with_facts(input.headers, _facts_of_workflow())
        return await self.next.start_child_workflow(input)

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        input.headers = _with_facts(input.headers, _facts_of_workflow())
        self.next.continue_as_new(input)


class _Activity(worker.ActivityInboundInterceptor):
    """Makes the facts, and the time that is left, the context of everything the activity does."""

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        info, facts = activity.info(), _read(input.headers)
        _facts.set(facts)
        call = CallContext(
            method=f"activity/{info.activity_type}",
            request_id=facts.get("request_id", ""),
            tenant_id=facts.get("tenant_id", ""),
            workflow_id=info.workflow_id or "",
            deadline=_deadline(info),
        )
        with context.using(call):
            return await self.next.execute_activity(input)


def _deadline(info: activity.Info) -> float | None:
    if info.start_to_close_timeout is None:
        return None
    return time.monotonic() + info.start_to_close_timeout.total_seconds() * _SHARE_OF_TIME


def _facts_of_call() -> Facts:
    call = context.current()
    return {"request_id": call.request_id, "tenant_id": call.tenant_id} if call else {}


def _facts_of_workflow() -> Facts:
    """Every run has a request id: one that a schedule or a person started takes its own run id for it."""
    return {"request_id": workflow.info().run_id, **_facts.get()}


def _of_message(headers: Headers) -> Facts:
    """What the sender of a signal or an update said, over what the workflow's starter said."""
    return {**_read(workflow.info().headers), **_read(headers)}


def _with_facts(headers: Headers, facts: Facts) -> Headers:
    known = {name: value for name, value in facts.items() if value}
    return {**headers, HEADER: PayloadConverter.default.to_payload(known)} if known else headers


def _read(headers: Headers) -> Facts:
    payload = headers.get(HEADER)
    return PayloadConverter.default.from_payload(payload) if payload else {}
