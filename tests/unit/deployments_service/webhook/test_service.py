"""The courier over a ledger and a pipeline that do what the test says. Both are real in tests/integration."""

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.fixtures.pipelines import eventually
from tests.unit.deployments_service.webhook.test_model import DEPLOYMENT, READY

from deployments_service.model import FailureReason, State
from deployments_service.translate import report_from
from deployments_service.webhook import service
from deployments_service.webhook.model import AddressRefused, Answer, Job
from deployments_service.webhook.service import Courier, Pace
from faults import Internal, Unavailable

SECOND = timedelta(seconds=1)
JOB = Job(uuid4(), DEPLOYMENT, called=False, status_url="", attempts=0, overdue=False)
STATUS_URL = b'{"state": 2, "percent": 5, "statusUrl": "https://ci.example/runs/1"}'


class Ledger:
    def __init__(self, *jobs):
        self.due = deque(jobs)
        self.settled = asyncio.Queue()
        self.faults = deque()

    async def claim(self, limit, *, lease):
        if self.faults:
            raise self.faults.popleft()
        assert lease == 9 * SECOND
        return [self.due.popleft() for _ in range(min(limit, len(self.due)))]

    async def settle(self, job, settled):
        self.settled.put_nowait((job, settled))


class Pipeline:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def call(self, deployment):
        return await self._answered(deployment.rollout.rollout_id)

    async def ask(self, status_url):
        return await self._answered(status_url)

    async def _answered(self, what):
        self.asked.append(what)
        if isinstance(self.answer, Exception):
            raise self.answer
        return await self.answer() if callable(self.answer) else self.answer


@asynccontextmanager
async def courier(ledger, pipeline, *, at_once=4):
    pace = Pace(SECOND, 30 * SECOND, 9 * SECOND, at_once)
    async with Courier(ledger, pipeline, pace, reading=report_from) as one:
        yield one


async def settled(job, answer):
    """What becomes of one job, and what the pipeline was asked."""
    ledger, pipeline = Ledger(job), Pipeline(answer)
    async with courier(ledger, pipeline):
        _, became = await asyncio.wait_for(ledger.settled.get(), 30)
    return became, pipeline.asked


async def test_a_rollout_that_nobody_has_called_for_is_called_for():
    became, asked = await settled(JOB, Answer(200, READY))
    assert (became.report.state, became.called, became.again_in, asked) == (State.READY, True, None, ["r-1"])


async def test_who_says_where_is_asked_there():
    became, _ = await settled(JOB, Answer(202, STATUS_URL))
    assert (became.report.percent, became.called, became.again_in) == (5, True, SECOND)
    asking = replace(JOB, called=True, status_url="https://ci.example/runs/1", attempts=2)
    became, asked = await settled(asking, Answer(200, STATUS_URL, timedelta(seconds=90)))
    assert (became.again_in, asked) == (timedelta(seconds=90), ["https://ci.example/runs/1"])


async def test_who_says_nothing_is_left_to_report():
    became, _ = await settled(JOB, Answer(202))
    assert (became.report, became.called, became.again_in) == (None, True, None)


@pytest.mark.parametrize("answer", [Answer(503), Unavailable("Away.", reason="PROVIDER_UNAVAILABLE")])
async def test_who_is_away_is_called_again_after_a_pause_that_grows(answer):
    for attempts, seconds in ((0, 1), (3, 8), (30, 30)):
        became, _ = await settled(replace(JOB, attempts=attempts), answer)
        assert (became.report, became.called, became.again_in) == (None, False, seconds * SECOND)


async def test_an_address_that_is_refused_fails_the_rollout():
    became, _ = await settled(JOB, AddressRefused("Not there."))
    assert (became.report.failure.reason, became.report.failure.message) == (
        FailureReason.PIPELINE_FAILED,
        "Not there.",
    )


async def test_when_time_is_up_nobody_is_asked_any_more():
    became, asked = await settled(replace(JOB, called=True, overdue=True), Answer(200, READY))
    assert (became.report.failure.reason, asked) == (FailureReason.NOT_READY_IN_TIME, [])


async def test_no_more_is_taken_on_than_there_is_room_for():
    free = asyncio.Event()

    async def answer():
        begun.append(1)
        await free.wait()
        return Answer(200, READY)

    begun = []
    ledger = Ledger(*[JOB] * 5)
    async with courier(ledger, Pipeline(answer), at_once=2) as one:
        await eventually(lambda: len(begun) == 2)
        one.wake()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(begun) == 2
        free.set()
        for _ in range(5):
            await asyncio.wait_for(ledger.settled.get(), 30)
    assert len(begun) == 5


async def test_a_ledger_that_is_away_is_asked_again(monkeypatch):
    monkeypatch.setattr(service, "_LOOK_AGAIN", 0.01)
    ledger = Ledger(JOB)
    ledger.faults.append(Unavailable("Away.", reason="DEPENDENCY_UNAVAILABLE"))
    async with courier(ledger, Pipeline(Answer(200, READY))):
        assert await asyncio.wait_for(ledger.settled.get(), 30)


async def test_what_cannot_be_put_on_record_is_left_to_its_lease(caplog):
    failed = asyncio.Event()

    async def settle(*_):
        failed.set()
        raise Unavailable("Away.", reason="DEPENDENCY_UNAVAILABLE")

    ledger = Ledger(JOB)
    ledger.settle = settle
    async with courier(ledger, Pipeline(Answer(200, READY))):
        await asyncio.wait_for(failed.wait(), 30)
        await eventually(lambda: caplog.records)
    assert "could not be looked after" in caplog.text


async def test_one_that_has_ended_is_not_well():
    async with courier(Ledger(), Pipeline(Answer(200))) as one:
        await one.check()
    with pytest.raises(Internal):
        await one.check()


async def test_whoever_ends_lets_go_at_once():
    async def never():
        begun.set()
        await asyncio.Event().wait()

    begun = asyncio.Event()
    ledger = Ledger(JOB)
    async with courier(ledger, Pipeline(never)):
        await asyncio.wait_for(begun.wait(), 30)
    assert ledger.settled.empty()
