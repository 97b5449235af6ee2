"""Between the messages about buckets and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from storage_service.buckets.model import Bucket, Feature, FeatureState, SettingsChange, Tier
from storage_service.buckets.ports import Store
from storage_service.buckets.service import Tenant
from storage_service.credentials.model import Owner
from tenantmesh.common.v1 import ownership_pb2, tier_pb2
from tenantmesh.storage.v1 import bucket_pb2 as pb


class AboutTenant(Protocol):
    """Any request about a tenant's place."""

    tenant_id: str
    tenant_key: str
    tier: tier_pb2.Tier.ValueType


def tenant_from(request: AboutTenant) -> Tenant:
    """Whose place a request is about."""
    tier = Tier[tier_pb2.Tier.Name(request.tier).removeprefix("TIER_")]
    return Tenant(request.tenant_id.lower(), request.tenant_key, tier)


def change_from(request: pb.EnsureBucketRequest) -> SettingsChange | None:
    """What the caller wants of the bucket's settings."""
    if not request.HasField("settings"):
        return None
    wanted, lifecycle = request.settings, request.settings.lifecycle
    return SettingsChange(
        wanted.versioning if wanted.HasField("versioning") else None,
        wanted.kms_key_id or None,
        lifecycle.noncurrent_lifetime.ToTimedelta() if lifecycle.HasField("noncurrent_lifetime") else None,
        lifecycle.incomplete_upload_lifetime.ToTimedelta()
        if lifecycle.HasField("incomplete_upload_lifetime")
        else None,
    )


def bucket_to(bucket: Bucket, store: Store) -> pb.Bucket:
    """A bucket as callers see it."""
    record = bucket.record
    return pb.Bucket(
        name=record.place.bucket,
        prefix=record.place.prefix,
        tenant_key=record.tenant_key,
        tier=tier_pb2.Tier.Value(f"TIER_{record.tier.name}"),
        settings=_settings_to(bucket),
        features=[_feature_to(*one) for one in bucket.features().items()],
        domains=bucket.configuration.domains if not record.place.shared else record.domains,
        folders=record.folders,
        access_enabled=record.access_enabled,
        endpoint=store.endpoint,
        region=store.region,
        ownership=owner_to(record.owner),
        provider=store.name,
        create_time=time_to(record.create_time),
        update_time=time_to(record.update_time),
    )


def owner_to(owner: Owner) -> ownership_pb2.Ownership:
    """Whose it is, as callers see it."""
    return ownership_pb2.Ownership(
        tenant_id=owner.tenant_id, operation_id=owner.operation_id, create_time=time_to(owner.time)
    )


def time_to(time: datetime | None) -> Timestamp | None:
    """A point in time as callers see it."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def _settings_to(bucket: Bucket) -> pb.BucketSettings | None:
    if bucket.record.place.shared:
        return None
    stands = bucket.configuration
    settings = pb.BucketSettings(versioning=stands.versioning, kms_key_id=stands.kms_key_id)
    if stands.lifecycle is not None:
        settings.lifecycle.noncurrent_lifetime.CopyFrom(_duration_to(stands.lifecycle.noncurrent))
        settings.lifecycle.incomplete_upload_lifetime.CopyFrom(_duration_to(stands.lifecycle.incomplete))
    return settings


def _duration_to(span: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(span)
    return message


def _feature_to(feature: Feature, state: FeatureState) -> pb.FeatureReport:
    return pb.FeatureReport(
        feature=pb.BucketFeature.Value(f"BUCKET_FEATURE_{feature.name}"),
        state=pb.FeatureState.Value(f"FEATURE_STATE_{state.name}"),
        detail=_DETAILS[state],
    )


_DETAILS = {
    FeatureState.ON: "It is on.",
    FeatureState.OFF: "Nobody asked for it.",
    FeatureState.MISSING: "The store does not have it.",
    FeatureState.SHARED: "It is as the operators set it for the shared bucket.",
}
