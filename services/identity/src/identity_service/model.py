"""What is said about identity: whose it is, where people sign in, by which clients, and who they are."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from faults import Aborted, AlreadyExists, Conflict, Fault, Invalid, NotFound

ADMIN = "admin"
"""The role that administers one tenant and nothing else, whatever a provider calls it."""


class Tier(enum.Enum):
    """How far a tenant is isolated from the others."""

    SILO = "silo"
    BRIDGE = "bridge"
    POOLED = "pooled"


class Capability(enum.Enum):
    """What a provider can do. What it cannot is refused."""

    OWN_REALM = "own_realm"
    ORGANIZATIONS = "organizations"
    SETTINGS = "settings"
    SECRET_OVERLAP = "secret_overlap"  # noqa: S105 - the name of a capability
    MAIL = "mail"
    PASSWORDS = "passwords"


class SecondFactor(enum.Enum):
    """Whether a second factor is asked for."""

    OPTIONAL = "optional"
    REQUIRED = "required"


class ClientType(enum.Enum):
    """Whether a client can keep a secret."""

    CONFIDENTIAL = "confidential"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, and the names that follow from it."""

    tenant_id: str
    key: str
    tier: Tier

    @property
    def name(self) -> str:
        """What its realm or organization is called."""
        return f"tenant-{self.key}"

    @property
    def shared(self) -> bool:
        """Whether its people sign in to a realm they share with those of other tenants."""
        return self.tier is Tier.POOLED

    @property
    def place(self) -> str:
        """What tells its realm from its organization in the shared one: a tenant that changes its tier has both."""
        return f"{'shared' if self.shared else 'own'}/{self.name}"

    def client_id(self, name: str) -> str:
        """What a client of it is called at the provider."""
        return f"{self.key}-{name}"


@dataclass(frozen=True, slots=True)
class Owner:
    """The stamp the mesh leaves on what it makes."""

    tenant_id: str
    operation_id: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class BruteForceProtection:
    """What repeated wrong passwords lead to."""

    max_failures: int = 5
    min_wait: timedelta = timedelta(seconds=60)
    max_wait: timedelta = timedelta(minutes=15)
    reset_time: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """How signing in to an organization behaves; as it is by default where nothing is said."""

    second_factor: SecondFactor = SecondFactor.OPTIONAL
    reset_password_allowed: bool = True
    self_registration_allowed: bool = False
    brute_force_protection: BruteForceProtection = field(default_factory=BruteForceProtection)
    access_token_lifetime: timedelta = timedelta(minutes=5)
    session_idle_timeout: timedelta = timedelta(minutes=30)
    session_lifetime: timedelta = timedelta(hours=10)
    language: str = ""
    login_theme: str = ""


@dataclass(frozen=True, slots=True)
class Organization:
    """Where a tenant's people sign in: a realm of its own, or an organization in a shared realm.

    `owner` is None where the mesh did not make it, `settings` where they are those of a shared realm.
    """

    name: str
    tenant_key: str
    tier: Tier
    display_name: str
    domains: tuple[str, ...] = ()
    enabled: bool = True
    settings: OrganizationSettings | None = None
    owner: Owner | None = None
    issuer: str = ""
    shard: str = ""
    provider: str = ""
    provider_id: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None

    def says(self, wanted: Organization) -> bool:
        """Whether it is as wanted already, in everything a caller can say."""
        return (
            self.tier is wanted.tier
            and self.display_name == wanted.display_name
            and set(self.domains) == set(wanted.domains)
            and self.settings == wanted.settings
        )


@dataclass(frozen=True, slots=True)
class Client:
    """An OpenID Connect client: authorization code flow with PKCE (S256), and nothing else."""

    name: str
    client_id: str
    display_name: str
    type: ClientType = ClientType.CONFIDENTIAL
    redirect_uris: tuple[str, ...] = ()
    web_origins: tuple[str, ...] = ()
    enabled: bool = True
    secret_create_time: datetime | None = None
    previous_secret_expire_time: datetime | None = None
    owner: Owner | None = None
    provider: str = ""
    provider_id: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None

    def says(self, wanted: Client) -> bool:
        """Whether it is as wanted already, in everything a caller can say."""
        return (
            self.display_name == wanted.display_name
            and self.type is wanted.type
            and set(self.redirect_uris) == set(wanted.redirect_uris)
            and set(self.web_origins) == set(wanted.web_origins)
        )


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in.

    `mail_pending` says that the provider still owes the person the mail by which to choose a password: it is stamped
    when the user is made and gone when the mail is sent, so that a lost answer loses no mail.
    """

    email: str
    given_name: str = ""
    family_name: str = ""
    language: str = ""
    email_verified: bool = False
    enabled: bool = True
    password_change_required: bool = True
    mail_pending: bool = False
    roles: tuple[str, ...] = ()
    user_id: str = ""
    owner: Owner | None = None
    provider: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None

    def says(self, wanted: User) -> bool:
        """Whether the user is as wanted already, in everything a caller can say."""
        return (self.given_name, self.family_name, self.language, self.email_verified) == (
            wanted.given_name,
            wanted.family_name,
            wanted.language,
            wanted.email_verified,
        )


@dataclass(frozen=True, slots=True)
class Who:
    """Which user: by the provider's identifier, or by e-mail address in lower case. One of them is empty."""

    user_id: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Shard:
    """One server, cluster or account of a provider."""

    name: str
    provider: str
    version: str = ""
    available: bool = True
    detail: str = ""
    capabilities: frozenset[Capability] = frozenset()
    realm_count: int = 0
    realm_limit: int = 0
    organization_count: int = 0


def check_capable(provider: str, capabilities: Collection[Capability], wanted: Capability) -> None:
    """Raise CAPABILITY_MISSING unless the provider can do it."""
    if wanted not in capabilities:
        raise incapable(provider, wanted.value)


def organization_not_found(name: str, provider: str) -> Fault:
    """The tenant has no organization there."""
    return NotFound(
        "The tenant has no organization at the identity provider.",
        reason="ORGANIZATION_NOT_FOUND",
        facts={"name": name, "provider": provider},
    )


def organization_not_owned(name: str, provider: str, owner: str) -> Fault:
    """Something of that name stands there, and is somebody else's."""
    return AlreadyExists(
        f"A realm or organization {name} exists that was not made for this tenant.",
        reason="ORGANIZATION_NOT_OWNED",
        facts={"name": name, "provider": provider, "owner": owner},
    )


def client_not_found(name: str, provider: str) -> Fault:
    """The organization has no client of that name."""
    return NotFound(
        f"The organization has no client {name}.",
        reason="CLIENT_NOT_FOUND",
        facts={"name": name, "provider": provider},
    )


def client_not_owned(client_id: str, provider: str, owner: str) -> Fault:
    """A client of that id stands there, and is somebody else's."""
    return AlreadyExists(
        f"A client {client_id} exists that was not made for this tenant.",
        reason="CLIENT_NOT_OWNED",
        facts={"client_id": client_id, "provider": provider, "owner": owner},
    )


def user_not_found(provider: str) -> Fault:
    """The organization has no such user."""
    return NotFound("The organization has no such user.", reason="USER_NOT_FOUND", facts={"provider": provider})


def user_not_owned(provider: str, owner: str) -> Fault:
    """Somebody of that address is there, and not of the mesh for this tenant."""
    return AlreadyExists(
        "Somebody of that address exists who was not made for this tenant.",
        reason="USER_NOT_OWNED",
        facts={"provider": provider, "owner": owner},
    )


def operation_mismatch(name: str, operation_id: str) -> Fault:
    """It was made by another operation."""
    return Conflict(
        f"{name} was made by another operation.",
        reason="OPERATION_MISMATCH",
        facts={"name": name, "operation_id": operation_id},
    )


def incapable(provider: str, capability: str) -> Fault:
    """The provider cannot do what was asked."""
    return Conflict(
        "The identity provider cannot do this.",
        reason="CAPABILITY_MISSING",
        facts={"provider": provider, "capability": capability},
    )


def changed(name: str) -> Fault:
    """Somebody made or removed it while this call was at work."""
    return Aborted(f"Somebody else changed {name} at the same time.", reason="CONCURRENT_CHANGE", domain="tenantmesh")


def email_invalid(rule: str) -> Fault:
    """The address is none, or none the provider takes."""
    return Invalid("The e-mail address cannot be used.", reason="EMAIL_INVALID", facts={"rule": rule})
