import io
import json

import pytest
from rich.console import Console
from tests.unit.meshctl.conftest import FAILED, OPERATION, operation, step

from meshctl.showing import reports


@pytest.fixture
def out():
    return io.StringIO()


def drawn(now):
    console = Console(file=io.StringIO(), width=140, force_terminal=True, color_system=None)
    console.print(reports.picture(now))
    return console.file.getvalue()


def test_a_terminal_shows_every_step_and_a_bar():
    now = operation(
        percent=40,
        details="making the schema",
        steps=[step("schema", "RUNNING", attempt=2), step("welcome", "PENDING", optional=True), step("bucket", "DONE")],
    )
    picture = drawn(now)
    assert OPERATION in picture
    assert "40 %" in picture
    assert "▶  schema" in picture
    assert "attempt 2" in picture
    assert "·  welcome (optional)" in picture
    assert "✓  bucket" in picture
    assert "making the schema" in picture


def test_markup_in_a_name_is_shown_and_not_obeyed():
    assert "[bold red]x[/]" in drawn(operation(details="[bold red]x[/]", steps=[step("a", "DONE", details="[/]")]))


def test_a_terminal_shows_what_it_waits_for():
    now = operation("WAITING", 30)
    now.wait.details = "somebody has to approve"
    assert "somebody has to approve" in drawn(now)


def test_lines_say_only_what_is_new(out):
    lines = reports.Lines(out)
    first = operation(percent=10, steps=[step("schema", "RUNNING", attempt=1), step("bucket", "PENDING")])
    lines.show(first)
    lines.show(first)
    lines.show(operation(percent=50, steps=[step("schema", "DONE", attempt=1), step("bucket", "RUNNING", attempt=1)]))
    lines.show(FAILED)
    said = out.getvalue().splitlines()
    assert said[:4] == [
        " 10 %  schema  running",
        f" 10 %  {OPERATION}  running",
        " 50 %  schema  done",
        " 50 %  bucket  running",
    ]
    assert " 60 %  dns_record  failed  attempt 3" in said[5]
    assert said[-1] == f" 60 %  {OPERATION}  failed"
    assert len(said) == 8


def test_json_is_one_object_a_line(out):
    report = reports.Json(out)
    report.show(operation(percent=10))
    report.show(FAILED)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["percent"] == 10
    assert second["rootCause"]["reason"] == "ZONE_REFUSED"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("as_json", "where", "taken"),
    [
        (True, Terminal(), reports.Json),
        (False, Terminal(), reports.OnTerminal),
        (False, io.StringIO(), reports.Lines),
    ],
)
def test_the_report_fits_where_it_is_read(as_json, where, taken):
    with reports.reporter(as_json=as_json, out=where) as report:
        report.show(FAILED)
        assert isinstance(report, taken)
    assert "dns_record" in where.getvalue()
