import asyncio
import time
from datetime import timedelta

import pytest
from tests.unit.localstack.conftest import SERVE, component

from localstack.component import Absent, Stop, Unprepared
from localstack.process import members
from localstack.stack import ComponentFailed, Stack, State, plan, running


class Heard(list):
    """Every report, in order."""

    def __call__(self, name, state, note):
        self.append((name, state, note))

    def order(self, state):
        return [name for name, at, _ in self if at is state]


async def test_needs_are_ready_before_and_stopped_after(settings):
    heard = Heard()
    chain = [component("c", needs=("b",)), component("b", needs=("a",)), component("a")]
    async with running(plan(chain, settings), heard) as stack:
        assert set(stack.children) == {"a", "b", "c"}
    assert heard.order(State.READY) == ["a", "b", "c"]
    assert heard.order(State.STOPPED) == ["c", "b", "a"]
    assert heard.index(("a", State.READY, "")) < heard.index(("b", State.STARTING, ""))


async def test_what_does_not_need_each_other_starts_side_by_side(settings):
    starting = asyncio.Barrier(3)

    async def together(_):
        async with asyncio.timeout(10):
            await starting.wait()

    async with running(plan([component(name, prepare=together) for name in "abc"], settings)):
        pass


async def test_settings_flow_along_needs_and_no_further(settings):
    def gives(site):
        return {f"{site.name.upper()}_ADDRESS": site.address("main")}

    code = "import os, pathlib; pathlib.Path('env').write_text(repr(dict(os.environ))); " + SERVE
    parts = [
        component("a", ports={"main": 5432}, gives=gives),
        component("b", ports={"main": 0}, gives=gives),
        component("c", code, needs=("a",), environment=lambda _: {"OWN": "1"}),
    ]
    layout = plan(parts, settings)
    async with running(layout):
        seen = (layout.sites["c"].folder / "env").read_text()
    assert f"'A_ADDRESS': '127.0.0.1:{layout.sites['a'].ports['main']}'" in seen
    assert "'OWN': '1'" in seen
    assert "B_ADDRESS" not in seen
    assert set(layout.settings()) == {"A_ADDRESS", "B_ADDRESS"}


async def test_one_that_ends_at_once_fails_the_start_with_its_last_words(settings):
    heard = Heard()
    parts = [component("fine"), component("bad", "print('the disk is on fire'); raise SystemExit(3)")]
    with pytest.raises(ComponentFailed, match="bad ended with 3") as failure:
        async with running(plan(parts, settings), heard):
            pytest.fail("it did not start")
    assert failure.value.last_lines == ["the disk is on fire"]
    assert ("bad", State.FAILED, "ended with 3") in heard
    assert members(settings.state.resolve()) == []


async def test_one_that_never_serves_fails_when_patience_ends(settings):
    parts = [component("slow", "import time; time.sleep(600)", patience=timedelta(milliseconds=300))]
    with pytest.raises(ComponentFailed, match="slow was not ready after 0 s"):
        await Stack(plan(parts, settings)).start()


async def test_one_that_cannot_be_prepared_fails_the_start(settings):
    async def prepare(_):
        msg = "no space left"
        raise Unprepared(msg)

    with pytest.raises(ComponentFailed, match="bad could not be prepared: no space left"):
        await Stack(plan([component("bad", prepare=prepare)], settings)).start()


async def test_one_is_ready_for_others_when_it_is_arranged(settings):
    order = []

    async def arrange(site):
        order.append(f"{site.name} serves: {(site.folder / 'up').exists()}")

    async def prepare(site):
        order.append(f"{site.name} is prepared")

    parts = [component("a", arrange=arrange), component("b", needs=("a",), prepare=prepare)]
    async with running(plan(parts, settings)):
        assert order == ["a serves: True", "b is prepared"]


async def test_one_that_cannot_be_arranged_fails_the_start(settings):
    async def arrange(_):
        msg = "nobody knows the password"
        raise Unprepared(msg)

    with pytest.raises(ComponentFailed, match="bad could not be arranged: nobody knows the password"):
        async with running(plan([component("bad", arrange=arrange)], settings)):
            pytest.fail("it did not start")
    assert members(settings.state.resolve()) == []


async def absent(_):
    msg = "is not for this machine"
    raise Absent(msg)


async def test_one_that_cannot_run_here_is_left_out_and_gives_nothing(settings):
    heard = Heard()
    parts = [component("a", prepare=absent, gives=lambda _: {"A": "1"}), component("b", needs=("a",))]
    layout = plan(parts, settings)
    async with running(layout, heard) as stack:
        assert set(stack.children) == {"b"}
        assert stack.absent == {"a"}
        assert layout.settings(stack.absent) == {}
        assert "A" not in layout.environment(parts[1], stack.absent)
    assert ("a", State.ABSENT, "is not for this machine") in heard


async def test_one_that_was_asked_for_by_name_must_run(settings):
    with pytest.raises(ComponentFailed, match="a is not for this machine"):
        await Stack(plan([component("a", prepare=absent)], settings, required=["a"])).start()


async def test_a_mistake_of_ours_is_not_taken_for_a_failed_component(settings):
    def command(_):
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        await Stack(plan([component("a", command=command)], settings)).start()


async def test_the_note_of_a_preparation_is_reported(settings):
    async def prepare(_):
        return "by other means"

    heard = Heard()
    async with running(plan([component("a", prepare=prepare)], settings), heard):
        pass
    assert ("a", State.READY, "by other means") in heard


async def test_who_dies_later_is_reported_once_and_stays_dead(settings):
    heard = Heard()
    async with running(plan([component("a"), component("b")], settings), heard) as stack:
        watching = asyncio.create_task(stack.watch())
        stack.children["a"].process.kill()
        for _ in range(1000):
            if heard.order(State.DIED):
                break
            await asyncio.sleep(0.01)
        watching.cancel()
        assert heard.order(State.DIED) == ["a"]
        assert heard[-1][2].startswith("ended with -9 after")
        assert stack.children["b"].running


async def test_cancelling_a_start_leaves_nothing(settings):
    parts = [component("a"), component("b", "import time; time.sleep(600)")]
    layout = plan(parts, settings)

    async def start():
        async with running(layout):
            pytest.fail("it did not start")

    task = asyncio.create_task(start())
    for _ in range(1000):
        if (layout.sites["a"].folder / "up").exists():
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert members(settings.state.resolve()) == []


async def test_one_component_is_stopped_and_started_alone(settings):
    (one,) = parts = [component("a")]
    async with running(plan(parts, settings)) as stack:
        first = stack.children["a"].process.pid
        await stack.stop_one(one)
        assert stack.children == {}
        await stack.stop_one(one)
        await stack.start_one(one)
        assert stack.children["a"].process.pid != first


async def test_stopping_tidies_what_it_left_elsewhere(settings):
    tidied = []
    async with running(plan([component("a", tidy=lambda site: tidied.append(site.name))], settings)):
        assert tidied == []
    assert tidied == ["a"]


async def test_an_unwilling_process_is_killed_after_its_grace(settings):
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE
    one = component("a", stubborn, stop=Stop(grace=timedelta(milliseconds=100)))
    async with running(plan([one], settings)) as stack:
        child = stack.children["a"]
        began = time.monotonic()
    assert child.process.returncode == -9
    assert time.monotonic() - began < 5
