"""What is said about buckets: where a tenant's objects lie, whose the place is, and how it is set up."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from faults import Invalid
from storage_service.credentials.model import Credentials, Owner
from storage_service.objects.model import Quota, Usage

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
# What S3 forbids beyond the letters, as its documentation lists it.
_FORBIDDEN_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_FORBIDDEN_ENDS = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3")


class Tier(enum.Enum):
    """How far a tenant is isolated from the others."""

    SILO = "silo"
    BRIDGE = "bridge"
    POOLED = "pooled"


class Feature(enum.Enum):
    """What a store can do for a bucket."""

    VERSIONING = "versioning"
    ENCRYPTION = "encryption"
    PUBLIC_ACCESS_BLOCK = "public_access_block"
    OWNERSHIP = "ownership"
    LIFECYCLE = "lifecycle"
    CORS = "cors"
    LIMITED_CREDENTIALS = "limited_credentials"
    QUOTA = "quota"


class FeatureState(enum.Enum):
    """What became of a feature."""

    ON = "on"
    OFF = "off"
    MISSING = "missing"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tenant's objects lie: all of a bucket, or what begins with a prefix in the shared one."""

    bucket: str
    prefix: str = ""

    @property
    def order(self) -> tuple[str, str]:
        """Where it stands in lists."""
        return self.bucket, self.prefix.removesuffix("/")

    @property
    def shared(self) -> bool:
        """Whether others' objects lie in the same bucket."""
        return bool(self.prefix)


@dataclass(frozen=True, slots=True)
class Names:
    """The one rule that makes names of tenants' keys."""

    prefix: str
    records: str
    shared: str

    def place_of(self, tenant_key: str, tier: Tier) -> Place:
        """Where the tenant's objects lie; NAME_INVALID where no bucket can have the name that follows."""
        if tier is Tier.POOLED:
            return Place(self.shared, f"tenant-{tenant_key}/")
        name = f"{self.prefix}-{tenant_key}"
        if name in {self.records, self.shared}:
            raise _name_invalid(name, "reserved", "is reserved for the mesh")
        check_bucket_name(name)
        return Place(name)


def check_bucket_name(name: str) -> None:
    """Raise NAME_INVALID unless every S3 store takes the name, as the host of a URL too."""
    if not _BUCKET_NAME.fullmatch(name):
        raise _name_invalid(name, "format", "must be 3 to 63 lower-case letters, digits and hyphens")
    if name.startswith(_FORBIDDEN_STARTS) or name.endswith(_FORBIDDEN_ENDS):
        raise _name_invalid(name, "reserved", "has a beginning or an end that S3 keeps for itself")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When the store removes what nobody needs any more."""

    noncurrent: timedelta
    incomplete: timedelta


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """How a bucket is set up."""

    versioning: bool
    kms_key_id: str
    lifecycle: Lifecycle


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What a caller wants of a bucket's settings; None leaves it as it is."""

    versioning: bool | None = None
    kms_key_id: str | None = None
    noncurrent: timedelta | None = None
    incomplete: timedelta | None = None

    def applied(self, settings: BucketSettings) -> BucketSettings:
        """The settings after the change."""
        kept = settings.lifecycle
        return BucketSettings(
            settings.versioning if self.versioning is None else self.versioning,
            settings.kms_key_id if self.kms_key_id is None else self.kms_key_id,
            Lifecycle(self.noncurrent or kept.noncurrent, self.incomplete or kept.incomplete),
        )


@dataclass(frozen=True, slots=True)
class Configuration:
    """How a bucket stands in its store. What the store does not have reads as off."""

    versioning: bool = False
    encrypted: bool = False
    kms_key_id: str = ""
    public_access_block: bool = False
    ownership: bool = False
    lifecycle: Lifecycle | None = None
    domains: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: BucketSettings, domains: tuple[str, ...]) -> Configuration:
        """What the settings and domains ask for; what protects a bucket is not to be chosen."""
        return cls(
            versioning=settings.versioning,
            encrypted=True,
            kms_key_id=settings.kms_key_id,
            public_access_block=True,
            ownership=True,
            lifecycle=settings.lifecycle,
            domains=domains,
        )

    def within(self, capabilities: frozenset[Feature]) -> Configuration:
        """What of it a store can be that has these features only."""
        return replace(
            self,
            versioning=self.versioning and Feature.VERSIONING in capabilities,
            encrypted=self.encrypted and Feature.ENCRYPTION in capabilities,
            kms_key_id=self.kms_key_id if Feature.ENCRYPTION in capabilities else "",
            public_access_block=self.public_access_block and Feature.PUBLIC_ACCESS_BLOCK in capabilities,
            ownership=self.ownership and Feature.OWNERSHIP in capabilities,
            lifecycle=self.lifecycle if Feature.LIFECYCLE in capabilities else None,
            domains=self.domains if Feature.CORS in capabilities else (),
        )

    def state_of(self, feature: Feature) -> FeatureState:
        """What became of a feature that the store has."""
        on = {
            Feature.VERSIONING: self.versioning,
            Feature.ENCRYPTION: self.encrypted,
            Feature.PUBLIC_ACCESS_BLOCK: self.public_access_block,
            Feature.OWNERSHIP: self.ownership,
            Feature.LIFECYCLE: self.lifecycle is not None,
            Feature.CORS: bool(self.domains),
            Feature.LIMITED_CREDENTIALS: True,
            Feature.QUOTA: True,
        }[feature]
        return FeatureState.ON if on else FeatureState.OFF


@dataclass(frozen=True, slots=True)
class Record:
    """What the mesh knows of a place it made, kept in the store itself."""

    place: Place
    tenant_key: str
    tier: Tier
    owner: Owner
    settings: BucketSettings
    domains: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    complete: bool = False
    access_enabled: bool = True
    quota: Quota = field(default_factory=Quota)
    usage: Usage | None = None
    credentials: tuple[Credentials, ...] = ()
    create_time: datetime | None = None
    update_time: datetime | None = None

    def belongs_to(self, tenant_id: str) -> bool:
        """Whether the mesh made it for this tenant."""
        return self.owner.tenant_id == tenant_id

    @property
    def stamp(self) -> Stamp:
        """What the bucket itself should say."""
        return Stamp(self.tenant_key, self.tier, self.owner)

    def without(self, credentials: Collection[str]) -> Record:
        """The record without these credentials."""
        kept = tuple(one for one in self.credentials if one.credentials_id not in credentials)
        return replace(self, credentials=kept)

    def credential(self, credentials_id: str) -> Credentials | None:
        """One of its credentials."""
        return next((one for one in self.credentials if one.credentials_id == credentials_id), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it was read, with the store's own word for this state of it; none where the record was lost."""

    record: Record
    version: str | None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a bucket itself says of whose it is."""

    tenant_key: str
    tier: Tier
    owner: Owner


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that stands in the store, and its stamp: none on what the mesh did not make.

    Bare is what nobody has tagged or put anything into: as the mesh leaves a bucket before it stamps it.
    """

    stamp: Stamp | None = None
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a new place gets unless more is said."""

    settings: BucketSettings
    folders: tuple[str, ...] = ()

    def recovered(self, place: Place, stamp: Stamp) -> Record:
        """A record in place of one that was lost, as far as the bucket's stamp tells."""
        time = stamp.owner.time
        return Record(
            place, stamp.tenant_key, stamp.tier, stamp.owner, self.settings, folders=self.folders, complete=True,
            create_time=time, update_time=time,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place as callers see it: the record and what stands in the store."""

    record: Record
    configuration: Configuration
    capabilities: frozenset[Feature]

    def features(self) -> dict[Feature, FeatureState]:
        """What became of each feature."""
        return {feature: self._state_of(feature) for feature in Feature}

    def _state_of(self, feature: Feature) -> FeatureState:
        if feature not in self.capabilities:
            return FeatureState.MISSING
        if self.record.place.shared and feature not in {Feature.LIMITED_CREDENTIALS, Feature.QUOTA}:
            return FeatureState.SHARED
        return self.configuration.state_of(feature)


def _name_invalid(name: str, rule: str, sentence: str) -> Invalid:
    return Invalid(f"The bucket name {name} {sentence}.", reason="NAME_INVALID", facts={"name": name, "rule": rule})
