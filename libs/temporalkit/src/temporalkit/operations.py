"""Names that whoever starts an operation, whoever runs it and whoever looks for it must agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from temporalio.common import SearchAttributeKey

TENANT_ID: Final = SearchAttributeKey.for_keyword("TenantId")
TENANT_KEY: Final = SearchAttributeKey.for_keyword("TenantKey")
TIER: Final = SearchAttributeKey.for_keyword("Tier")
STATE: Final = SearchAttributeKey.for_keyword("OperationState")
STEP: Final = SearchAttributeKey.for_keyword("Step")
FAILED_STEP: Final = SearchAttributeKey.for_keyword("FailedStep")

SEARCH_ATTRIBUTES: Final = (TENANT_ID, TENANT_KEY, TIER, STATE, STEP, FAILED_STEP)
"""What a namespace must know. The contract documents them at `Operation`."""

PROGRESS: Final = "getStatus"
"""The query every operation answers."""

RESUMPTION: Final = "getResumption"
"""The query for what a new run takes over."""

RESULT: Final = "result"
"""The memo in which a run that failed or was cancelled leaves its result: whoever reads it needs no worker."""

DOMAIN: Final = "provisioning.tenantmesh"
"""The domain of the reasons that operations have of their own."""

TIERS: Final = ("silo", "bridge", "pooled")
"""A queue each for the runs, so that many long ones of a tier do not keep those of another waiting."""

INTEGRATIONS: Final = ("tenants", "identity", "storage", "dns", "notifications", "infrastructure", "deployments")
"""A queue each for the calls, so that each can be scaled, and limited, alone."""

ROLES: Final = TIERS + INTEGRATIONS


@dataclass(frozen=True, slots=True)
class Queues:
    """The task queues of an installation: a prefix and a role each."""

    prefix: str

    @classmethod
    def beside(cls, queue: str) -> Queues:
        """Those beside the one a run is in."""
        return cls(queue.rpartition("-")[0])

    def of(self, role: str) -> str:
        """The queue of a role: a tier or an integration."""
        return f"{self.prefix}-{role}"
