from datetime import UTC, datetime, timedelta

import pytest

from faults import Conflict
from infrastructure_service.model import FailureReason, Kind, Owner, RunState, Spec, Tier
from infrastructure_service.providers.memory import MemoryProvider, MemorySettings

MINUTE = timedelta(minutes=1)
OWNER = Owner("0192f0c1-2b3c-7d4e-8f50-112233445566", "provision-acme", datetime(2026, 1, 1, tzinfo=UTC))
SPEC = Spec("tenant-acme", Tier.SILO, "silo")


class Clock:
    def __init__(self):
        self.now = OWNER.time

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(clock):
    settings = MemorySettings(templates=("silo", "broken"), failing=("broken",), pace=MINUTE)
    return MemoryProvider(settings, clock=clock)


def begin(provider, spec=SPEC, kind=Kind.APPLY, seen=None, *, hold=False):
    return provider.begin(kind, spec, OWNER, hold=hold, seen=seen)


async def test_a_template_is_the_tiers_unless_one_is_named(provider):
    assert await provider.template("", Tier.SILO) == "silo"
    assert await provider.template("broken", Tier.SILO) == "broken"
    for name, tier in (("unheard-of", Tier.SILO), ("", Tier.POOLED)):
        with pytest.raises(Conflict) as caught:
            await provider.template(name, tier)
        assert caught.value.reason == "TEMPLATE_UNKNOWN"


async def test_a_run_takes_its_time(provider, clock):
    run = await begin(provider)
    states = []
    for _ in range(4):
        now = await provider.run(run.run_id)
        states.append((now.state, now.start_time, now.end_time))
        clock.now += MINUTE
    began, ended = OWNER.time + MINUTE, OWNER.time + 2 * MINUTE
    assert states == [
        (RunState.PLANNING, None, None),
        (RunState.APPLYING, began, None),
        (RunState.APPLIED, began, ended),
        (RunState.APPLIED, began, ended),
    ]


async def test_a_template_that_fails_fails_its_run_and_can_be_destroyed(provider, clock):
    run = await begin(provider, Spec("tenant-acme", Tier.SILO, "broken"))
    clock.now += 2 * MINUTE
    failed = await provider.run(run.run_id)
    assert (failed.state, failed.failure.reason, failed.failure.retryable) == (
        RunState.ERRORED, FailureReason.PROVIDER_FAILED, True,
    )  # fmt: skip
    stack = await provider.stack("tenant-acme")
    gone = await begin(provider, stack.spec, Kind.DESTROY, stack)
    assert gone.plan.destroyed == ("tenant-acme",)
    clock.now += 2 * MINUTE
    assert await provider.stack("tenant-acme") is None


async def test_decisions_come_at_their_time(provider, clock):
    run = await begin(provider, hold=True)
    with pytest.raises(Conflict) as early:
        await provider.approve(run, "too early")
    assert early.value.reason == "RUN_NOT_AWAITING_APPROVAL"
    clock.now += 9 * MINUTE
    approved = await provider.approve(run, "agreed")
    assert (approved.state, approved.approved, approved.start_time) == (RunState.APPLYING, True, clock.now)
    clock.now += MINUTE
    for late in (provider.approve, provider.cancel):
        with pytest.raises(Conflict) as closed:
            await late(run, "too late")
        assert (closed.value.reason, closed.value.facts["state"]) == ("RUN_CLOSED", "APPLIED")


async def test_a_run_cancelled_while_it_waits_has_changed_nothing(provider, clock):
    run = await begin(provider, hold=True)
    clock.now += MINUTE
    cancelled = await provider.cancel(run, "too dear")
    assert (cancelled.state, cancelled.start_time, cancelled.end_time) == (RunState.CANCELLED, None, clock.now)


async def test_what_it_held_ends_with_it(provider):
    async with provider:
        await provider.check()
        await begin(provider)
    assert await provider.stack("tenant-acme") is None
    assert [stack async for stack in provider.stacks()] == []
