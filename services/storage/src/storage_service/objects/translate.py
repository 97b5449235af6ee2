"""Between the messages about objects and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import timedelta

from storage_service.buckets.translate import time_to
from storage_service.objects.model import Quota, Removal, Upload, Usage
from tenantmesh.storage.v1 import bucket_pb2, object_pb2, usage_pb2

_LIFETIME = timedelta(minutes=15)


def upload_from(request: object_pb2.PresignUploadRequest) -> Upload:
    """What an upload must be."""
    return Upload(request.key, request.content_type, request.content_length, request.sha256)


def lifetime_from(request: object_pb2.PresignUploadRequest | object_pb2.PresignDownloadRequest) -> timedelta:
    """How long a link should work."""
    return request.lifetime.ToTimedelta() if request.HasField("lifetime") else _LIFETIME


def removal_to(removal: Removal) -> bucket_pb2.EmptyBucketResponse:
    """What was removed so far."""
    return bucket_pb2.EmptyBucketResponse(
        deleted_versions=removal.versions,
        deleted_bytes=removal.bytes,
        aborted_uploads=removal.uploads,
        last_key=removal.last_key,
        done=removal.done,
    )


def quota_to(quota: Quota) -> usage_pb2.Quota:
    """How much a tenant may store. Of the stores that are known none refuses more by itself."""
    return usage_pb2.Quota(max_bytes=quota.max_bytes, max_objects=quota.max_objects, enforced_by_store=False)


def usage_to(usage: Usage, quota: Quota) -> usage_pb2.Usage:
    """How much a tenant stores."""
    return usage_pb2.Usage(
        objects=usage.objects,
        bytes=usage.bytes,
        noncurrent_bytes=usage.noncurrent_bytes,
        incomplete_uploads=usage.incomplete_uploads,
        quota=quota_to(quota) if quota != Quota() else None,
        measure_time=time_to(usage.time),
    )
