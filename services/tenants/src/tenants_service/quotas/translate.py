"""Between the messages about quotas and the words of the domain. Pure, both ways."""

from __future__ import annotations

from tenantmesh.tenants.v1 import quota_pb2
from tenants_service.quotas.model import MOST, Quota, ResetPeriod, Usage
from tenants_service.translate import time_to


def quota_from(message: quota_pb2.Quota) -> Quota:
    """How much of something a tenant may use."""
    period = quota_pb2.ResetPeriod.Name(message.reset_period).removeprefix("RESET_PERIOD_")
    return Quota(message.name, message.soft_limit, message.hard_limit, ResetPeriod[period])


def quota_to(quota: Quota) -> quota_pb2.Quota:
    """How much of something a tenant may use."""
    return quota_pb2.Quota(
        name=quota.name,
        soft_limit=quota.soft_limit,
        hard_limit=quota.hard_limit,
        reset_period=quota_pb2.ResetPeriod.Value(f"RESET_PERIOD_{quota.reset_period.name}"),
    )


def usage_to(usage: Usage) -> quota_pb2.QuotaUsage:
    """How a tenant stands to one of its quotas."""
    return quota_pb2.QuotaUsage(
        quota=quota_to(usage.quota),
        used=min(usage.used, MOST),
        verdict=quota_pb2.QuotaUsage.Verdict.Value(f"VERDICT_{usage.verdict.name}"),
        reset_time=time_to(usage.reset_time),
    )
