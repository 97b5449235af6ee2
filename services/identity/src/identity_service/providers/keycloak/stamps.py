"""The mesh's stamp in Keycloak's attributes. Some kinds of things have one value an attribute, some have lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from identity_service.model import Owner

TENANT: Final = "tenantmesh.tenant_id"
_OPERATION: Final = "tenantmesh.operation_id"
_CREATED: Final = "tenantmesh.create_time"
_UPDATED: Final = "tenantmesh.update_time"


def stamp(owner: Owner | None, updated: datetime | None) -> dict[str, str]:
    """The attributes that say whose a thing is, and when it was changed."""
    written = {} if updated is None else {_UPDATED: updated.isoformat()}
    if owner is None:
        return written
    created = owner.create_time.isoformat()
    return {TENANT: owner.tenant_id, _OPERATION: owner.operation_id, _CREATED: created} | written


def owner_of(attributes: Mapping[str, str]) -> Owner | None:
    """Whose a thing is; None where the mesh did not make it."""
    tenant, created = attributes.get(TENANT, ""), time_of(attributes, _CREATED)
    return Owner(tenant, attributes.get(_OPERATION, ""), created) if tenant and created else None


def updated(attributes: Mapping[str, str]) -> datetime | None:
    """When the mesh changed it last."""
    return time_of(attributes, _UPDATED)


def time_of(attributes: Mapping[str, str], name: str) -> datetime | None:
    """A time that was written so; None where none was, or something else."""
    try:
        return datetime.fromisoformat(attributes.get(name, ""))
    except ValueError:
        return None


def flat(thing: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of a thing that has lists of values, the first of each."""
    attributes: Mapping[str, list[str]] = thing.get("attributes") or {}
    return {name: values[0] for name, values in attributes.items() if values}


def listed(attributes: Mapping[str, str]) -> dict[str, list[str]]:
    """Attributes for a thing that has lists of values."""
    return {name: [value] for name, value in attributes.items()}
