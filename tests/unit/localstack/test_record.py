import os
import subprocess
import sys
import time

import pytest

from localstack import record as records
from localstack.record import Entry, Identity, Record
from localstack.stack import State


@pytest.fixture
def process():
    one = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield one
    one.kill()
    one.wait()


def test_a_record_is_read_as_it_was_written(tmp_path):
    written = Record(Identity(1, 2.5), {"a": Entry({"http": 1}, State.READY, "note", process=Identity(3, 4.0))})
    written.write(tmp_path)
    assert records.read(tmp_path) == written
    assert records.read(tmp_path / "elsewhere") is None
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["stack.json"]


def test_a_process_is_known_by_its_number_and_its_start(process):
    known = Identity.of(process.pid)
    assert known.process().pid == process.pid
    assert Identity(process.pid, known.started - 100).process() is None, "another process had that number"
    process.kill()
    assert wait_for(lambda: known.process() is None), "one that has ended does not count, collected or not"
    process.wait()
    assert known.process() is None


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_record_lives_as_long_as_its_supervisor(process):
    assert Record(Identity.of(os.getpid()), {}).alive()
    record = Record(Identity.of(process.pid), {})
    process.kill()
    process.wait()
    assert not record.alive()


def test_an_entry_measures_its_start():
    entry = Entry({})
    entry.moved(State.STARTING, "")
    entry.began -= 3
    entry.moved(State.READY, "by other means")
    assert 3 <= entry.seconds < 4
    assert (entry.state, entry.note) == (State.READY, "by other means")


@pytest.mark.parametrize("wrong", [State.FAILED, State.DIED])
def test_what_went_wrong_is_still_seen_after_the_end(wrong):
    entry = Entry({})
    entry.moved(wrong, "ended with 1")
    entry.moved(State.STOPPED, "")
    assert (entry.state, entry.note) == (wrong, "ended with 1")
