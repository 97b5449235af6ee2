"""Identities limited to one place: users of the store's IAM, each with one policy and one key.

Keys that expire are federation tokens that such a user asks for: what it may no longer do, they may not either, so that
one way to suspend and to revoke serves both kinds.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

from storage_service.buckets.model import Names, Place
from storage_service.buckets.providers.s3.api import MISSING, Answered, Api, Session
from storage_service.buckets.service import incapable
from storage_service.credentials.model import Access, Credentials, Key

_POLICY = "tenantmesh"
_PATH = "/tenantmesh/"
_GONE = frozenset({"NoSuchEntity"})
_READ = ("s3:GetObject", "s3:GetObjectVersion")
_WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload")
# What STS answers about a user or a key that IAM made a moment ago.
_NOT_YET = frozenset({"InvalidClientTokenId", "AccessDenied", "InvalidAccessKeyId"})
_PAUSE = 0.5


class IamIdentities:
    """Users of IAM."""

    def __init__(self, iam: Api, session: Session, sts_endpoint: str | None, names: Names, patience: timedelta) -> None:
        self._iam = iam
        self._session = session
        self._sts_endpoint = sts_endpoint
        self._names = names
        self._patience = patience.total_seconds()

    async def grant(self, place: Place, credentials: Credentials) -> None:
        """Make the user if it is not there, and let it do what its credentials allow."""
        name = self._name(credentials.credentials_id)
        with suppress(Answered):  # an earlier call made it
            await self._iam.call("create_user", UserName=name, Path=_PATH, tell={"EntityAlreadyExists"})
        policy = json.dumps(policy_for(place, credentials.access, federates=credentials.lifetime is not None))
        await self._iam.call("put_user_policy", UserName=name, PolicyName=_POLICY, PolicyDocument=policy)

    async def suspend(self, place: Place, credentials_id: str) -> None:  # noqa: ARG002 - a name is enough for IAM
        """Take the user's policy: without one it may do nothing."""
        await self._unless_gone("delete_user_policy", UserName=self._name(credentials_id), PolicyName=_POLICY)

    async def new_key(self, place: Place, credentials: Credentials) -> Key:
        """Make the user's one key."""
        name = self._name(credentials.credentials_id)
        await self._drop_keys(name)
        made = (await self._iam.call("create_access_key", UserName=name))["AccessKey"]
        if credentials.lifetime is None:
            return Key(made["AccessKeyId"], made["SecretAccessKey"])
        client = self._session.with_key("sts", self._sts_endpoint, made["AccessKeyId"], made["SecretAccessKey"])
        async with client as opened:
            return await self._federated(Api(self._iam.provider, opened), place, credentials, credentials.lifetime)

    async def withdraw(self, place: Place, credentials_id: str) -> None:  # noqa: ARG002 - a name is enough for IAM
        """Remove the user, and first what it may do and its keys."""
        name = self._name(credentials_id)
        await self._unless_gone("delete_user_policy", UserName=name, PolicyName=_POLICY)
        await self._drop_keys(name)
        await self._unless_gone("delete_user", UserName=name)

    async def _drop_keys(self, name: str) -> None:
        found = await self._unless_gone("list_access_keys", UserName=name)
        for key in found.get("AccessKeyMetadata", ()):
            await self._unless_gone("delete_access_key", UserName=name, AccessKeyId=key["AccessKeyId"])

    async def _federated(self, sts: Api, place: Place, credentials: Credentials, lifetime: timedelta) -> Key:
        """A token that ends by itself; its user's own key is known to nobody."""
        wanted = {
            "Name": hashlib.sha256(credentials.credentials_id.encode()).hexdigest()[:32],
            "Policy": json.dumps(policy_for(place, credentials.access, federates=False)),
            "DurationSeconds": int(lifetime.total_seconds()),
        }
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            patient = asyncio.get_running_loop().time() < deadline
            try:
                answer = await sts.call(
                    "get_federation_token", tell=MISSING | (_NOT_YET if patient else set()), **wanted
                )
            except Answered as answered:
                if answered.code in MISSING:
                    raise incapable(sts.provider, "expiring_credentials") from answered
                await asyncio.sleep(_PAUSE)
                continue
            made = answer["Credentials"]
            return Key(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], made["Expiration"])

    async def _unless_gone(self, method: str, **request: str) -> Any:
        try:
            return await self._iam.call(method, tell=_GONE, **request)
        except Answered:
            return {}

    def _name(self, credentials_id: str) -> str:
        return f"{self._names.prefix}.{credentials_id}"


def policy_for(place: Place, access: Access, *, federates: bool) -> dict[str, Any]:
    """What a user of this place may do, in the actions that every store knows."""
    bucket = f"arn:aws:s3:::{place.bucket}"
    actions = [*_READ, *(_WRITE if access is Access.READ_WRITE else ())]
    listing: dict[str, Any] = {
        "Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketVersions"], "Resource": bucket,
    }  # fmt: skip
    if place.shared:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{place.prefix}*"]}}
    statements = [listing, {"Effect": "Allow", "Action": actions, "Resource": f"{bucket}/{place.prefix}*"}]
    if federates:
        statements.append({"Effect": "Allow", "Action": ["sts:GetFederationToken"], "Resource": "*"})
    return {"Version": "2012-10-17", "Statement": statements}
