"""The saga on a real server: what fails, what is cancelled, what is left."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from tests.integration.temporalkit.saga_workflows import Making, Plan, Shielded, World

from faults import Kind
from temporalkit.failures import fault_of


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=[("a",), ("a", "b")], ids=["the last step", "not the last step"])
def steps(request):
    return list(request.param)


@pytest.fixture
def start(client, queue, run_id):
    async def starting(plan: Plan):
        return await client.start_workflow(Making.run, plan, id=run_id, task_queue=queue)

    return starting


@pytest.fixture
def making(worker, world):
    return lambda **more: worker(
        workflows=[Making, Shielded], activities=[world.make, world.remove, world.gone], **more
    )


async def failure_of(handle):
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    return fault_of(caught.value)


async def status_of(handle):
    return (await handle.describe()).status


def by_step(ledger):
    return {line["step"]: {key: line[key] for key in line if key != "step"} for line in ledger}


async def test_every_step_done_leaves_everything(making, start, world):
    async with making():
        handle = await start(Plan(steps=["a", "b"], parallel=[["c", "d"], ["e"]]))
        assert await handle.result() == ["a!", "b!", "c!+d!", "e!"]
        percents = await handle.query(Making.percents)
    assert world.things == set("abcde")
    assert percents == sorted(percents)
    assert percents[-1] == 100


@pytest.mark.parametrize("failing", ["a", "b", "c"])
@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
async def test_a_failure_at_any_step_leaves_nothing(making, start, world, failing, when):
    getattr(world, when).add(failing)
    steps = ["a", "b", "c"]
    async with making():
        handle = await start(Plan(steps=steps))
        fault = await failure_of(handle)
        ledger = by_step(await handle.query(Making.ledger))
    assert world.things == set()
    assert await status_of(handle) is WorkflowExecutionStatus.FAILED
    assert fault.facts["step"] == failing
    assert fault.reason == {"fail_before": "CANNOT_BE_MADE", "fail_after": "REPLY_LOST"}[when]
    reached = steps[: steps.index(failing) + 1]
    assert [line for line in world.journal if line.startswith("remove")] == [f"remove {name}" for name in reached[::-1]]
    made_it = "undone" if when == "fail_after" else "was_absent"
    assert ledger[failing] == {"state": "failed", "outcome": made_it}
    assert all(ledger[name] == {"state": "undone", "outcome": "undone"} for name in reached[:-1])
    assert all(ledger[name] == {"state": "pending"} for name in steps[len(reached) :])


async def test_the_failure_carries_kind_reason_facts_and_the_fate_of_every_step(making, start, world):
    world.fail_before.add("b")
    world.undo_fails.add("a")
    async with making():
        handle = await start(Plan(steps=["a", "b"]))
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    failure = caught.value.cause
    assert failure.message == "b: b cannot be made."
    assert failure.type == "conflict"
    assert failure.non_retryable
    assert failure.details[0] == {"reason": "CANNOT_BE_MADE", "domain": "", "facts": {"thing": "b", "step": "b"}}
    assert failure.details[1] == [
        {"step": "a", "state": "left_behind", "outcome": "left_behind", "where": "the thing a"},
        {"step": "b", "state": "failed", "outcome": "was_absent"},
    ]
    assert fault_of(caught.value).kind is Kind.CONFLICT


async def test_an_undo_that_fails_for_good_does_not_stop_the_next(making, start, world):
    world.fail_before.add("c")
    world.undo_fails.add("b")
    async with making():
        handle = await start(Plan(steps=["a", "b", "c"]))
        await failure_of(handle)
        ledger = by_step(await handle.query(Making.ledger))
        causes = await handle.query(Making.causes)
    assert world.things == {"b"}
    assert ledger["b"] == {"state": "left_behind", "outcome": "left_behind", "where": "the thing b"}
    assert ledger["a"] == {"state": "undone", "outcome": "undone"}
    assert causes["b"][1] == "HANDS_OFF"


async def test_an_undo_is_read_back_and_a_lie_is_found_out(making, start, world):
    world.fail_before.add("b")
    world.undo_lies.add("a")
    async with making():
        handle = await start(Plan(steps=["a", "b"], verify=True))
        await failure_of(handle)
        ledger = by_step(await handle.query(Making.ledger))
    assert ledger["a"] == {"state": "left_behind", "outcome": "left_behind", "where": "the thing a"}
    assert ledger["b"] == {"state": "failed", "outcome": "was_absent"}


async def test_a_cancel_during_a_timer_undoes_and_closes_cancelled(making, start, world):
    async with making():
        handle = await start(Plan(steps=["a", "b"], nap=3600))
        await until(lambda: "a" in world.things)
        await handle.cancel()
        assert await failure_of(handle) is None
    assert await status_of(handle) is WorkflowExecutionStatus.CANCELED
    assert world.journal == ["make a", "remove a"]


async def test_a_cancel_during_an_activity_reaches_it_before_the_undo_starts(making, start, world):
    world.hang.add("b")
    async with making():
        handle = await start(Plan(steps=["a", "b", "c"]))
        await world.reached.wait()
        await handle.cancel()
        assert await failure_of(handle) is None
        ledger = by_step(await handle.query(Making.ledger))
    assert await status_of(handle) is WorkflowExecutionStatus.CANCELED
    assert world.cancelled == {"b"}
    assert world.things == set()
    assert world.journal == ["make a", "make b", "remove b", "remove a"]
    assert ledger["b"] == {"state": "undone", "outcome": "undone"}


async def test_an_activity_that_succeeds_although_cancelled_is_undone_and_nothing_follows_it(
    making, start, world, steps
):
    world.hang.add("a")
    world.stubborn.add("a")
    async with making():
        handle = await start(Plan(steps=steps))
        await world.reached.wait()
        await handle.cancel()
        assert await failure_of(handle) is None
    assert await status_of(handle) is WorkflowExecutionStatus.CANCELED
    assert world.journal == ["make a", "a ignores the cancellation", "remove a"]


async def test_a_step_that_fails_while_it_is_cancelled_closes_cancelled(making, start, world):
    world.hang.add("a")
    world.stubborn.add("a")
    world.fail_after.add("a")
    async with making():
        handle = await start(Plan(steps=["a", "b"]))
        await world.reached.wait()
        await handle.cancel()
        assert await failure_of(handle) is None
    assert await status_of(handle) is WorkflowExecutionStatus.CANCELED
    assert world.things == set()


async def test_a_cancel_during_the_undo_changes_nothing(making, start, world):
    world.fail_before.add("b")
    world.hang.add("remove a")
    async with making():
        handle = await start(Plan(steps=["a", "b"]))
        await world.reached.wait()
        await handle.cancel()
        await until_async(lambda: cancel_arrived(handle))
        assert not await activity_cancelled(handle)
        world.release.set()
        fault = await failure_of(handle)
    assert await status_of(handle) is WorkflowExecutionStatus.FAILED
    assert fault.facts["step"] == "b"
    assert world.things == set()
    assert world.journal == ["make a", "make b", "remove b", "remove a"]


async def test_a_second_cancel_changes_nothing(making, start, world):
    world.hang |= {"remove a"}
    async with making():
        handle = await start(Plan(steps=["a"], nap=3600))
        await until(lambda: "a" in world.things)
        await handle.cancel()
        await world.reached.wait()
        await handle.cancel()
        world.release.set()
        assert await failure_of(handle) is None
    assert await status_of(handle) is WorkflowExecutionStatus.CANCELED
    assert world.things == set()


async def test_a_worker_that_dies_in_the_middle_of_the_undo_is_replaced(making, start, world):
    world.fail_before.add("c")
    world.hang.add("remove b")
    async with making():
        handle = await start(Plan(steps=["a", "b", "c"]))
        await world.reached.wait()
    world.hang.clear()
    async with making():
        fault = await failure_of(handle)
        ledger = by_step(await handle.query(Making.ledger))
    assert fault.facts["step"] == "c"
    assert world.things == set()
    assert ledger == {
        "a": {"state": "undone", "outcome": "undone"},
        "b": {"state": "undone", "outcome": "undone"},
        "c": {"state": "failed", "outcome": "was_absent"},
    }
    assert world.journal.count("remove a") == 1


async def test_a_failing_branch_stops_the_others_before_anything_is_undone(making, start, world):
    world.fail_before.add("d")
    world.hang.add("b")
    async with making():
        handle = await start(Plan(steps=["a"], parallel=[["b", "c"], ["d"]]))
        fault = await failure_of(handle)
        ledger = by_step(await handle.query(Making.ledger))
    assert fault.facts["step"] == "d"
    assert world.cancelled == {"b"}
    assert world.things == set()
    undone = [line for line in world.journal if line.startswith("remove")]
    assert undone == ["remove d", "remove b", "remove a"]
    assert "make c" not in world.journal
    assert ledger["d"] == {"state": "failed", "outcome": "was_absent"}
    assert ledger["b"] == {"state": "undone", "outcome": "undone"}
    assert ledger["c"] == {"state": "pending"}


async def test_a_cancel_stops_all_branches(making, start, world):
    world.hang |= {"b", "d"}
    async with making():
        handle = await start(Plan(steps=["a"], parallel=[["b", "c"], ["d", "e"]]))
        await until(lambda: {"b", "d"} <= world.things)
        assert await handle.query(Making.now) == ["b", "d"]
        await handle.cancel()
        assert await failure_of(handle) is None
    assert await status_of(handle) is WorkflowExecutionStatus.CANCELED
    assert await activity_cancelled(handle)
    assert world.cancelled == {"b", "d"}
    assert world.things == set()


async def test_a_stubborn_branch_ends_after_the_step_at_work(making, start, world):
    world.hang.add("b")
    world.stubborn.add("b")
    world.fail_before.add("d")
    async with making():
        handle = await start(Plan(steps=[], parallel=[["b", "c"], ["d"]]))
        await failure_of(handle)
    assert "make c" not in world.journal
    assert world.things == set()


async def test_steps_nobody_stopped_are_waited_for_before_anything_is_undone(making, start, world):
    world.hang.add("b")
    world.fail_before.add("d")
    async with making():
        handle = await start(Plan(steps=[], gather=["b", "d"]))
        await world.reached.wait()
        await until_async(lambda: causes_of(handle, "d", "CANNOT_BE_MADE"))
        assert not [line for line in world.journal if line.startswith("remove")]
        world.release.set()
        fault = await failure_of(handle)
    assert fault.facts["step"] == "d"
    assert world.things == set()


async def test_a_mistake_of_the_programmer_undoes_nothing_and_waits_to_be_mended(making, start, world):
    async with making():
        handle = await start(Plan(steps=["a", "b"], bug="b"))
        await until_async(lambda: task_failed(handle))
        assert world.things == {"a"}
        assert await status_of(handle) is WorkflowExecutionStatus.RUNNING
        await handle.terminate()


async def test_a_failure_that_is_borne_is_not_the_one_the_run_ends_with(making, start, world):
    world.fail_before |= {"a", "c"}
    async with making():
        handle = await start(Plan(steps=["a", "b", "c"], bear=["a"]))
        fault = await failure_of(handle)
        ledger = by_step(await handle.query(Making.ledger))
    assert fault.facts["step"] == "c"
    assert world.things == set()
    assert ledger == {
        "a": {"state": "undone", "outcome": "was_absent"},
        "b": {"state": "undone", "outcome": "undone"},
        "c": {"state": "failed", "outcome": "was_absent"},
    }


async def test_a_failure_the_workflow_says_in_its_own_words_keeps_its_step(making, start, world):
    world.fail_before.add("b")
    async with making():
        handle = await start(Plan(steps=["a", "b"], wrap=True))
        fault = await failure_of(handle)
    assert (fault.reason, fault.facts) == ("MY_WORDS", {"step": "b"})


async def test_a_mistake_in_an_undo_stops_there_until_it_is_mended(making, start, world):
    world.fail_before.add("c")
    async with making():
        handle = await start(Plan(steps=["a", "b", "c"], undo_bug="b"))
        await until_async(lambda: task_failed(handle))
        assert await status_of(handle) is WorkflowExecutionStatus.RUNNING
        await handle.terminate()
    assert world.things == {"a", "b"}
    assert world.journal == ["make a", "make b", "make c", "remove c"]


async def test_a_step_with_nothing_to_undo_stays_as_it_is(making, start, world):
    world.fail_before.add("c")
    async with making():
        handle = await start(Plan(steps=["a", "b", "c"], no_undo=["b"]))
        await failure_of(handle)
        ledger = by_step(await handle.query(Making.ledger))
    assert world.things == {"b"}
    assert ledger["b"] == {"state": "done"}


async def test_a_fault_raised_by_the_workflow_itself_undoes_and_keeps_its_reason(making, start, world):
    async with making():
        handle = await start(Plan(steps=["a"], fault_between=True))
        fault = await failure_of(handle)
    assert (fault.kind, fault.reason, fault.facts) == (Kind.DENIED, "NOT_HERE", {})
    assert world.things == set()


async def test_past_the_point_of_no_return_nothing_is_undone(making, start, world):
    world.fail_before.add("mail")
    async with making():
        handle = await start(Plan(steps=["a"], final="activate", after=["mail"]))
        fault = await failure_of(handle)
    assert (fault.reason, fault.facts["step"]) == ("CANNOT_BE_MADE", "mail")
    assert world.things == {"a", "activate"}


async def test_the_final_step_cannot_be_cancelled_and_those_after_it_neither(making, start, world):
    world.hang.add("activate")
    async with making():
        handle = await start(Plan(steps=["a"], final="activate", after=["mail"]))
        await world.reached.wait()
        await handle.cancel()
        await until_async(lambda: cancel_arrived(handle))
        assert not await activity_cancelled(handle)
        world.release.set()
        assert await handle.result() == ["a!", "activate!", "mail!"]
    assert world.things == {"a", "activate", "mail"}


async def test_a_final_step_that_fails_is_undone_like_any_other(making, start, world):
    world.fail_after.add("activate")
    async with making():
        handle = await start(Plan(steps=["a"], final="activate"))
        fault = await failure_of(handle)
    assert fault.facts["step"] == "activate"
    assert world.things == set()


async def test_a_skipped_step_is_settled_and_its_undo_runs(making, start, world):
    world.things.add("a")  # an earlier run made it
    world.fail_before.add("b")
    async with making():
        handle = await start(Plan(steps=["a", "b"], skip=["a"]))
        await failure_of(handle)
        changes = await handle.query(Making.changes)
        percents = await handle.query(Making.percents)
    assert changes[:2] == ["a skipped", "b running"]
    assert percents[0] == 50
    assert percents[-1] == 0
    assert world.things == set()
    assert "make a" not in world.journal


async def test_a_step_held_for_a_person_goes_on_where_it_failed(making, start, world):
    world.fail_before.add("b")
    async with making():
        handle = await start(Plan(steps=["a", "b", "c"], hold=True))
        await until_async(lambda: causes_of(handle, "b", "CANNOT_BE_MADE"))
        assert world.things == {"a"}
        world.fail_before.clear()
        await handle.signal(Making.retry)
        assert await handle.result() == ["a!", "b!", "c!"]
        assert (await handle.query(Making.causes))["b"] == ["", "", "2"]
        percents = await handle.query(Making.percents)
    assert percents == sorted(percents)


async def test_every_way_replays_without_a_cache(making, start, world, caplog):
    """Nothing is kept in memory, so each task replays the whole history, compensation included."""
    world.fail_before.add("d")
    world.hang.add("b")
    async with making(max_cached_workflows=0):
        handle = await start(Plan(steps=["a"], parallel=[["b", "c"], ["d"]], verify=True))
        fault = await failure_of(handle)
    assert fault.facts["step"] == "d"
    assert world.things == set()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_shielded_work_is_finished_before_the_cancellation_is_raised(making, client, queue, run_id, world):
    world.hang.add("slow")
    async with making():
        handle = await client.start_workflow(Shielded.run, id=run_id, task_queue=queue)
        await world.reached.wait()
        await handle.cancel()
        await until_async(lambda: cancel_arrived(handle))
        world.release.set()
        assert await failure_of(handle) is None
    assert await status_of(handle) is WorkflowExecutionStatus.CANCELED
    assert world.things == {"slow", "next"}


async def test_shielded_work_that_nobody_cancels_just_runs(making, client, queue, run_id, world):
    async with making():
        await client.execute_workflow(Shielded.run, id=run_id, task_queue=queue)
    assert world.things == {"slow", "next"}


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is watched belongs to no event
        await asyncio.sleep(0.01)


async def until_async(condition):
    while not await condition():  # noqa: ASYNC110 - the server is asked
        await asyncio.sleep(0.02)


async def events_of(handle):
    return [event async for event in handle.fetch_history_events()]


async def cancel_arrived(handle):
    """The workflow has worked on the cancellation: a task was completed after it."""
    names = [event.WhichOneof("attributes") for event in await events_of(handle)]
    wanted = "workflow_execution_cancel_requested_event_attributes"
    return wanted in names and "workflow_task_completed_event_attributes" in names[names.index(wanted) :]


async def activity_cancelled(handle):
    return any(event.HasField("activity_task_cancel_requested_event_attributes") for event in await events_of(handle))


async def task_failed(handle):
    return any(event.HasField("workflow_task_failed_event_attributes") for event in await events_of(handle))


async def causes_of(handle, step, reason):
    return (await handle.query(Making.causes))[step][0] == reason
