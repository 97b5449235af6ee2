from datetime import UTC, datetime

import pytest

from tenantmesh.tenants.v1 import quota_pb2
from tenants_service.quotas.model import MOST, Quota, ResetPeriod, Usage, Verdict
from tenants_service.quotas.translate import quota_from, quota_to, usage_to

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("period", ResetPeriod)
def test_a_quota_stays_what_it_is(period):
    quota = Quota("users", 8, 10, period)
    assert quota_from(quota_to(quota)) == quota
    assert quota_pb2.ResetPeriod.Name(quota_to(quota).reset_period) == f"RESET_PERIOD_{period.name}"


@pytest.mark.parametrize(
    ("used", "verdict"), [(8, Verdict.WITHIN), (9, Verdict.SOFT_EXCEEDED), (11, Verdict.HARD_EXCEEDED)]
)
def test_use_is_told_with_its_verdict(used, verdict):
    message = usage_to(Usage(Quota("users", 8, 10, ResetPeriod.DAILY), used, NOW))
    assert (message.used, quota_pb2.QuotaUsage.Verdict.Name(message.verdict)) == (used, f"VERDICT_{verdict.name}")
    assert message.reset_time.ToDatetime(UTC) == NOW


def test_what_never_resets_says_no_time_and_what_is_too_much_as_much_as_can_be_said():
    message = usage_to(Usage(Quota("users"), MOST + 10**15, None))
    assert (message.used, message.HasField("reset_time")) == (MOST, False)
    assert message.verdict == quota_pb2.QuotaUsage.VERDICT_HARD_EXCEEDED
