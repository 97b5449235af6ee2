"""How a bucket is set up, read from the store and written to it.

Written one after the other: stores that keep these settings in one place lose what is written at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from storage_service.buckets.model import Configuration, Feature, Lifecycle
from storage_service.buckets.providers.s3.api import NO_BUCKET, Answered, Api
from storage_service.buckets.service import at_once

# How each is read, and what the store answers where it was never set.
PROBES: Mapping[Feature, tuple[str, frozenset[str]]] = {
    Feature.VERSIONING: ("get_bucket_versioning", frozenset()),
    Feature.ENCRYPTION: ("get_bucket_encryption", frozenset({"ServerSideEncryptionConfigurationNotFoundError"})),
    Feature.PUBLIC_ACCESS_BLOCK: ("get_public_access_block", frozenset({"NoSuchPublicAccessBlockConfiguration"})),
    Feature.OWNERSHIP: ("get_bucket_ownership_controls", frozenset({"OwnershipControlsNotFoundError"})),
    Feature.LIFECYCLE: ("get_bucket_lifecycle_configuration", frozenset({"NoSuchLifecycleConfiguration"})),
    Feature.CORS: ("get_bucket_cors", frozenset({"NoSuchCORSConfiguration"})),
}
_BLOCK = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_OWNER = "BucketOwnerEnforced"
_RULE = "tenantmesh"
_SCHEME = "https://"


class Configurations:
    """The settings of buckets, as far as the store has them."""

    def __init__(self, s3: Api, capabilities: frozenset[Feature]) -> None:
        self._s3 = s3
        self._capabilities = capabilities

    async def read(self, bucket: str) -> Configuration:
        """How the bucket stands; nothing of it where the bucket is gone."""
        asked = [feature for feature in PROBES if feature in self._capabilities]
        answers = await at_once(len(PROBES), *(self._read(feature, bucket) for feature in asked))
        return _configuration(dict(zip(asked, answers, strict=True)))

    async def write(self, bucket: str, wanted: Configuration, seen: Configuration) -> None:
        """Set what differs, one after the other."""
        for method, request in _requests(wanted, seen):
            await self._s3.call(method, Bucket=bucket, **request)

    async def _read(self, feature: Feature, bucket: str) -> Any:
        method, unset = PROBES[feature]
        try:
            return await self._s3.call(method, Bucket=bucket, tell=unset | NO_BUCKET)
        except Answered:
            return {}


def _configuration(answers: Mapping[Feature, Any]) -> Configuration:
    def said(feature: Feature) -> Any:
        return answers.get(feature, {})

    rules = said(Feature.ENCRYPTION).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    encryption = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
    block = said(Feature.PUBLIC_ACCESS_BLOCK).get("PublicAccessBlockConfiguration", {})
    owners = said(Feature.OWNERSHIP).get("OwnershipControls", {}).get("Rules", [])
    return Configuration(
        versioning=said(Feature.VERSIONING).get("Status") == "Enabled",
        encrypted=bool(encryption),
        kms_key_id=encryption.get("KMSMasterKeyID", ""),
        public_access_block=all(block.get(name) for name in _BLOCK),
        ownership=any(rule.get("ObjectOwnership") == _OWNER for rule in owners),
        lifecycle=_lifecycle(said(Feature.LIFECYCLE).get("Rules", [])),
        domains=_domains(said(Feature.CORS).get("CORSRules", [])),
    )


def _lifecycle(rules: list[Mapping[str, Any]]) -> Lifecycle | None:
    for rule in rules:
        if rule.get("ID") == _RULE and rule.get("Status") == "Enabled":
            noncurrent = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 0)
            incomplete = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation", 0)
            return Lifecycle(timedelta(days=int(noncurrent)), timedelta(days=int(incomplete)))
    return None


def _domains(rules: list[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(origin.removeprefix(_SCHEME) for rule in rules for origin in rule.get("AllowedOrigins", ())))


def _requests(wanted: Configuration, seen: Configuration) -> list[tuple[str, dict[str, Any]]]:
    """The requests that make what was seen into what is wanted."""
    requests: list[tuple[str, dict[str, Any]]] = []
    if wanted.public_access_block and not seen.public_access_block:
        block = {"PublicAccessBlockConfiguration": dict.fromkeys(_BLOCK, True)}
        requests.append(("put_public_access_block", block))
    if wanted.ownership and not seen.ownership:
        controls = {"OwnershipControls": {"Rules": [{"ObjectOwnership": _OWNER}]}}
        requests.append(("put_bucket_ownership_controls", controls))
    if (wanted.encrypted, wanted.kms_key_id) != (seen.encrypted, seen.kms_key_id):
        rules = {"ServerSideEncryptionConfiguration": {"Rules": [_encryption_rule(wanted.kms_key_id)]}}
        requests.append(("put_bucket_encryption", rules))
    if wanted.versioning is not seen.versioning:
        status = {"VersioningConfiguration": {"Status": "Enabled" if wanted.versioning else "Suspended"}}
        requests.append(("put_bucket_versioning", status))
    if wanted.lifecycle is not None and wanted.lifecycle != seen.lifecycle:
        lifecycle = {"LifecycleConfiguration": {"Rules": [_lifecycle_rule(wanted.lifecycle)]}}
        requests.append(("put_bucket_lifecycle_configuration", lifecycle))
    if wanted.domains != seen.domains:
        cors = {"CORSConfiguration": {"CORSRules": [_cors_rule(wanted.domains)]}}
        method = "put_bucket_cors" if wanted.domains else "delete_bucket_cors"
        requests.append((method, cors if wanted.domains else {}))
    return requests


def _encryption_rule(kms_key_id: str) -> dict[str, Any]:
    kind = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key_id} if kms_key_id else {"SSEAlgorithm": "AES256"}
    return {"ApplyServerSideEncryptionByDefault": kind}


def _lifecycle_rule(lifecycle: Lifecycle) -> dict[str, Any]:
    return {
        "ID": _RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": lifecycle.noncurrent.days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": lifecycle.incomplete.days},
    }


def _cors_rule(domains: tuple[str, ...]) -> dict[str, Any]:
    return {
        "AllowedOrigins": [f"{_SCHEME}{domain}" for domain in domains],
        "AllowedMethods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }
