"""What the infrastructure service talks about: stacks, the runs that change them, and whose they are."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


class Tier(enum.Enum):
    """How much of its own a tenant has."""

    SILO = "silo"
    BRIDGE = "bridge"
    POOLED = "pooled"

    @property
    def shares(self) -> bool:
        """Whether its tenants share one stack."""
        return self is not Tier.SILO


class Capability(enum.Enum):
    """What not every provider can."""

    APPROVAL = "hold_for_approval"


class Kind(enum.Enum):
    """What a run is for."""

    APPLY = "apply"
    DESTROY = "destroy"


class RunState(enum.Enum):
    """How a run stands."""

    PENDING = "pending"
    PLANNING = "planning"
    PLANNED = "planned"
    APPLYING = "applying"
    APPLIED = "applied"
    PLANNED_AND_FINISHED = "planned_and_finished"
    ERRORED = "errored"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it stays so."""
        return self in _FINAL

    @property
    def succeeded(self) -> bool:
        """Whether what was asked for is so."""
        return self in {RunState.APPLIED, RunState.PLANNED_AND_FINISHED}


_FINAL = frozenset({RunState.APPLIED, RunState.PLANNED_AND_FINISHED, RunState.ERRORED, RunState.CANCELLED})


class StackState(enum.Enum):
    """How a stack stands."""

    UPDATING = "updating"
    READY = "ready"
    INCOMPLETE = "incomplete"
    DELETING = "deleting"
    SKIPPED = "skipped"


class FailureReason(enum.Enum):
    """What can go wrong in a run."""

    TEMPLATE_INVALID = "template_invalid"
    QUOTA_EXCEEDED = "quota_exceeded"
    RESOURCE_CONFLICT = "resource_conflict"
    CREDENTIALS_REFUSED = "credentials_refused"
    TIMED_OUT = "timed_out"
    PROVIDER_FAILED = "provider_failed"


@dataclass(frozen=True, slots=True)
class Owner:
    """The stamp on everything the mesh makes."""

    tenant_id: str
    operation_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Spec:
    """What a stack should be."""

    name: str
    tier: Tier
    template: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many resources a run adds, changes and destroys, and the addresses of the last."""

    add: int = 0
    change: int = 0
    destroy: int = 0
    destroyed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed."""

    reason: FailureReason
    message: str
    resource: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over a stack. Its owner is the operation that asked for it."""

    run_id: str
    kind: Kind
    state: RunState
    spec: Spec
    owner: Owner
    provider: str
    create_time: datetime
    plan: Plan | None = None
    failure: Failure | None = None
    detail: str = ""
    approved: bool = False
    decision_reason: str = ""
    web_url: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None

    def is_for(self, kind: Kind, spec: Spec, operation_id: str) -> bool:
        """Whether it is what this operation asks for."""
        return (self.kind, self.spec, self.owner.operation_id) == (kind, spec, operation_id)


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as its provider holds it. Its owner is the operation that made it; a shared one has none."""

    spec: Spec
    owner: Owner | None
    state: StackState
    provider: str
    latest_run_id: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    secret_outputs: Mapping[str, str] = field(default_factory=dict)
    resource_count: int = 0
    shared: bool = False
    provider_stack_id: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None

    def belongs_to(self, tenant_id: str) -> bool:
        """Whether it bears this tenant's stamp."""
        return self.owner is not None and self.owner.tenant_id == tenant_id
