"""What is configured about buckets, whichever store holds them. A provider's own settings stand in its module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from settingskit import Problem, SettingsInvalid, setting
from storage_service.buckets.model import BucketSettings, Defaults, Lifecycle, Names
from storage_service.credentials.model import Rules

# With the longest key and the identifier of credentials behind it, what follows is still a name of a user of IAM.
_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,18}[a-z0-9]")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_FOLDER = re.compile(r"(?!\.{1,2}(/|$))[A-Za-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)*/?")


@dataclass(frozen=True, slots=True)
class BucketDefaults:
    """How places are called and set up."""

    prefix: str = setting(
        "STORAGE_BUCKET_PREFIX", default="tenantmesh", help="What the name of every bucket begins with: {prefix}-{key}."
    )
    shared: str | None = setting(
        "STORAGE_SHARED_BUCKET", default=None, help="Bucket of pooled tenants; {prefix}-mesh-shared if not given."
    )
    records: str | None = setting(
        "STORAGE_RECORDS_BUCKET", default=None, help="Bucket of the mesh's records; {prefix}-mesh-records if not given."
    )
    folders: tuple[str, ...] = setting(
        "STORAGE_BUCKET_FOLDERS", default=("documents", "uploads"), help="Folders laid out in a new place."
    )
    versioning: bool = setting(
        "STORAGE_BUCKET_VERSIONING", default=True, help="Whether new buckets keep old versions of an object."
    )
    noncurrent: timedelta = setting(
        "STORAGE_NONCURRENT_LIFETIME", default=timedelta(days=30), minimum=timedelta(days=1),
        help="How long a new bucket keeps old versions, whole days.",
    )  # fmt: skip
    incomplete: timedelta = setting(
        "STORAGE_INCOMPLETE_UPLOAD_LIFETIME", default=timedelta(days=7), minimum=timedelta(days=1),
        help="How long a new bucket keeps unfinished uploads, whole days.",
    )  # fmt: skip

    claim_lifetime: timedelta = setting(
        "STORAGE_CLAIM_LIFETIME", default=timedelta(hours=24), minimum=timedelta(seconds=1),
        help="How long credentials can be claimed once a claim token is made.",
    )  # fmt: skip
    credentials_limit: int = setting(
        "STORAGE_CREDENTIALS_LIMIT", default=8, minimum=1, maximum=100, help="How many credentials a place may have."
    )
    usage_age: timedelta = setting(
        "STORAGE_USAGE_MAX_AGE",
        default=timedelta(minutes=5),
        help="How old a count may be that a quota is held against.",
    )

    def __post_init__(self) -> None:
        """Refuse names that no store takes, and folders that lead elsewhere."""
        problems = []
        if not _PREFIX.fullmatch(self.prefix):
            problems.append(Problem("STORAGE_BUCKET_PREFIX", "must be 2 to 20 letters, digits and hyphens"))
        for name, bucket in (("STORAGE_SHARED_BUCKET", self.shared), ("STORAGE_RECORDS_BUCKET", self.records)):
            if bucket is not None and not _BUCKET.fullmatch(bucket):
                problems.append(Problem(name, "must be 3 to 63 lower-case letters, digits and hyphens"))
        if self.names.shared == self.names.records:
            problems.append(Problem("STORAGE_RECORDS_BUCKET", "must be another bucket than STORAGE_SHARED_BUCKET"))
        if not all(map(_FOLDER.fullmatch, self.folders)):
            problems.append(Problem("STORAGE_BUCKET_FOLDERS", "must be paths such as documents/invoices"))
        lifetimes = (
            ("STORAGE_NONCURRENT_LIFETIME", self.noncurrent),
            ("STORAGE_INCOMPLETE_UPLOAD_LIFETIME", self.incomplete),
        )
        problems += [Problem(name, "must be whole days") for name, span in lifetimes if span % timedelta(days=1)]
        if problems:
            raise SettingsInvalid(problems)

    @property
    def names(self) -> Names:
        """The rule that makes names."""
        mesh = f"{self.prefix}-mesh"
        return Names(self.prefix, self.records or f"{mesh}-records", self.shared or f"{mesh}-shared")

    @property
    def defaults(self) -> Defaults:
        """What a new place gets."""
        settings = BucketSettings(self.versioning, "", Lifecycle(self.noncurrent, self.incomplete))
        return Defaults(settings, tuple(sorted({f"{folder.rstrip('/')}/" for folder in self.folders})))

    @property
    def rules(self) -> Rules:
        """How credentials are handed over."""
        return Rules(self.claim_lifetime, self.credentials_limit)
