"""Replay: does today's code still do what a history says it did?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer

from temporalkit.codec import EncryptionSettings
from temporalkit.plugin import mesh_plugin
from temporalkit.sandbox import workflow_runner

# Says where and by whom a history was recorded, not what happened.
_OF_THE_RECORDER: Final = frozenset({"identity", "request_id", "stack_trace", "worker_version"})


async def replay(
    history: WorkflowHistory,
    *workflows: type,
    shared: tuple[str, ...] = (),
    encryption: EncryptionSettings | None = None,
) -> None:
    """Run the workflow against its history, as a worker would.

    Args:
        history: what happened, recorded or written by hand.
        workflows: the classes the history needs.
        shared: what their workers share with the sandbox.
        encryption: the keys, where a history was recorded with them.

    Raises:
        temporalio.workflow.NondeterminismError: the code does something else now.
    """
    replayer = Replayer(
        workflows=workflows, workflow_runner=workflow_runner(*shared), plugins=[mesh_plugin(encryption)]
    )
    await replayer.replay_workflow(history)


async def recorded(run: WorkflowHandle[Any, Any]) -> str:
    """A run's history as JSON that can be committed: without host names, paths and process ids."""
    history = await run.fetch_history()
    for event in history.events:
        _forget_recorder(event)
    return history.to_json() + "\n"


def read(path: Path) -> WorkflowHistory:
    """A committed history."""
    return WorkflowHistory.from_json(path.stem, path.read_text())


def _forget_recorder(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name in _OF_THE_RECORDER:
            message.ClearField(field.name)
        elif isinstance(value, Message):
            _forget_recorder(value)
