"""Histories written by hand: what a run did, event by event, without a server and the same every time.

    history = HandWritten("ProvisionTenant", request)
    history.ran("ensure_bucket", EnsureBucketResponse(created=True))
    history.failed("ensure_record", AlreadyExists("…", reason="RECORD_NOT_OWNED"))
    history.ran("delete_record", DeleteRecordResponse())
    history.ran("delete_bucket", DeleteBucketResponse(existed=True))
    await replay(history.closed_as_failed(), ProvisionTenant)

Replaying it proves that the workflow does exactly that: another command, or another order, is a NondeterminismError.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from temporalio.api.common.v1 import ActivityType, Payloads, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory

from temporalkit.converter import data_converter

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_QUEUE: Final = TaskQueue(name="by-hand")
# What a current worker writes: with them the ids and types of commands are compared, not only their kind.
_CORE_FLAGS: Final = (1, 2, 3, 4)


class HandWritten:
    """A history in the making. Every event is a second after the one before."""

    def __init__(self, workflow: str, *arguments: Any, workflow_id: str = "by-hand") -> None:
        """Start a run of the workflow with these arguments."""
        self._converter = data_converter()
        self._workflow_id = workflow_id
        self._events: list[HistoryEvent] = []
        self._numbers = {"activity": 0, "timer": 0}
        self._task = 0  # the workflow task whose commands are being written; 0 when something happened since
        self._add(
            "WORKFLOW_EXECUTION_STARTED",
            workflow_type=WorkflowType(name=workflow),
            task_queue=_QUEUE,
            input=self._payloads(*arguments),
            original_execution_run_id="by-hand",
            first_execution_run_id="by-hand",
            workflow_id=workflow_id,
            attempt=1,
        )

    def ran(self, activity: str, result: Any = None) -> Self:
        """The workflow ran an activity, and it answered."""
        return self.completed(self.scheduled(activity), result)

    def failed(self, activity: str, error: BaseException) -> Self:
        """The workflow ran an activity, and it failed for good."""
        return self.failed_at(self.scheduled(activity), error)

    def scheduled(self, activity: str) -> int:
        """The workflow started an activity; side by side with what else it started. Answers what ends it."""
        self._numbers["activity"] += 1
        scheduled = self._command(
            "ACTIVITY_TASK_SCHEDULED",
            activity_id=str(self._numbers["activity"]),
            activity_type=ActivityType(name=activity),
        )
        return scheduled.event_id

    def completed(self, scheduled: int, result: Any = None) -> Self:
        """A started activity answered."""
        return self._ended(scheduled, "ACTIVITY_TASK_COMPLETED", result=self._payloads(result))

    def failed_at(self, scheduled: int, error: BaseException) -> Self:
        """A started activity failed for good."""
        return self._ended(scheduled, "ACTIVITY_TASK_FAILED", failure=self._failure(error))

    def cancelled(self, scheduled: int) -> Self:
        """The workflow cancelled a started activity, and it stopped."""
        request = self._command("ACTIVITY_TASK_CANCEL_REQUESTED", scheduled_event_id=scheduled)
        return self._ended(scheduled, "ACTIVITY_TASK_CANCELED", latest_cancel_requested_event_id=request.event_id)

    def slept(self) -> Self:
        """The workflow waited for a timer, and it fired."""
        return self.fired(self.timer())

    def timer(self) -> int:
        """The workflow started a timer. Answers what ends it."""
        self._numbers["timer"] += 1
        return self._command("TIMER_STARTED", timer_id=str(self._numbers["timer"])).event_id

    def fired(self, started: int) -> Self:
        """A started timer fired."""
        return self._happened("TIMER_FIRED", timer_id=self._timer_id(started), started_event_id=started)

    def timer_cancelled(self, started: int) -> Self:
        """The workflow cancelled a started timer."""
        self._command("TIMER_CANCELED", timer_id=self._timer_id(started), started_event_id=started)
        return self

    def signalled(self, name: str, *arguments: Any) -> Self:
        """Somebody sent a signal."""
        return self._happened("WORKFLOW_EXECUTION_SIGNALED", signal_name=name, input=self._payloads(*arguments))

    def cancel_requested(self, reason: str = "") -> Self:
        """Somebody cancelled the run."""
        return self._happened("WORKFLOW_EXECUTION_CANCEL_REQUESTED", cause=reason)

    def closed_as_completed(self, result: Any = None) -> WorkflowHistory:
        """The run returned."""
        self._command("WORKFLOW_EXECUTION_COMPLETED", result=self._payloads(result))
        return self.open()

    def closed_as_failed(self) -> WorkflowHistory:
        """The run failed."""
        self._command("WORKFLOW_EXECUTION_FAILED", failure=Failure(message="failed"))
        return self.open()

    def closed_as_cancelled(self) -> WorkflowHistory:
        """The run ended because it was cancelled."""
        self._command("WORKFLOW_EXECUTION_CANCELED")
        return self.open()

    def open(self) -> WorkflowHistory:
        """The history as far as it is written."""
        return WorkflowHistory(self._workflow_id, tuple(self._events))

    def _command(self, kind: str, **attributes: Any) -> HistoryEvent:
        """What the workflow did, in the task that follows what happened last."""
        if not self._task:
            self._add("WORKFLOW_TASK_SCHEDULED", task_queue=_QUEUE)
            scheduled = self._events[-1].event_id
            self._add("WORKFLOW_TASK_STARTED", scheduled_event_id=scheduled)
            self._add(
                "WORKFLOW_TASK_COMPLETED",
                scheduled_event_id=scheduled,
                started_event_id=scheduled + 1,
                sdk_metadata=WorkflowTaskCompletedMetadata(core_used_flags=_CORE_FLAGS),
            )
            self._task = scheduled + 2
        return self._add(kind, workflow_task_completed_event_id=self._task, **attributes)

    def _timer_id(self, started: int) -> str:
        return self._events[started - 1].timer_started_event_attributes.timer_id

    def _happened(self, kind: str, **attributes: Any) -> Self:
        self._add(kind, **attributes)
        self._task = 0
        return self

    def _ended(self, scheduled: int, kind: str, **attributes: Any) -> Self:
        self._add("ACTIVITY_TASK_STARTED", scheduled_event_id=scheduled, attempt=1)
        started = self._events[-1].event_id
        return self._happened(kind, scheduled_event_id=scheduled, started_event_id=started, **attributes)

    def _add(self, kind: str, **attributes: Any) -> HistoryEvent:
        number = len(self._events) + 1
        event = HistoryEvent(event_id=number, event_type=EventType.Value(f"EVENT_TYPE_{kind}"))
        event.event_time.FromDatetime(_BEGIN + timedelta(seconds=number))
        field = getattr(event, f"{kind.lower()}_event_attributes")
        field.MergeFrom(type(field)(**attributes))
        field.SetInParent()
        self._events.append(event)
        return event

    def _payloads(self, *values: Any) -> Payloads:
        return self._converter.payload_converter.to_payloads_wrapper(values)

    def _failure(self, error: BaseException) -> Failure:
        failure = Failure()
        self._converter.failure_converter.to_failure(error, self._converter.payload_converter, failure)
        return failure
