import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError
from tests.integration.temporalkit.saga_workflows import Making, Plan

from temporalkit.testing.histories import HandWritten
from temporalkit.testing.replay import read, recorded, replay


class Run:
    """A handle whose history is at hand."""

    def __init__(self, history):
        self._history = history

    async def fetch_history(self):
        return self._history


async def test_what_was_recorded_replays(tmp_path):
    written = HandWritten("Making", Plan(steps=["a"])).ran("make", "a!").closed_as_completed(["a!"])
    path = tmp_path / "made-one-thing.json"
    path.write_text(await recorded(Run(written)))
    await replay(read(path), Making)
    assert read(path).workflow_id == "made-one-thing"


async def test_a_recording_does_not_say_where_it_was_made():
    event = HistoryEvent(event_id=1)
    failed = event.activity_task_failed_event_attributes
    failed.identity = "4711@somebodys-laptop"
    failed.failure.message = "It is taken."
    failed.failure.stack_trace = "/home/somebody/x.py"
    failed.failure.cause.stack_trace = "/home/somebody/y.py"
    text = await recorded(Run(WorkflowHistory("w", [event])))
    assert "somebody" not in text
    assert "It is taken." in text


async def test_a_history_of_something_else_is_found_out():
    written = HandWritten("Making", Plan(steps=["a"])).ran("remove", "a!").closed_as_completed(["a!"])
    with pytest.raises(NondeterminismError):
        await replay(written, Making)
