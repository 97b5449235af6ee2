"""A workflow that starts things in every way there is, and an activity that tells what it knows of its caller."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

from chassis import context
from temporalkit.propagation import act_for, at_step, step
from temporalkit.retries import Preset

QUICK = Preset(
    start_to_close=timedelta(seconds=10),
    first_delay=timedelta(milliseconds=10),
    attempts=1,
    longest_delay=timedelta(milliseconds=20),
)
Facts = dict[str, str]


@activity.defn
async def look() -> Facts:
    """What is known of the caller."""
    call = context.current()
    return {
        "request_id": call.request_id,
        "tenant_id": call.tenant_id,
        "workflow_id": call.workflow_id,
        "step": step(),
    }


@workflow.defn
class Relay:
    """Starts the activity as it is told."""

    def __init__(self) -> None:
        self._seen: Facts | None = None

    @workflow.run
    async def run(self, how: str) -> Facts:
        if how == "local":
            return await workflow.execute_local_activity(look, start_to_close_timeout=timedelta(seconds=5))
        if how == "child":
            child = f"{workflow.info().workflow_id}-child"
            return await workflow.execute_child_workflow(Relay.run, "activity", id=child)
        if how == "again":
            workflow.continue_as_new("activity")
        if how == "wait":
            await workflow.wait_condition(lambda: self._seen is not None)
            return self._seen or {}
        if how == "act_for":
            act_for("the tenant it found")
        with at_step("the step"):
            return await workflow.execute_activity(look, **QUICK.options())

    @workflow.signal
    async def signalled(self) -> None:
        self._seen = await workflow.execute_activity(look, **QUICK.options())

    @workflow.update
    async def updated(self) -> Facts:
        self._seen = await workflow.execute_activity(look, **QUICK.options())
        return self._seen
