"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc

from pagekit import PageTokens, page_size
from storage_service.buckets import translate
from storage_service.buckets.model import Bucket, Place, Record
from storage_service.buckets.service import Places
from storage_service.credentials import translate as credentials_translate
from storage_service.credentials.model import Credentials
from storage_service.credentials.service import Issuer
from storage_service.objects import translate as objects_translate
from storage_service.objects.model import Quota
from storage_service.objects.service import Objects
from tenantmesh.storage.v1 import bucket_credentials_pb2 as credentials_pb
from tenantmesh.storage.v1 import bucket_pb2 as pb
from tenantmesh.storage.v1 import bucket_service_pb2_grpc as rpc
from tenantmesh.storage.v1 import object_pb2, usage_pb2

_PAGE_SIZE = 100
_PAGE_LIMIT = 500

Context = grpc.aio.ServicerContext[Any, Any]


class BucketHandlers(rpc.BucketServiceServicer):
    """BucketService over whichever store the places are in."""

    def __init__(self, places: Places, issuer: Issuer, objects: Objects, tokens: PageTokens) -> None:
        self._places = places
        self._issuer = issuer
        self._objects = objects
        self._tokens = tokens

    async def EnsureBucket(self, request: pb.EnsureBucketRequest, context: Context) -> pb.EnsureBucketResponse:
        """Make a tenant's bucket, or confirm that it is so."""
        bucket, created = await self._places.ensure(
            translate.tenant_from(request),
            operation_id=request.operation_id,
            domains=request.domains,
            change=translate.change_from(request),
            validate_only=request.validate_only,
        )
        return pb.EnsureBucketResponse(bucket=self._bucket(bucket), created=created)

    async def GetBucket(self, request: pb.GetBucketRequest, context: Context) -> pb.GetBucketResponse:
        """Read a bucket from its store."""
        bucket = await self._places.get(translate.tenant_from(request))
        return pb.GetBucketResponse(bucket=self._bucket(bucket))

    async def ListBuckets(self, request: pb.ListBucketsRequest, context: Context) -> pb.ListBucketsResponse:
        """List what the mesh made."""
        scope = f"storage.ListBuckets|{request.tenant_id}|{request.operation_id}"
        after = self._tokens.open(request.page_token, scope=scope)
        page = await self._places.list(
            tenant_id=request.tenant_id.lower(),
            operation_id=request.operation_id,
            after=Place(*map(str, after)) if after else None,
            size=page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT),
        )
        return pb.ListBucketsResponse(
            buckets=map(self._bucket, page.buckets),
            next_page_token=self._tokens.sign((page.last.bucket, page.last.prefix), scope=scope) if page.last else "",
        )

    async def SetBucketAccess(self, request: pb.SetBucketAccessRequest, context: Context) -> pb.SetBucketAccessResponse:
        """Let a tenant's credentials work, or refuse them."""
        bucket, changed = await self._places.set_access(translate.tenant_from(request), enabled=request.enabled)
        return pb.SetBucketAccessResponse(bucket=self._bucket(bucket), changed=changed)

    async def DeleteBucket(self, request: pb.DeleteBucketRequest, context: Context) -> pb.DeleteBucketResponse:
        """Remove an empty bucket, or confirm that there is none."""
        existed = await self._places.delete(translate.tenant_from(request), operation_id=request.operation_id)
        return pb.DeleteBucketResponse(existed=existed)

    async def EmptyBucket(
        self, request: pb.EmptyBucketRequest, context: Context
    ) -> AsyncIterator[pb.EmptyBucketResponse]:
        """Remove everything in a bucket, and tell after each page."""
        tenant = translate.tenant_from(request)
        async for removal in self._objects.empty(tenant, validate_only=request.validate_only):
            yield objects_translate.removal_to(removal)

    async def IssueCredentials(
        self, request: credentials_pb.IssueCredentialsRequest, context: Context
    ) -> credentials_pb.IssueCredentialsResponse:
        """Make credentials that can be claimed."""
        record, issued, created = await self._issuer.issue(
            translate.tenant_from(request),
            operation_id=request.operation_id,
            access=credentials_translate.access_from(request.access),
            lifetime=request.lifetime.ToTimedelta() if request.HasField("lifetime") else None,
        )
        message = self._credentials(record, issued)
        return credentials_pb.IssueCredentialsResponse(credentials=message, created=created)

    async def ListCredentials(
        self, request: credentials_pb.ListCredentialsRequest, context: Context
    ) -> credentials_pb.ListCredentialsResponse:
        """List the credentials of a bucket."""
        scope = f"storage.ListCredentials|{request.tenant_id}|{request.tier}|{request.operation_id}"
        after = self._tokens.open(request.page_token, scope=scope)
        size = page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)
        record, found = await self._issuer.list(
            translate.tenant_from(request),
            operation_id=request.operation_id,
            after=str(after[0]) if after else "",
            size=size,
        )
        last = found[size - 1].credentials_id if len(found) > size else ""
        return credentials_pb.ListCredentialsResponse(
            credentials=[self._credentials(record, one) for one in found[:size]],
            next_page_token=self._tokens.sign((last,), scope=scope) if last else "",
        )

    async def RotateCredentials(
        self, request: credentials_pb.RotateCredentialsRequest, context: Context
    ) -> credentials_pb.RotateCredentialsResponse:
        """Make successors for credentials."""
        record, issued, created = await self._issuer.rotate(
            translate.tenant_from(request),
            request.credentials_id,
            operation_id=request.operation_id,
            keep_previous=request.keep_previous,
        )
        message = self._credentials(record, issued)
        return credentials_pb.RotateCredentialsResponse(credentials=message, created=created)

    async def RevokeCredentials(
        self, request: credentials_pb.RevokeCredentialsRequest, context: Context
    ) -> credentials_pb.RevokeCredentialsResponse:
        """End credentials at once."""
        revoked = await self._issuer.revoke(
            translate.tenant_from(request), credentials_id=request.credentials_id, operation_id=request.operation_id
        )
        return credentials_pb.RevokeCredentialsResponse(existed=revoked > 0, revoked=revoked)

    async def IssueCredentialsClaim(
        self, request: credentials_pb.IssueCredentialsClaimRequest, context: Context
    ) -> credentials_pb.IssueCredentialsClaimResponse:
        """Make a claim token for credentials."""
        token, expires = await self._issuer.issue_claim(translate.tenant_from(request), request.credentials_id)
        return credentials_pb.IssueCredentialsClaimResponse(claim_token=token, expire_time=translate.time_to(expires))

    async def ClaimCredentials(
        self, request: credentials_pb.ClaimCredentialsRequest, context: Context
    ) -> credentials_pb.ClaimCredentialsResponse:
        """Make the key of credentials, and hand it over."""
        record, key = await self._issuer.claim(request.claim_token)
        return credentials_translate.key_to(key, record, self._places.store)

    async def PresignUpload(
        self, request: object_pb2.PresignUploadRequest, context: Context
    ) -> object_pb2.PresignUploadResponse:
        """Make a link that writes one object."""
        upload, tenant = objects_translate.upload_from(request), translate.tenant_from(request)
        link = await self._objects.upload_link(tenant, upload, objects_translate.lifetime_from(request))
        return object_pb2.PresignUploadResponse(
            url=link.url, headers=link.headers, expire_time=translate.time_to(link.expire_time)
        )

    async def PresignDownload(
        self, request: object_pb2.PresignDownloadRequest, context: Context
    ) -> object_pb2.PresignDownloadResponse:
        """Make a link that reads one object."""
        lifetime = objects_translate.lifetime_from(request)
        tenant = translate.tenant_from(request)
        link = await self._objects.download_link(tenant, request.key, request.download_name, lifetime)
        return object_pb2.PresignDownloadResponse(url=link.url, expire_time=translate.time_to(link.expire_time))

    async def GetUsage(self, request: usage_pb2.GetUsageRequest, context: Context) -> usage_pb2.GetUsageResponse:
        """Tell how much a tenant stores, and may."""
        max_age = request.max_age.ToTimedelta() if request.HasField("max_age") else timedelta()
        usage, quota = await self._objects.usage(translate.tenant_from(request), max_age=max_age)
        return usage_pb2.GetUsageResponse(usage=objects_translate.usage_to(usage, quota))

    async def SetQuota(self, request: usage_pb2.SetQuotaRequest, context: Context) -> usage_pb2.SetQuotaResponse:
        """Set how much a tenant may store."""
        quota = Quota(request.max_bytes, request.max_objects)
        changed = await self._objects.set_quota(translate.tenant_from(request), quota)
        return usage_pb2.SetQuotaResponse(quota=objects_translate.quota_to(quota), changed=changed)

    def _credentials(self, record: Record, one: Credentials) -> credentials_pb.BucketCredentials:
        state = self._issuer.state_of(one, record)
        return credentials_translate.credentials_to(one, state, record, self._places.store)

    def _bucket(self, bucket: Bucket) -> pb.Bucket:
        return translate.bucket_to(bucket, self._places.store)
