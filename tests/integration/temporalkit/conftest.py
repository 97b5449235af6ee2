"""A client on the session's Temporal server, and workers on queues of their own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import Worker

from faults import Fault
from temporalkit.converter import data_converter
from temporalkit.sandbox import workflow_runner

Workers = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest_asyncio.fixture(scope="session")
async def client(temporal) -> Client:
    return await Client.connect(temporal.address, namespace=temporal.namespace, data_converter=data_converter())


@pytest.fixture
def queue() -> str:
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def run_id() -> str:
    return f"run-{uuid.uuid4()}"


@pytest.fixture
def worker(client: Client, queue: str) -> Workers:
    """A worker on this test's queue; keywords go to the SDK's Worker."""

    @asynccontextmanager
    async def running(**more: Any) -> AsyncIterator[Worker]:
        options = {
            "task_queue": queue,
            "workflow_runner": workflow_runner(),
            "workflow_failure_exception_types": [Fault],
            "max_heartbeat_throttle_interval": timedelta(milliseconds=100),
            "sticky_queue_schedule_to_start_timeout": timedelta(seconds=1),
            **more,
        }
        async with Worker(options.pop("client", client), **options) as one:
            yield one

    return running
