"""The services that steps call, and the patience they have with each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from temporalkit import retries
from tenantmesh.provisioning.v1 import provisioned_resource_pb2 as systems
from worker_service.operation.steps import Integration

TENANTS: Final = Integration(systems.SYSTEM_TENANTS, "tenants", retries.TENANTS, retries.UNDO)
IDENTITY: Final = Integration(systems.SYSTEM_IDENTITY, "identity", retries.IDENTITY, retries.UNDO)
STORAGE: Final = Integration(systems.SYSTEM_STORAGE, "storage", retries.STORAGE, retries.UNDO)
DNS: Final = Integration(systems.SYSTEM_DNS, "dns", retries.DNS, retries.UNDO)
NOTIFICATIONS: Final = Integration(
    systems.SYSTEM_NOTIFICATIONS, "notifications", retries.NOTIFICATIONS, retries.NOTIFICATIONS
)
INFRASTRUCTURE: Final = Integration(
    systems.SYSTEM_INFRASTRUCTURE, "infrastructure", retries.INFRASTRUCTURE, retries.UNDO_LONG
)
DEPLOYMENTS: Final = Integration(systems.SYSTEM_DEPLOYMENTS, "deployments", retries.DEPLOYMENT, retries.UNDO_LONG)

PROPAGATION: Final = replace(retries.DNS, start_to_close=timedelta(minutes=16), attempts=3)
"""The patience with a name on its way to its servers: what is asked of the dns service, and a little more."""
EXPORT: Final = replace(retries.STORAGE, start_to_close=timedelta(hours=1))
"""The patience with a whole tenant's data."""
