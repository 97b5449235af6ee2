"""What is said of a tenant's place for rows: whose it is, what it may take, and what stands there."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from faults import AlreadyExists, Conflict, Fault, Invalid, NotFound

PREFIX = "tenant_"
"""What the name of every tenant's own schema, role and database begins with."""

_KEY = re.compile(r"[a-z][a-z0-9-]{1,29}[a-z0-9]")


class Tier(enum.Enum):
    """How far a tenant is isolated from the others."""

    SILO = "silo"
    BRIDGE = "bridge"
    POOLED = "pooled"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose place it is, and of which kind."""

    tenant_id: str
    key: str
    tier: Tier

    def __post_init__(self) -> None:
        """Refuse a key that no name can be made of, whoever let it through."""
        if not _KEY.fullmatch(self.key):
            raise name_invalid(self.key, "must be 3 to 31 letters, digits and hyphens")

    @property
    def own_name(self) -> str:
        """The name of its own schema and role, where its tier has them."""
        return PREFIX + self.key.replace("-", "_")

    @property
    def pooled(self) -> bool:
        """Whether its rows lie in the shared schema."""
        return self.tier is Tier.POOLED


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant may take of its server; what is None is not said."""

    max_connections: int | None = None
    statement_timeout: timedelta | None = None
    idle_in_transaction_timeout: timedelta | None = None

    def over(self, others: Limits) -> Limits:
        """These, and where they say nothing the others."""
        return Limits(
            self.max_connections or others.max_connections,
            self.statement_timeout or others.statement_timeout,
            self.idle_in_transaction_timeout or others.idle_in_transaction_timeout,
        )


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the mesh writes on whatever it makes: for which tenant, by which operation, and when."""

    tenant_id: str
    operation_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Seed:
    """What a place was first filled with."""

    template: str
    version: str
    sha256: str
    rows: Mapping[str, int]
    time: datetime


@dataclass(frozen=True, slots=True)
class HandOver:
    """How it stands with the password of a role. The password itself is kept nowhere."""

    claimable: bool = True
    """Whether a password waits to be claimed."""
    operation_id: str = ""
    """Which operation asked for it; the first needs none."""
    digest: str = ""
    """The SHA-256 of the newest claim token."""
    expire_time: datetime | None = None
    claim_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is on record of a tenant's place, beside what the database itself knows."""

    tenant: Tenant
    stamp: Stamp
    limits: Limits
    update_time: datetime
    access_enabled: bool = True
    seed: Seed | None = None
    hand_over: HandOver = field(default_factory=HandOver)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a place is."""

    schema: str
    role: str
    server: str
    database: str
    own_database: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at the names of a tenant's place."""

    location: Location
    record: Record | None = None
    stamp: Stamp | None = None
    """The mesh's stamp on what stands there, for this tenant."""
    foreign: str = ""
    """What stands there and is somebody else's: `another_tenant`, or `unknown`; empty where nothing does."""
    schema: bool = False
    role: bool = False
    version: int = 0
    size: int = 0
    elsewhere: bool = False
    """Whether a database of the tenant's own is to be looked at as well."""

    @property
    def empty(self) -> bool:
        """Whether nothing of the tenant is there at all."""
        return not (self.record or self.stamp)

    @property
    def whole(self) -> bool:
        """Whether everything is there."""
        return bool(self.record and self.schema and self.role)


@dataclass(frozen=True, slots=True)
class Schema:
    """A tenant's place as its database holds it."""

    location: Location
    record: Record
    version: int
    size: int
    provider: str


@dataclass(frozen=True, slots=True)
class Applied:
    """One migration as one schema got it."""

    version: int
    name: str
    sha256: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list of places goes on: behind this one."""

    server: str
    database: str
    schema: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Connection:
    """What somebody needs to sign in: a secret, and where it is valid."""

    password: str = field(repr=False)
    location: Location
    host: str
    port: int


def name_invalid(name: str, rule: str) -> Fault:
    """The fault of a key no name can be made of."""
    return Invalid(f"The name {rule}.", reason="NAME_INVALID", facts={"name": name, "rule": rule})


def not_found(location: Location) -> Fault:
    """The fault of a place that is not there."""
    facts = {"schema": location.schema, "server": location.server}
    return NotFound("The tenant has no schema here.", reason="SCHEMA_NOT_FOUND", facts=facts)


def not_owned(location: Location, owner: str) -> Fault:
    """The fault of a name that somebody else has."""
    return AlreadyExists(
        f"The name {location.schema} is in use, and not by the mesh for this tenant.",
        reason="SCHEMA_NOT_OWNED",
        facts={"schema": location.schema, "server": location.server, "owner": owner},
    )


def operation_mismatch(location: Location, stamp: Stamp) -> Fault:
    """The fault of removing what another operation made."""
    return Conflict(
        f"{location.schema} was made by another operation.",
        reason="OPERATION_MISMATCH",
        facts={"name": location.schema, "operation_id": stamp.operation_id},
    )


def capability_missing(provider: str, capability: str, sentence: str) -> Fault:
    """The fault of asking for what cannot be had."""
    return Conflict(sentence, reason="CAPABILITY_MISSING", facts={"provider": provider, "capability": capability})
