"""What is known about a run: what it was asked, whom it is about, and what it has made so far."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tenantmesh.provisioning.v1.contact_pb2 import Contact
from tenantmesh.provisioning.v1.installation_pb2 import Installation
from tenantmesh.provisioning.v1.provisioned_resource_pb2 import ProvisionedResource, System
from tenantmesh.provisioning.v1.tenant_environment_pb2 import TenantEnvironment
from tenantmesh.tenants.v1.tenant_pb2 import Tenant

_REQUESTS = uuid.UUID("6f0f5c1e-5b1a-5d53-9a6c-0f8f3a4f1d7e")


@dataclass(slots=True)
class Run:
    """The state of one run, as its steps see it."""

    operation_id: str
    run_id: str
    input: Any
    """The message the run was started with."""
    tenant: Tenant = field(default_factory=Tenant)
    made: TenantEnvironment = field(default_factory=TenantEnvironment)
    contacts: list[Contact] = field(default_factory=list)
    """Those that were amended; none leaves the tenant's own."""
    found: dict[str, Any] = field(default_factory=dict)
    """What steps tell later ones of the same run."""
    failed_step: str = ""
    root_cause: str = ""
    cancelled: bool = False
    left_behind: bool = False

    @property
    def installation(self) -> Installation:
        """What the run was told of the installation."""
        installation: Installation = self.input.installation
        return installation

    @property
    def identified(self) -> dict[str, Any]:
        """Whose thing a request is about."""
        return {"tenant_id": self.tenant.tenant_id, "tenant_key": self.tenant.key, "tier": self.tenant.tier}

    @property
    def owned(self) -> dict[str, Any]:
        """The same, and on whose behalf it is made or removed."""
        return {**self.identified, "operation_id": self.operation_id}

    def request_id(self, step: str) -> str:
        """The id of a step's request: every attempt of it has the same, and every run another."""
        return str(uuid.uuid5(_REQUESTS, f"{self.run_id}/{step}"))

    def record(self, system: System.ValueType, kind: str, provider: str, identifier: str, **metadata: str) -> None:
        """Note that a thing stands; what was noted of it before is replaced."""
        name = (system, kind, provider, identifier)
        known = self.made.resources
        others = [each for each in known if (each.system, each.type, each.provider, each.external_identifier) != name]
        thing = ProvisionedResource(
            system=system,
            type=kind,
            provider=provider,
            external_identifier=identifier,
            metadata={name: value for name, value in metadata.items() if value},
        )
        del known[:]
        known.extend([*others, thing])

    @property
    def primary(self) -> Any:
        """Who is written to first, and administers the tenant."""
        contacts = self.contacts or self.tenant.contacts
        return next((contact for contact in contacts if contact.primary), contacts[0])
