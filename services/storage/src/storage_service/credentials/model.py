"""What is said about credentials: whose they are, what they allow and how they stand. The secret is never kept."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Owner:
    """The stamp the mesh leaves on what it makes."""

    tenant_id: str
    operation_id: str
    time: datetime


class Access(enum.Enum):
    """What credentials allow."""

    READ_ONLY = "read_only"
    READ_WRITE = "read_write"


@dataclass(frozen=True, slots=True)
class Claim:
    """Credentials can be claimed by whoever knows what this is the digest of."""

    digest: str
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials that reach one place and nothing else. The secret is not among what is kept."""

    credentials_id: str
    access: Access
    owner: Owner
    lifetime: timedelta | None = None
    replaces: str = ""
    keeps_previous: bool = False
    claim: Claim | None = None
    claim_time: datetime | None = None
    access_key_id: str = ""
    expire_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was just made. It is handed over once, and kept nowhere."""

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    expire_time: datetime | None = None


class State(enum.Enum):
    """How credentials stand."""

    CLAIMABLE = "claimable"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Rules:
    """How credentials are handed over, and how many there may be."""

    claim_lifetime: timedelta = timedelta(hours=24)
    limit: int = 8
