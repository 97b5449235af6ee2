"""What operations there are, when each may be started, and what stops it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from faults import AlreadyExists, Conflict, Fault, NotFound, Unimplemented


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operation.

    Attributes:
        name: as in `OperationKind`, without its prefix.
        prefix: what its ids begin with.
        workflow: what runs it.
        accepted_as: what the outbox calls it.
        built: whether there is a workflow for it yet.
        repeatable: whether it may be run again after it succeeded.
    """

    name: str
    prefix: str
    workflow: str
    accepted_as: str
    built: bool = False
    repeatable: bool = True

    def operation_id(self, tenant_id: str) -> str:
        """The id of the operation on a tenant: the same thing cannot be begun twice at once."""
        return f"{self.prefix}-{tenant_id.lower()}"


def _kind(name: str, prefix: str, **more: bool) -> Kind:
    return Kind(name, prefix, "".join(word.title() for word in name.split("_")), name.partition("_")[0].lower(), **more)


PROVISION: Final = _kind("PROVISION_TENANT", "provision-tenant", built=True, repeatable=False)
KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        PROVISION,
        _kind("DEPROVISION_TENANT", "deprovision-tenant", repeatable=False),
        _kind("DEPLOY_TENANT", "deploy-tenant"),
        _kind("SUSPEND_TENANT", "suspend-tenant"),
        _kind("RESUME_TENANT", "resume-tenant"),
        _kind("CHANGE_TIER", "change-tier"),
        _kind("BOOTSTRAP_ORGANIZATION", "bootstrap-organization"),
        _kind("INVITE_USER", "invite-user"),
        _kind("CONFIGURE_SSO", "configure-sso"),
        _kind("EXPORT_TENANT", "export-tenant"),
        _kind("REPAIR_TENANT", "repair-tenant"),
    )
}
"""Every kind that is about a tenant."""

OF_WORKFLOW: Final = {kind.workflow: kind for kind in KINDS.values()}


@dataclass(frozen=True, slots=True)
class Switch:
    """A setting that stops new starts; what runs goes on."""

    name: str
    enabled: bool
    kinds: frozenset[str]

    def check(self, kind: Kind) -> None:
        """Refuse what it stops.

        Raises:
            Fault: STARTS_DISABLED.
        """
        if kind.name in self.kinds and not self.enabled:
            facts = {"setting": self.name, "kind": kind.name}
            raise Conflict("New operations are not started now.", reason="STARTS_DISABLED", facts=facts)


def check_built(kind: Kind) -> None:
    """Refuse what nothing runs yet.

    Raises:
        Fault: NOT_IMPLEMENTED.
    """
    if not kind.built:
        raise not_built(kind.workflow)


def not_built(name: str) -> Fault:
    """The fault of what is not there yet."""
    return Unimplemented(
        f"{name} is not built yet.", reason="NOT_IMPLEMENTED", facts={"method": name}, domain="tenantmesh"
    )


def already_succeeded(operation_id: str, run_id: str) -> Fault:
    """The fault of starting again what is done once only."""
    facts = {"operation_id": operation_id, "run_id": run_id}
    return AlreadyExists("The operation succeeded before.", reason="OPERATION_ALREADY_SUCCEEDED", facts=facts)


def input_differs(operation_id: str, field: str) -> Fault:
    """The fault of starting what runs already, with another input."""
    facts = {"operation_id": operation_id, "field": field}
    return AlreadyExists("The operation runs with another input.", reason="OPERATION_INPUT_DIFFERS", facts=facts)


def not_found(operation_id: str) -> Fault:
    """The fault of an operation that is none, or another tenant's."""
    return NotFound("There is no such operation.", reason="OPERATION_NOT_FOUND", facts={"operation_id": operation_id})


def closed(operation_id: str, state: str) -> Fault:
    """The fault of what can only be asked of an operation that has not ended."""
    facts = {"operation_id": operation_id, "state": state}
    return Conflict("The operation has ended.", reason="OPERATION_CLOSED", facts=facts)


def not_retryable(operation_id: str, state: str) -> Fault:
    """The fault of taking up what neither failed nor holds."""
    facts = {"operation_id": operation_id, "state": state}
    return Conflict("The operation has neither failed nor does it hold.", reason="OPERATION_NOT_RETRYABLE", facts=facts)


def mismatch(subscription_id: str, field: str, recorded: str) -> Fault:
    """The fault of a subscription that is not what the caller believes."""
    facts = {"subscription_id": subscription_id, "field": field, "recorded": recorded}
    return Conflict("The subscription is recorded otherwise.", reason="SUBSCRIPTION_MISMATCH", facts=facts)


_RETOLD: Final = {
    "OPERATION_MISMATCH": "OPERATION_CONFLICT",
    "OUTBOX_ENTRY_DIFFERS": "OPERATION_INPUT_DIFFERS",
    "TENANT_NOT_FOUND": "TENANT_NOT_FOUND",
    "TENANT_STATE_FORBIDS": "TENANT_STATE_FORBIDS",
    "TENANT_PROTECTED": "TENANT_PROTECTED",
    "SUBSCRIPTION_NOT_ACTIVE": "SUBSCRIPTION_NOT_ACTIVE",
    "SUBSCRIPTION_NOT_FOUND": "SUBSCRIPTION_NOT_ACTIVE",
}


def retold(fault: Fault, kind: Kind) -> Fault:
    """What the records refused, with this service's own reason."""
    reason = _RETOLD.get(fault.reason)
    if reason is None:
        return fault
    facts = {**fault.facts, "kind": kind.name}
    if reason == "OPERATION_INPUT_DIFFERS":
        facts["field"] = "payload"
    if reason == "SUBSCRIPTION_NOT_ACTIVE":
        return Conflict("The tenant has no active subscription.", reason=reason, facts=facts)
    return type(fault)(fault.message, reason=reason, facts=facts)
