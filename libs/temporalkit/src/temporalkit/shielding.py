"""Work in a workflow that is finished although the workflow is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Finish the work whatever cancellation arrives meanwhile; the cancellation is raised afterwards."""
    task = asyncio.create_task(work)
    cancellation = await until_done(task)
    result = task.result()
    if cancellation is not None:
        raise cancellation
    return result


async def until_done(task: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait for the task, and answer the cancellation that arrived while waiting."""
    cancellation = None
    while not task.done():
        try:
            await workflow.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    return cancellation
