"""Presigned links, and the bucket policy that stops them while a tenant is suspended."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from storage_service.buckets.model import Place
from storage_service.buckets.providers import refusals
from storage_service.buckets.providers.s3.api import NO_BUCKET, Answered, Api
from storage_service.objects.model import Link, Upload

_ABSENT = NO_BUCKET | {"NoSuchKey"}
_TRIES = 5


class S3Links:
    """Links signed with the process's own key. The bucket's policy can refuse all that lead to one place."""

    def __init__(self, s3: Api, public: Api, clock: Callable[[], datetime]) -> None:
        self._s3 = s3
        self._public = public
        self._clock = clock
        self._policies = asyncio.Lock()

    async def upload_link(self, place: Place, upload: Upload, lifetime: timedelta) -> Link:
        """A link that writes one object; what it must be is signed with it."""
        wanted: dict[str, Any] = {}
        headers: dict[str, str] = {}
        if upload.content_type:
            wanted["ContentType"] = headers["content-type"] = upload.content_type
        if upload.content_length:
            wanted["ContentLength"] = upload.content_length
            headers["content-length"] = str(upload.content_length)
        if upload.sha256:
            digest = base64.b64encode(bytes.fromhex(upload.sha256)).decode()
            wanted["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = digest
        link = await self._link("put_object", place, upload.key, lifetime, **wanted)
        return replace(link, headers=headers)

    async def download_link(self, place: Place, key: str, name: str, lifetime: timedelta) -> Link:
        """A link that reads one object, and suggests a file name."""
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        wanted = {"ResponseContentDisposition": disposition} if name else {}
        return await self._link("get_object", place, key, lifetime, **wanted)

    async def holds(self, place: Place, key: str) -> bool:
        """Whether there is an object of that key."""
        try:
            await self._s3.call("head_object", Bucket=place.bucket, Key=place.prefix + key, tell=_ABSENT)
        except Answered:
            return False
        return True

    async def admit_links(self, place: Place, *, admitted: bool) -> None:
        """Take the statement about the place out of the bucket's policy, or put it there, and see that it stays.

        A policy is written whole, and others may write theirs into the shared bucket's at the same time.
        """
        async with self._policies:
            for _ in range(_TRIES):
                statements = await self._statements(place.bucket)
                others = [one for one in statements if one.get("Sid") != _sid(place)]
                refused = len(others) < len(statements)
                if refused is not admitted:
                    return
                await self._write(place.bucket, others if admitted else [*others, _refusal(place)])
        raise refusals.changed(place)

    async def _link(self, method: str, place: Place, key: str, lifetime: timedelta, **wanted: Any) -> Link:
        request = {"Bucket": place.bucket, "Key": place.prefix + key, **wanted}
        expires = self._clock() + lifetime
        url = await self._public.client.generate_presigned_url(
            method, Params=request, ExpiresIn=int(lifetime.total_seconds())
        )
        return Link(url, expires)

    async def _statements(self, bucket: str) -> list[dict[str, Any]]:
        try:
            answer = await self._s3.call("get_bucket_policy", Bucket=bucket, tell=NO_BUCKET | {"NoSuchBucketPolicy"})
        except Answered:
            return []
        found = json.loads(answer["Policy"]).get("Statement", [])
        return list(found) if isinstance(found, list) else [found]

    async def _write(self, bucket: str, statements: list[dict[str, Any]]) -> None:
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            await self._s3.call("put_bucket_policy", Bucket=bucket, Policy=policy)
        else:
            await self._s3.call("delete_bucket_policy", Bucket=bucket)


def _sid(place: Place) -> str:
    return f"TenantmeshSuspended{hashlib.sha256(place.prefix.encode()).hexdigest()[:16]}"


def _refusal(place: Place) -> dict[str, Any]:
    return {
        "Sid": _sid(place),
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{place.bucket}/{place.prefix}*"],
        # All but what is signed in a header: not every store says of a link that it is one.
        "Condition": {"StringNotEquals": {"s3:authType": "REST-HEADER"}},
    }
