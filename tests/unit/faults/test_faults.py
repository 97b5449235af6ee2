from datetime import timedelta

import pytest

import faults
from faults import Conflict, Fault, Invalid, Kind, Unavailable, Violation

SUBCLASSES = {
    name: value for name, value in vars(faults).items() if isinstance(value, type) and issubclass(value, Fault)
}


def test_every_kind_has_exactly_one_class():
    kinds = [cls.kind for cls in Fault.__subclasses__()]
    assert sorted(kinds, key=str) == sorted(Kind, key=str)
    assert {cls.__name__ for cls in Fault.__subclasses__()} | {"Fault"} == set(SUBCLASSES)


def test_the_exported_names_are_these():
    assert set(faults.__all__) == {*SUBCLASSES, "Kind", "Violation"}


def test_retrying_helps_only_where_nobody_has_to_change_the_request():
    retryable = {kind for kind in Kind if kind.retryable}
    assert retryable == {Kind.ABORTED, Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL}


def test_a_fault_carries_its_facts_as_text():
    fault = Conflict(
        "The tenant is not active.", reason="TENANT_NOT_ACTIVE", facts={"state": "SUSPENDED", "version": 7}
    )
    assert str(fault) == fault.message == "The tenant is not active."
    assert fault.facts == {"state": "SUSPENDED", "version": "7"}
    assert (fault.retry_after, fault.violations, fault.domain) == (None, (), "")
    assert repr(fault) == (
        "Conflict('The tenant is not active.', reason='TENANT_NOT_ACTIVE', "
        "facts={'state': 'SUSPENDED', 'version': '7'})"
    )


def test_what_only_some_faults_have():
    assert Unavailable("Away.", reason="AWAY", retry_after=timedelta(seconds=2)).retry_after == timedelta(seconds=2)
    violation = Violation("name", "is too long", "string.max_len")
    assert Invalid("Bad.", reason="BAD", violations=[violation]).violations == (violation,)


@pytest.mark.parametrize("reason", ["", "lower", "A", "1ST", "WITH SPACE", "ENDS_", "X" * 64])
def test_a_reason_of_another_form_is_refused(reason):
    with pytest.raises(ValueError, match="UPPER_SNAKE_CASE"):
        Invalid("Bad.", reason=reason)
