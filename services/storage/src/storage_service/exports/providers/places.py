"""Where a tenant's objects lie, in the words of exports."""

from __future__ import annotations

from storage_service.buckets.model import Place, Tier
from storage_service.buckets.service import Places
from storage_service.buckets.service import Tenant as BucketTenant
from storage_service.schemas.model import Tenant


async def place_of(places: Places, tenant: Tenant) -> Place:
    """The tenant's bucket or prefix; BUCKET_NOT_FOUND where it has none."""
    owner = BucketTenant(tenant.tenant_id, tenant.key, Tier[tenant.tier.name])
    return (await places.owned(owner)).record.place
