from datetime import timedelta

import pytest
from tests.unit.meshctl.conftest import CAUSE, operation, step

from faults import Exhausted, Violation
from meshctl.showing import words
from tenantmesh.provisioning.v1 import root_cause_pb2


@pytest.mark.parametrize("text", ["\x1b[2J", "\r", "\n", "\x07", "\u202e", "\u200b", "\u2028", "\x9b31m"])
def test_nothing_a_terminal_would_obey_is_shown(text):
    assert text not in words.safe(f"Acme{text}AG")
    assert words.safe(f"Acme{text}AG").startswith("Acme·")


@pytest.mark.parametrize("text", ["Bücher AG", "株式会社", "O'Neil & <Sons>", "[bold]no markup[/]"])
def test_names_stay_as_they_are(text):
    assert words.safe(text) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (0.44, "0.4 s"), (59.9, "59.9 s"), (60, "1 min 0 s"), (192.7, "3 min 12 s")]
)
def test_durations(seconds, text):
    assert words.duration(timedelta(seconds=seconds)) == text


def test_a_step_says_how_long_it_took_once_it_settled():
    one = step("schema", "DONE")
    assert words.taken_by(one) == ""
    one.start_time.FromMilliseconds(1_000)
    assert words.taken_by(one) == ""
    one.end_time.FromMilliseconds(2_500)
    assert words.taken_by(one) == "1.5 s"


def test_a_cause_names_reason_domain_and_facts():
    assert words.cause(CAUSE) == "the zone refuses changes (ZONE_REFUSED of dns.tenantmesh; zone=example)"
    assert words.cause(root_cause_pb2.RootCause()) == ""


def test_a_remark_says_all_there_is_to_say_of_a_step():
    assert words.remark(step("a", "DONE", attempt=1)) == ""
    told = words.remark(step("a", "FAILED", attempt=3, cause=CAUSE, location="bucket x", details="asked twice"))
    assert told == f"attempt 3 · {words.cause(CAUSE)} · left behind: bucket x · asked twice"


def test_states_are_told_as_a_person_writes_them():
    assert words.state_of(operation("UNDOING")) == "undoing"
    assert words.kind_of(operation()) == "provision_tenant"
    assert words.state_of_step(step("a", "LEFT_BEHIND")) == "left_behind"


def test_a_refusal_says_what_to_do():
    fault = Exhausted(
        "too many starts",
        reason="RATE_LIMITED",
        facts={"limit": 5},
        retry_after=timedelta(seconds=3),
        violations=[Violation("tags[0]", "is no tag")],
    )
    assert words.refusal(fault) == [
        "too many starts (RATE_LIMITED)",
        "  limit: 5",
        "  tags[0]: is no tag",
        "  try again in 3.0 s",
    ]


def test_columns_stand_below_each_other_and_nothing_is_cut():
    rows = [("KEY", "NAME"), ("a" * 40, "株式会社"), ("b", "x")]
    assert list(words.columns(rows)) == [f"KEY{' ' * 39}NAME", f"{'a' * 40}  株式会社", f"b{' ' * 41}x"]
