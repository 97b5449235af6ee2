"""Encrypted payloads on a real server: what it stores, how keys rotate, what a missing key does."""

from __future__ import annotations

import asyncio
import base64
import os
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from tests.integration.temporalkit.saga_workflows import Making, Plan, World

from settingskit import load
from temporalkit.codec import EncryptionSettings
from temporalkit.failures import fault_of
from temporalkit.plugin import mesh_plugin
from temporalkit.testing.replay import replay


def key(name):
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


OLD, NEW, OTHER = key("2026-10"), key("2026-11"), key("other")


def encryption(*keys):
    return load(EncryptionSettings, {"TEMPORAL_PAYLOAD_KEYS": ",".join(keys)})


@pytest.fixture
def connect(temporal):
    async def connecting(*keys):
        plugin = mesh_plugin(encryption(*keys))
        return await Client.connect(temporal.address, namespace=temporal.namespace, plugins=[plugin])

    return connecting


@pytest.fixture
def world():
    return World()


@pytest.fixture
def serving(worker, world):
    return lambda client: worker(client=client, workflows=[Making], activities=[world.make, world.remove, world.gone])


@pytest.fixture
def start(run_id, queue):
    return lambda client, **plan: client.start_workflow(
        Making.run, Plan(**plan), id=run_id, task_queue=queue, task_timeout=timedelta(seconds=1)
    )


async def test_nothing_readable_is_stored_and_everything_works(connect, serving, world, start):
    client = await connect(OLD)
    world.fail_before.add("dns")
    async with serving(client):
        handle = await start(client, steps=["bucket", "dns"], bug="Megacorp")
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert (await handle.query(Making.ledger))[0]["step"] == "bucket"
    history = await handle.fetch_history()
    stored = b"".join(event.SerializeToString() for event in history.events)
    for word in (b"Megacorp", b"bucket!", b"cannot be made", b"CANNOT_BE_MADE", b"the thing"):
        assert word not in stored
    assert fault_of(caught.value).facts == {"thing": "dns", "step": "dns"}
    await replay(history, Making, encryption=encryption(OLD))


async def test_keys_rotate_while_a_run_is_in_flight(connect, serving, world, start):
    before, after = await connect(OLD), await connect(NEW, OLD)
    async with serving(before):
        handle = await start(before, steps=["a", "b"], nap=0.5)
        while "a" not in world.things:  # noqa: ASYNC110 - what is watched belongs to no event
            await asyncio.sleep(0.01)
    async with serving(after):
        assert await after.get_workflow_handle(handle.id).result() == ["a!", "b!"]
    results = [
        payload.metadata["encryption-key-id"]
        for event in (await handle.fetch_history()).events
        for payload in event.activity_task_completed_event_attributes.result.payloads
    ]
    assert results == [b"2026-10", b"2026-11"]


async def test_a_worker_without_the_key_says_which_and_the_run_waits_for_one_that_has_it(
    connect, serving, start, caplog
):
    client = await connect(OLD)
    handle = await start(client, steps=["a"], skip=["Megacorp"])
    async with serving(await connect(OTHER)):
        await until_task_failed(handle)
    assert "the key '2026-10', which this process does not have" in caplog.text
    assert "Megacorp" not in caplog.text
    async with serving(client):
        assert await handle.result() == ["a!"]


async def test_a_client_without_the_key_gets_a_fault_that_names_it(connect, serving, start):
    client = await connect(OLD)
    async with serving(client):
        handle = await start(client, steps=["a"])
        await handle.result()
    stranger = await connect(OTHER)
    with pytest.raises(Exception, match="does not have") as caught:
        await stranger.get_workflow_handle(handle.id).result()
    assert fault_of(caught.value).facts == {"key_id": "2026-10"}


async def until_task_failed(handle):
    while not any(  # noqa: ASYNC110 - the server is asked
        [event.HasField("workflow_task_failed_event_attributes") async for event in handle.fetch_history_events()]
    ):
        await asyncio.sleep(0.05)
