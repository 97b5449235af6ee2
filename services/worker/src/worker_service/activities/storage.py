"""A tenant's rows and objects."""

from __future__ import annotations

import grpc
from temporalio import activity

from chassis.client import streaming
from tenantmesh.storage.v1 import bucket_pb2 as buckets
from tenantmesh.storage.v1 import bucket_service_pb2_grpc as buckets_rpc
from tenantmesh.storage.v1 import export_pb2 as exports
from tenantmesh.storage.v1 import schema_pb2 as schemas
from tenantmesh.storage.v1 import schema_service_pb2_grpc as schemas_rpc


class Storage:
    """Calls of the storage service."""

    QUEUE = "storage"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._buckets = buckets_rpc.BucketServiceStub(channel)
        self._schemas = schemas_rpc.SchemaServiceStub(channel)

    @activity.defn
    async def ensure_schema(self, request: schemas.EnsureSchemaRequest) -> schemas.EnsureSchemaResponse:
        """Make a tenant's schema."""
        return await self._schemas.EnsureSchema(request)

    @activity.defn
    async def seed_schema(self, request: schemas.SeedSchemaRequest) -> schemas.SeedSchemaResponse:
        """Fill it with its first rows."""
        return await self._schemas.SeedSchema(request)

    @activity.defn
    async def get_schema(self, request: schemas.GetSchemaRequest) -> schemas.GetSchemaResponse:
        """Read it."""
        return await self._schemas.GetSchema(request)

    @activity.defn
    async def set_schema_access(self, request: schemas.SetSchemaAccessRequest) -> schemas.SetSchemaAccessResponse:
        """Let the tenant reach it, or refuse."""
        return await self._schemas.SetSchemaAccess(request)

    @activity.defn
    async def delete_schema(self, request: schemas.DeleteSchemaRequest) -> schemas.DeleteSchemaResponse:
        """Remove it."""
        return await self._schemas.DeleteSchema(request)

    @activity.defn
    async def export_schema(self, request: exports.ExportSchemaRequest) -> exports.ExportSchemaResponse:
        """Write its rows to an archive, and answer the last word."""
        answer = exports.ExportSchemaResponse()
        async with streaming(self._schemas.ExportSchema(request)) as answers:
            async for answer in answers:
                activity.heartbeat(answer.done_tables)
        return answer

    @activity.defn
    async def ensure_bucket(self, request: buckets.EnsureBucketRequest) -> buckets.EnsureBucketResponse:
        """Make a tenant's bucket."""
        return await self._buckets.EnsureBucket(request)

    @activity.defn
    async def get_bucket(self, request: buckets.GetBucketRequest) -> buckets.GetBucketResponse:
        """Read it."""
        return await self._buckets.GetBucket(request)

    @activity.defn
    async def set_bucket_access(self, request: buckets.SetBucketAccessRequest) -> buckets.SetBucketAccessResponse:
        """Let the tenant's credentials work, or refuse them."""
        return await self._buckets.SetBucketAccess(request)

    @activity.defn
    async def empty_bucket(self, request: buckets.EmptyBucketRequest) -> buckets.EmptyBucketResponse:
        """Remove what is in it, and answer the last word."""
        answer = buckets.EmptyBucketResponse()
        async with streaming(self._buckets.EmptyBucket(request)) as answers:
            async for answer in answers:
                activity.heartbeat(answer.deleted_versions)
        return answer

    @activity.defn
    async def delete_bucket(self, request: buckets.DeleteBucketRequest) -> buckets.DeleteBucketResponse:
        """Remove it."""
        return await self._buckets.DeleteBucket(request)
