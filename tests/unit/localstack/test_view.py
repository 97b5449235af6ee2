import io
import re

import pytest

from localstack import view
from localstack.record import Entry, Identity, Record
from localstack.stack import State
from localstack.status import Line


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(**states):
    entries = {name: Entry({}, state, began=10.0, seconds=1.5) for name, state in states.items()}
    return Record(Identity(1, 1.0), entries)


def line(name="a", **changes):
    facts = {
        "name": name, "summary": "", "state": "ready", "addresses": {"http": "127.0.0.1:8080"}, "moved": {},
        "seconds": 1.25, "memory": 5 * 2**20, "pid": 1, "note": "", "last_lines": [],
    }  # fmt: skip
    return Line(**{**facts, **changes})


def test_each_component_is_printed_once_when_it_is_settled():
    output = io.StringIO()
    progress = view.Progress(output)
    progress.show(record(a=State.STARTING, b=State.WAITING))
    progress.show(record(a=State.READY, b=State.STARTING))
    progress.show(record(a=State.READY, b=State.FAILED))
    lines = output.getvalue().splitlines()
    assert [text[:16].split() for text in lines] == [["✓", "a"], ["✗", "b"]]
    assert "1.5 s" in lines[0]


def test_a_terminal_is_redrawn_in_place():
    output = Terminal()
    progress = view.Progress(output)
    progress.show(record(a=State.STARTING, b=State.WAITING))
    progress.show(record(a=State.READY, b=State.WAITING))
    assert output.getvalue().count(view.UP_ONE) == 2
    first, second = output.getvalue().split(view.UP_ONE * 2)
    assert "starting" in first
    assert "ready" in second


@pytest.mark.parametrize(("state", "shown"), [(State.WAITING, ""), (State.ABSENT, ""), (State.READY, "1.5 s")])
def test_a_time_is_shown_where_there_is_one(state, shown):
    text = view.progress_line("a", Entry({}, state, seconds=1.5))
    assert re.search(r"\d\.\d s", text) is not None if shown else re.search(r"\d", text) is None


def test_the_table_is_aligned_and_complete():
    text = view.table([line("short"), line("much-longer", state="absent", seconds=0.0, memory=0, addresses={})])
    head, first, second = text.splitlines()
    assert head.split() == ["NAME", "STATE", "START", "MEMORY", "ADDRESSES"]
    assert first.split() == ["short", "ready", "1.2", "s", "5", "MB", "http", "127.0.0.1:8080"]
    assert second.split() == ["much-longer", "absent"]
    assert first.index("ready") == second.index("absent") == head.index("STATE")


def test_below_the_table_stands_what_is_not_as_it_should_be():
    died = line("b", state="died", note="ended with -9", last_lines=["last words"])
    text = view.table([line(moved={"http": 80}), died])
    assert "http 127.0.0.1:8080*" in text
    assert text.splitlines()[-3:] == ["* a: http is not on its usual port 80", "b: ended with -9", "    last words"]


def test_a_failed_start_is_explained_with_the_last_words_of_what_failed():
    failed = record(a=State.STOPPED, b=State.FAILED)
    failed.problem = "b ended with 1"
    failed.entries["b"].last_lines = ["out of memory"]
    assert view.failure(failed) == "not started: b ended with 1\n    out of memory"
