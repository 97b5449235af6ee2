"""Something that was made for a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from faults import AlreadyExists


class Name(NamedTuple):
    """What tells one resource of a tenant from the others: what it is, who holds it, and what they call it."""

    type: str
    provider: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Made:
    """A resource as whoever made it reports it."""

    name: Name
    uri: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource on record."""

    resource_id: UUID
    tenant_id: UUID
    made: Made
    operation_id: str
    create_time: datetime
    update_time: datetime
    revision: int = 1


def reported(resource: Resource, made: Made, operation_id: str, now: datetime) -> Resource:
    """The record after its own operation has reported the resource again; what says nothing new changes nothing."""
    if resource.operation_id != operation_id:
        raise AlreadyExists(
            "Another operation has recorded that resource.",
            reason="RESOURCE_RECORDED_OTHERWISE",
            facts={**made.name._asdict(), "operation_id": resource.operation_id},
        )
    if resource.made == made:
        return resource
    return replace(resource, made=made, update_time=now, revision=resource.revision + 1)
