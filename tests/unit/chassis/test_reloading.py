import logging
import os

import pytest

from chassis.reloading import Reloading


class File:
    """A file with a number in it, that never has the same stamp twice."""

    def __init__(self, path):
        self.path, self.reads, self._time = path, 0, 1
        self.write("1")

    def write(self, text):
        self.path.write_text(text)
        self._time += 1
        os.utime(self.path, (self._time, self._time))

    def read(self):
        self.reads += 1
        return int(self.path.read_text())


@pytest.fixture
def file(tmp_path):
    return File(tmp_path / "file")


def test_an_unchanged_file_is_read_once(file):
    value = Reloading([file.path], file.read, pause=0)
    assert [value.value() for _ in range(5)] == [1] * 5
    assert file.reads == 1


def test_a_changed_one_is_read_again(file):
    value = Reloading([file.path], file.read, pause=0)
    file.write("2")
    assert value.value() == 2


def test_one_that_makes_no_sense_leaves_the_value_and_is_said_once(file, caplog):
    value = Reloading([file.path], file.read, pause=0)
    file.write("nonsense")
    assert [value.value() for _ in range(3)] == [1] * 3
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].files == [str(file.path)]
    file.write("3")
    assert value.value() == 3


def test_one_that_is_gone_for_a_moment_is_waited_for(file):
    value = Reloading([file.path], file.read, pause=0)
    file.path.unlink()
    assert value.value() == 1
    file.write("2")
    assert value.value() == 2


def test_one_that_changes_while_it_is_read_is_read_once_more(file):
    def read():
        number = file.read()
        if number == 2:
            file.write("3")
        return number

    value = Reloading([file.path], read, pause=0)
    file.write("2")
    assert value.value() == 1
    assert value.value() == 3


def test_news_are_told_once(file):
    value = Reloading([file.path], lambda: [file.read()], pause=0)
    assert value.news() is None
    file.write("2")
    assert value.news() == [2]
    assert value.news() is None
    file.write("nonsense")
    assert value.news() is None


def test_nobody_looks_more_often_than_asked_to(file, monkeypatch):
    value = Reloading([file.path], file.read, pause=60)
    file.write("2")
    assert value.value() == 1
    monkeypatch.setattr(value, "_looked", 0.0)
    assert value.value() == 2


def test_a_start_with_nonsense_is_refused(file):
    file.write("nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        Reloading([file.path], file.read)
