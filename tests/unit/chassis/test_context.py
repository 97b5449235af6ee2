import time

import pytest

from chassis.context import CallContext, current, enter, identifier, using


def test_outside_of_a_call_there_is_none():
    assert current() is None


def test_the_innermost_call_is_the_current_one():
    with using(CallContext(request_id="outer")) as outer:
        with using(CallContext(request_id="inner")):
            assert current().request_id == "inner"
        assert current() is outer
    assert current() is None


async def test_a_task_enters_for_itself_alone():
    import asyncio

    async def task():
        enter(CallContext(request_id="task"))
        return current().request_id

    assert await asyncio.create_task(task()) == "task"
    assert current() is None


def test_what_remains_until_the_deadline():
    assert CallContext().remaining() is None
    assert 9 < CallContext(deadline=time.monotonic() + 10).remaining() <= 10
    assert CallContext(deadline=time.monotonic() - 1).remaining() == 0


@pytest.mark.parametrize("value", ["a", "0199a0b0-0000-7000-8000-00000000beef", "provision-tenant-acme", "x" * 128])
def test_an_identifier_is_kept(value):
    assert identifier(value) == value


@pytest.mark.parametrize("value", ["x" * 129, "new\nline", "tab\t", "ümlaut", "nul\x00", b"bytes", None, 7, ""])
def test_what_cannot_stand_in_a_log_or_in_metadata_is_none(value):
    assert identifier(value) == ""
