import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.infrastructure_service.conftest import ACME, GLOBEX, MINUTE, NOW, WISH, World

from faults import Aborted, AlreadyExists, Conflict, NotFound
from infrastructure_service import service
from infrastructure_service.model import Kind, Owner, RunState, Spec, Stack, StackState, Tier
from infrastructure_service.providers.memory import MemoryProvider, MemorySettings
from infrastructure_service.providers.none import NoProvider, NoSettings
from infrastructure_service.service import Stacks


async def test_a_stack_is_made_by_a_run_and_stamped(world):
    made = await world.ensure()
    assert made.created
    assert (made.run.kind, made.run.state, made.run.owner.operation_id) == (
        Kind.APPLY,
        RunState.PLANNING,
        WISH.operation_id,
    )
    assert (made.stack.state, made.stack.owner) == (StackState.UPDATING, Owner(ACME, WISH.operation_id, NOW))
    assert made.stack.spec == Spec("tenant-acme", Tier.SILO, "silo", {"size": "small"})
    world.pass_time(2 * MINUTE)
    assert (await world.stacks.get("tenant-acme", tenant_id=ACME)).state is StackState.READY


async def test_a_repeated_call_finds_the_run_that_the_first_one_began(world):
    first = await world.ensure()
    for _ in range(2):
        again = await world.ensure()
        assert (again.created, again.run.run_id) == (False, first.run.run_id)
        world.pass_time()
    assert (await world.ensure()).run is None


async def test_many_at_once_begin_one_run(world):
    answers = await asyncio.gather(*(world.ensure() for _ in range(20)))
    assert len({answer.run.run_id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1


async def test_where_nothing_must_change_there_is_no_run(quick):
    await quick.ensure()
    again = await quick.ensure(operation_id="provision-again")
    assert (again.created, again.run, again.stack.state) == (False, None, StackState.READY)


async def test_other_variables_change_the_stack_and_keep_the_makers_stamp(quick):
    first = await quick.ensure()
    changed = await quick.ensure(variables={"size": "large"}, operation_id="grow-acme")
    assert not changed.created
    assert (changed.run.plan.change, changed.run.owner.operation_id) == (1, "grow-acme")
    assert (changed.stack.spec.variables, changed.stack.owner) == ({"size": "large"}, first.stack.owner)


@pytest.mark.parametrize("other", [{"operation_id": "provision-again"}, {"variables": {}}])
async def test_while_a_run_is_at_work_another_is_refused(world, other):
    run = (await world.ensure()).run
    with pytest.raises(Conflict) as caught:
        await world.ensure(**other)
    assert (caught.value.reason, caught.value.facts) == (
        "STACK_BUSY", {"name": "tenant-acme", "run_id": run.run_id, "state": "PLANNING"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "said"), [(None, "unknown"), (Owner(GLOBEX, "provision-globex", NOW), "another_tenant")]
)
async def test_what_is_not_the_tenants_is_never_touched(owner, said):
    foreign = Stack(Spec("tenant-acme", Tier.SILO, "silo"), owner, StackState.READY, "memory")
    stacks = Stacks(MemoryProvider(MemorySettings(), [foreign]))
    for call in (
        lambda: stacks.ensure(WISH),
        lambda: stacks.get("tenant-acme", tenant_id=ACME),
        lambda: stacks.delete("tenant-acme", tenant_id=ACME),
    ):
        with pytest.raises(AlreadyExists) as caught:
            await call()
        assert caught.value.reason == "STACK_NOT_OWNED"
        assert caught.value.facts == {"name": "tenant-acme", "provider": "memory", "owner": said}


@pytest.mark.parametrize("tier", [Tier.BRIDGE, Tier.POOLED])
async def test_tenants_who_share_are_given_the_shared_stack_as_it_is(quick, tier):
    given = await quick.ensure(tier=tier)
    assert (given.created, given.run, given.stack.shared, given.stack.owner) == (False, None, True, None)
    assert (await quick.stacks.list(tenant_id="", operation_id="", after="", size=9)).stacks == ()
    assert await quick.stacks.delete(given.stack.spec.name, tenant_id=ACME) is None


async def test_a_shared_stack_that_does_not_stand_is_told():
    world = World(shared=("bridge",))
    with pytest.raises(NotFound) as caught:
        await world.ensure(tier=Tier.POOLED)
    assert caught.value.reason == "STACK_NOT_FOUND"


async def test_what_would_be_is_told_and_nothing_is_made(quick):
    would = await quick.ensure(validate_only=True)
    assert (would.created, would.run, would.stack.spec.template) == (True, None, "silo")
    with pytest.raises(NotFound):
        await quick.stacks.get("tenant-acme", tenant_id=ACME)
    made = await quick.ensure()
    would = await quick.ensure(validate_only=True, variables={})
    assert (would.created, would.stack.owner, would.stack.state) == (False, made.stack.owner, StackState.UPDATING)
    assert (await quick.ensure(validate_only=True)).stack.state is StackState.READY


async def test_without_a_provider_every_wish_is_skipped_and_nothing_is_there():
    stacks = Stacks(NoProvider(NoSettings()))
    for tier in Tier:
        skipped = await stacks.ensure(replace(WISH, tier=tier, hold=True))
        assert (skipped.stack.state, skipped.stack.provider) == (StackState.SKIPPED, "none")
        assert (skipped.created, skipped.run, skipped.stack.owner) == (False, None, None)
    with pytest.raises(NotFound):
        await stacks.get("tenant-acme", tenant_id=ACME)
    with pytest.raises(NotFound):
        await stacks.run("run-1", tenant_id=ACME)
    assert await stacks.delete("tenant-acme", tenant_id=ACME) is None
    assert (await stacks.list(tenant_id="", operation_id="", after="", size=9)).stacks == ()


async def test_who_cannot_hold_a_run_says_so(quick):
    quick.provider.capabilities = frozenset()
    with pytest.raises(Conflict) as caught:
        await quick.ensure(hold=True)
    assert caught.value.facts == {"provider": "memory", "capability": "hold_for_approval"}


async def test_a_stack_is_destroyed_by_a_run_and_then_gone(world):
    await world.ensure()
    world.pass_time(2 * MINUTE)
    run = await world.stacks.delete("tenant-acme", tenant_id=ACME)
    assert (run.kind, run.state, run.owner.operation_id) == (Kind.DESTROY, RunState.PLANNING, "provision-acme")
    assert await world.stacks.delete("tenant-acme", tenant_id=ACME) == run
    assert (await world.stacks.get("tenant-acme", tenant_id=ACME)).state is StackState.DELETING
    world.pass_time(2 * MINUTE)
    assert (await world.stacks.run(run.run_id, tenant_id=ACME)).state is RunState.APPLIED
    assert await world.stacks.delete("tenant-acme", tenant_id=ACME) is None
    assert (await world.ensure()).created


async def test_an_undo_stops_the_run_that_still_makes_the_stack(world):
    making = (await world.ensure()).run
    world.pass_time()
    run = await world.stacks.delete("tenant-acme", tenant_id=ACME, operation_id="provision-acme")
    assert run.kind is Kind.DESTROY
    assert (await world.stacks.run(making.run_id, tenant_id=ACME)).state is RunState.CANCELLED


async def test_an_undo_whose_cancellation_takes_time_is_told_when_to_come_back(world):
    making = (await world.ensure()).run

    async def slowly(run, reason):
        asked.append(reason)
        return run

    asked = []
    world.provider.cancel = slowly
    with pytest.raises(Aborted) as caught:
        await world.stacks.delete("tenant-acme", tenant_id=ACME)
    assert (caught.value.reason, caught.value.retry_after) == ("STACK_CHANGED", timedelta(seconds=5))
    assert len(asked) == 1
    assert not (await world.stacks.run(making.run_id, tenant_id=ACME)).state.final


async def test_an_undo_leaves_what_another_operation_made(quick):
    await quick.ensure()
    with pytest.raises(Conflict) as caught:
        await quick.stacks.delete("tenant-acme", tenant_id=ACME, operation_id="provision-again")
    assert caught.value.facts == {"name": "tenant-acme", "operation_id": "provision-acme"}
    assert await quick.stacks.delete("tenant-acme", tenant_id=ACME, operation_id="provision-acme")


async def test_a_failed_stack_is_made_by_asking_again():
    world = World(failing=("broken",), templates=("broken", "silo"))
    failed = await world.ensure(template="broken")
    assert (failed.run.state, failed.stack.state) == (RunState.ERRORED, StackState.INCOMPLETE)
    again = await world.ensure(template="broken")
    assert again.run.run_id != failed.run.run_id
    assert (await world.ensure()).stack.state is StackState.READY


async def test_a_run_is_its_tenants_alone(quick):
    run = (await quick.ensure()).run
    with pytest.raises(NotFound) as caught:
        await quick.stacks.run(run.run_id, tenant_id=GLOBEX)
    assert caught.value.reason == "RUN_NOT_FOUND"


async def test_a_watched_run_is_told_at_every_change_until_it_ends(world):
    run = (await world.ensure()).run
    told = []
    async for one in world.stacks.watch(run.run_id, tenant_id=ACME):
        told.append(one.state)
        world.pass_time()
    assert told == [RunState.PLANNING, RunState.APPLYING, RunState.APPLIED]


async def test_a_watched_run_ends_where_somebody_must_decide(world):
    run = (await world.ensure(hold=True)).run
    world.pass_time(9 * MINUTE)
    assert [one.state async for one in world.stacks.watch(run.run_id, tenant_id=ACME)] == [RunState.PLANNED]


async def test_a_silent_run_is_told_again_as_a_sign_of_life(world, monkeypatch):
    monkeypatch.setattr(service, "_SIGN_OF_LIFE", timedelta())
    run = (await world.ensure()).run
    watching: AsyncIterator = world.stacks.watch(run.run_id, tenant_id=ACME)
    assert await anext(watching) == await anext(watching)
    await watching.aclose()


async def test_an_approved_run_goes_on_and_is_approved_once(world):
    run = (await world.ensure(hold=True)).run
    world.pass_time()
    approved = await world.stacks.approve(run.run_id, "budget agreed", tenant_id=ACME)
    assert (approved.state, approved.decision_reason) == (RunState.APPLYING, "budget agreed")
    world.pass_time()
    again = await world.stacks.approve(run.run_id, "once more", tenant_id=ACME)
    assert (again.state, again.decision_reason) == (RunState.APPLIED, "budget agreed")


async def test_cancelling_twice_changes_nothing_more(world):
    run = (await world.ensure()).run
    first = await world.stacks.cancel(run.run_id, "not wanted", tenant_id=ACME)
    assert first.state is RunState.CANCELLED
    assert await world.stacks.cancel(run.run_id, "still not", tenant_id=ACME) == first
    assert (await world.stacks.get("tenant-acme", tenant_id=ACME)).state is StackState.INCOMPLETE


async def test_pages_are_by_name_and_narrow_by_tenant_and_operation(quick):
    for index, tenant in enumerate([ACME, GLOBEX, ACME, ACME]):
        await quick.ensure(name=f"stack-{index}", tenant_id=tenant, operation_id=f"provision-{index}")
    first = await quick.stacks.list(tenant_id=ACME, operation_id="", after="", size=2)
    assert ([stack.spec.name for stack in first.stacks], first.last) == (["stack-0", "stack-2"], "stack-2")
    second = await quick.stacks.list(tenant_id=ACME, operation_id="", after=first.last, size=2)
    assert ([stack.spec.name for stack in second.stacks], second.last) == (["stack-3"], None)
    only = await quick.stacks.list(tenant_id="", operation_id="provision-1", after="", size=9)
    assert [stack.spec.name for stack in only.stacks] == ["stack-1"]


async def test_who_loses_every_race_is_told(quick):
    async def begin(*_, **__):
        tries.append(1)
        raise Aborted("Lost.", reason="STACK_CHANGED")

    tries = []
    quick.provider.begin = begin
    with pytest.raises(Aborted):
        await quick.ensure()
    assert len(tries) == 5


async def test_a_stack_that_vanishes_as_it_is_made_is_made_again(quick):
    begin = quick.provider.begin

    async def begin_and_lose(*arguments, **more):
        run = await begin(*arguments, **more)
        if not lost:
            lost.append(quick.provider._stacks.pop("tenant-acme"))
        return run

    lost = []
    quick.provider.begin = begin_and_lose
    made = await quick.ensure()
    assert (len(lost), made.created, made.stack.state) == (1, True, StackState.READY)
