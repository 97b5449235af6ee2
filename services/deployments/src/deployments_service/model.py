"""What the deployments service talks about: deployments, the rollouts that change them, and whose they are."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime


class Tier(enum.Enum):
    """How much of its own a tenant has."""

    SILO = "silo"
    BRIDGE = "bridge"
    POOLED = "pooled"


class Capability(enum.Enum):
    """What not every provider can."""

    ROLLBACK = "rollback"
    REPORTS = "reports"


class Action(enum.Enum):
    """What a rollout is for."""

    DEPLOY = "DEPLOY"
    ROLLBACK = "ROLLBACK"
    REMOVE = "REMOVE"


class State(enum.Enum):
    """How a deployment stands."""

    PENDING = "PENDING"
    ROLLING_OUT = "ROLLING_OUT"
    READY = "READY"
    FAILED = "FAILED"
    ROLLING_BACK = "ROLLING_BACK"
    DELETING = "DELETING"
    SKIPPED = "SKIPPED"

    @property
    def settled(self) -> bool:
        """Whether it lasts until somebody asks for something."""
        return self in {State.READY, State.FAILED, State.SKIPPED}


AT_FIRST: Mapping[Action, State] = {
    Action.DEPLOY: State.PENDING,
    Action.ROLLBACK: State.ROLLING_BACK,
    Action.REMOVE: State.DELETING,
}
"""The state in which a rollout begins."""

_UNDER_WAY: Mapping[Action, State] = {**AT_FIRST, Action.DEPLOY: State.ROLLING_OUT}


class FailureReason(enum.Enum):
    """What can go wrong in a rollout."""

    UNSPECIFIED = "UNSPECIFIED"
    VERSION_NOT_FOUND = "VERSION_NOT_FOUND"
    REFERENCE_NOT_FOUND = "REFERENCE_NOT_FOUND"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    CRASHED = "CRASHED"
    NOT_READY_IN_TIME = "NOT_READY_IN_TIME"
    PIPELINE_FAILED = "PIPELINE_FAILED"
    PROVIDER_FAILED = "PROVIDER_FAILED"


@dataclass(frozen=True, slots=True)
class Owner:
    """The stamp on everything the mesh makes."""

    tenant_id: str
    operation_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Spec:
    """What a deployment should be."""

    tier: Tier
    version: str
    image: str = ""
    hostnames: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One change of a deployment, and the operation that asked for it."""

    rollout_id: str
    action: Action
    operation_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a rollout failed."""

    reason: FailureReason
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a pipeline says of a rollout: under way, ready or failed."""

    state: State
    percent: int = 0
    failure: Failure | None = None
    app_url: str = ""
    admin_url: str = ""
    provider_deployment_id: str = ""
    web_url: str = ""
    status_url: str = ""


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report as it came, with what is to prove that it came from the pipeline."""

    tenant_id: str
    app: str
    rollout_id: str
    body: bytes
    timestamp: str
    signature: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as its provider holds it. Its owner is the operation that made it."""

    tenant_id: str
    app: str
    spec: Spec
    owner: Owner | None
    rollout: Rollout
    state: State
    provider: str
    previous: Spec | None = None
    """What served before, to which a rollback returns."""
    undone: str = ""
    """The rollout that the latest rollback undid."""
    percent: int = 0
    failure: Failure | None = None
    app_url: str = ""
    admin_url: str = ""
    provider_deployment_id: str = ""
    web_url: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None
    revision: int = 0
    """Changes with every change, so that a writer sees that it was not alone."""

    def belongs_to(self, tenant_id: str) -> bool:
        """Whether it bears this tenant's stamp."""
        return self.owner is not None and self.owner.tenant_id == tenant_id

    def told(self, report: Report) -> Deployment | None:
        """As it stands after a report; None where that says that it is gone. What is settled stays as it is."""
        if self.state.settled:
            return self
        if report.state is State.READY and self.rollout.action is Action.REMOVE:
            return None
        settled = report.state in {State.READY, State.FAILED}
        return replace(
            self,
            state=report.state if settled else _UNDER_WAY[self.rollout.action],
            percent=100 if report.state is State.READY else max(self.percent, report.percent),
            failure=report.failure if report.state is State.FAILED else None,
            app_url=report.app_url or self.app_url,
            admin_url=report.admin_url or self.admin_url,
            provider_deployment_id=report.provider_deployment_id or self.provider_deployment_id,
            web_url=report.web_url or self.web_url,
        )


def failed(reason: FailureReason, message: str, *, retryable: bool = False) -> Report:
    """A report that a rollout failed."""
    return Report(State.FAILED, failure=Failure(reason, message, retryable))
