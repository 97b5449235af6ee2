import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings

import pytest

from chassis import logs
from chassis.logs import LogFormat, LogLevel, LogSettings, logging_to
from settingskit import SettingsInvalid, load

log = logging.getLogger("chassis.test")


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_settings_have_the_familiar_names():
    assert load(LogSettings, {}) == LogSettings(level=LogLevel.INFO, format=LogFormat.JSON)
    assert load(LogSettings, {"LOG_LEVEL": "debug", "LOG_FORMAT": "text"}).format is LogFormat.TEXT
    with pytest.raises(SettingsInvalid, match="LOG_LEVEL"):
        load(LogSettings, {"LOG_LEVEL": "loud"})


def test_everything_logged_is_written_when_the_block_ends():
    stream = io.StringIO()
    with logging_to(LogSettings(), service="dns", stream=stream):
        for number in range(1000):
            log.info("line", extra={"number": number})
    assert [line["number"] for line in lines(stream)] == list(range(1000))


def test_a_line_does_not_wait_for_the_end():
    stream = io.StringIO()
    with logging_to(LogSettings(), service="dns", stream=stream):
        log.info("first")
        until(stream.getvalue)
        log.info("second")
        until(lambda: len(lines(stream)) == 2)


def test_the_level_is_kept_and_libraries_are_quiet():
    stream = io.StringIO()
    with logging_to(LogSettings(level=LogLevel.DEBUG), service="dns", stream=stream):
        log.debug("mine")
        logging.getLogger("asyncio").debug("theirs")
        logging.getLogger("grpc._cython.cygrpc").info("theirs")
        logging.getLogger("grpc").warning("important")
    assert [line["message"] for line in lines(stream)] == ["mine", "important"]


def test_a_higher_level_holds_for_libraries_too():
    stream = io.StringIO()
    with logging_to(LogSettings(level=LogLevel.ERROR), service="dns", stream=stream):
        log.warning("no")
        logging.getLogger("grpc").warning("no")
        log.error("yes")
    assert [line["message"] for line in lines(stream)] == ["yes"]


def test_warnings_are_lines_too():
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logging_to(LogSettings(), service="dns", stream=stream):
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert lines(stream)[0]["logger"] == "py.warnings"


def test_everything_is_as_before_afterwards():
    root = logging.getLogger()
    before = root.handlers, root.level, logging.getLogger("grpc").level, logging._srcfile, warnings.showwarning
    with logging_to(LogSettings(level=LogLevel.ERROR), service="dns", stream=io.StringIO()):
        assert root.handlers is not before[0]
    after = root.handlers, root.level, logging.getLogger("grpc").level, logging._srcfile, warnings.showwarning
    assert after == before
    assert not [thread for thread in threading.enumerate() if thread.name == "log-writer"]


def test_text_for_a_terminal():
    stream = io.StringIO()
    stream.isatty = lambda: True
    with logging_to(LogSettings(format=LogFormat.TEXT), service="dns", stream=stream):
        log.info("hello")
    assert "\x1b[32mINFO" in stream.getvalue()


def test_standard_output_is_the_default(capsys):
    with logging_to(LogSettings(), service="dns"):
        log.info("hello")
    assert json.loads(capsys.readouterr().out)["message"] == "hello"


class Stalled(io.StringIO):
    """A reader that does not read until it is told to."""

    def __init__(self):
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()

    def write(self, text):
        self.entered.set()
        self.go.wait(10)
        return super().write(text)


def test_a_stalled_reader_stalls_nobody_and_costs_the_oldest_lines(monkeypatch):
    monkeypatch.setattr(logs, "_UNWRITTEN_LINES", 10)
    stream = Stalled()
    with logging_to(LogSettings(), service="dns", stream=stream):
        log.info("line", extra={"number": -1})
        assert stream.entered.wait(10)
        for number in range(25):
            log.info("line", extra={"number": number})
        stream.go.set()
    written = lines(stream)
    assert [line["number"] for line in written if "number" in line] == [-1, *range(15, 25)]
    assert [(line["dropped"], line["level"]) for line in written if "dropped" in line] == [(15, "WARNING")]


def test_a_reader_that_went_away_is_no_error(tmp_path):
    stream = (tmp_path / "log").open("w")
    with logging_to(LogSettings(), service="dns", stream=stream):
        stream.close()
        log.info("nobody reads this")


def test_many_threads_lose_nothing():
    stream = io.StringIO()
    with logging_to(LogSettings(), service="dns", stream=stream):
        threads = [threading.Thread(target=lambda: [log.info("x") for _ in range(500)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(lines(stream)) == 4000


def test_the_last_words_of_a_process_are_written():
    code = (
        "import logging\nfrom chassis.logs import *\n"
        "with logging_to(LogSettings(), service='dns'):\n    logging.getLogger('a').error('last words')\n"
        "    raise SystemExit(3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=os.environ, timeout=60)
    assert done.returncode == 3
    assert json.loads(done.stdout)["message"] == "last words"
