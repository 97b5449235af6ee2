from datetime import UTC, datetime, timedelta

from faults import Exhausted
from tenants_service.limits.model import Charge, Limit, exceeded

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def test_who_is_past_the_limit_is_told_how_long_to_wait():
    charge = Charge(Limit("keys", 6), "ada@acme.example", "email")
    fault = exceeded(charge, NOW + timedelta(minutes=55), NOW)
    assert isinstance(fault, Exhausted)
    assert (fault.reason, fault.facts) == ("RATE_LIMITED", {"limit": "email"})
    assert fault.retry_after == timedelta(minutes=5)


def test_nobody_is_told_to_come_back_at_once():
    charge = Charge(Limit("keys", 3600), "ada@acme.example", "email")
    assert exceeded(charge, NOW, NOW).retry_after == timedelta(seconds=1)
