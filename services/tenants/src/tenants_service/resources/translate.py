"""Between the messages about resources and the words of the domain. Pure, both ways."""

from __future__ import annotations

from faults import Invalid, Violation
from tenantmesh.tenants.v1 import resource_pb2
from tenantmesh.tenants.v1 import resource_service_pb2 as pb
from tenants_service.resources.model import Made, Name, Resource
from tenants_service.translate import time_to

_LIMIT = 512 * 1024
"""Bytes of one report: the answer brings it back, and is kept for a repeat."""


def made_from(request: pb.RecordResourcesRequest) -> list[Made]:
    """What an operation has made."""
    if sum(one.ByteSize() for one in request.resources) > _LIMIT:
        raise Invalid(
            "The request breaks the bounds its contract states.",
            reason="REQUEST_INVALID",
            violations=[Violation("resources", f"must have at most {_LIMIT} bytes together")],
            domain="tenantmesh",
        )
    return [
        Made(Name(one.type, one.provider, one.identifier), one.uri, dict(one.metadata)) for one in request.resources
    ]


def resource_to(resource: Resource) -> resource_pb2.Resource:
    """A record as callers see it."""
    made = resource.made
    return resource_pb2.Resource(
        resource_id=str(resource.resource_id),
        tenant_id=str(resource.tenant_id),
        type=made.name.type,
        provider=made.name.provider,
        identifier=made.name.identifier,
        uri=made.uri,
        metadata=made.metadata,
        operation_id=resource.operation_id,
        create_time=time_to(resource.create_time),
        update_time=time_to(resource.update_time),
    )
