"""What the tenants service is told by its environment."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network

from chassis.settings import ServerSettings
from pagekit import PageSettings
from postgreskit import DatabaseSettings
from settingskit import Problem, Secret, SettingsInvalid, nested, setting

_SHORTEST_SECRET = 32
PUBLIC_DOMAINS = tuple(
    """
    163.com 126.com aol.* bluewin.ch fastmail.* free.fr freenet.de gmail.com gmx.* googlemail.com hey.com hotmail.*
    icloud.com laposte.net libero.it live.* mac.com mail.com mail.ru mailbox.org me.com msn.com naver.com orange.fr
    outlook.* pm.me posteo.* proton.me protonmail.* qq.com rediffmail.com rocketmail.com seznam.cz t-online.de tuta.*
    tutanota.* wanadoo.fr web.de wp.pl yahoo.* yandex.* ymail.com zoho.com
    """.split()  # noqa: SIM905 - a list of words is read more easily
)
"""Where anybody gets an address: who had such a domain would be sent all the others who log in from there."""


class SignUpTier(enum.Enum):
    """How far the tenants of visitors are isolated."""

    SILO = "silo"
    BRIDGE = "bridge"
    POOLED = "pooled"


@dataclass(frozen=True, slots=True)
class LeadSettings:
    """How visitors become tenants."""

    tier: SignUpTier = setting("LEAD_TIER", default=SignUpTier.POOLED, help="The tier of tenants made of leads.")
    key_life: timedelta = setting(
        "LEAD_KEY_LIFE",
        default=timedelta(minutes=5),
        minimum=timedelta(seconds=1),
        help="How long a validation key can be used.",
    )
    token_life: timedelta = setting(
        "LEAD_TOKEN_LIFE",
        default=timedelta(minutes=15),
        minimum=timedelta(seconds=1),
        help="How long a lead's token can be used.",
    )
    token_issuer: str = setting("LEAD_TOKEN_ISSUER", default="tenants.tenantmesh", help="Who signs leads' tokens.")
    signing_key_life: timedelta = setting(
        "LEAD_SIGNING_KEY_LIFE",
        default=timedelta(days=30),
        minimum=timedelta(minutes=1),
        help="How long a key signs before the next one takes over.",
    )
    per_network: int = setting(
        "LEAD_LIMIT_NETWORK", default=60, minimum=1, help="Sign-up calls an hour from one network address."
    )
    per_email: int = setting("LEAD_LIMIT_EMAIL", default=5, minimum=1, help="Keys an hour for one e-mail address.")
    per_lead: int = setting("LEAD_LIMIT_TRIES", default=10, minimum=1, help="Tries an hour to verify one lead.")
    public_domains: tuple[str, ...] = setting(
        "LEAD_PUBLIC_DOMAINS",
        default=PUBLIC_DOMAINS,
        help="Domains of mail providers, which no visitor signs up with; `gmx.*` is all of gmx's. Empty lets all in.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        "TRUSTED_PROXIES",
        default=(),
        help="Networks (CIDR) whose x-forwarded-for is believed, the gateway's say; others speak for themselves.",
    )

    def __post_init__(self) -> None:
        """Refuse networks that are none."""
        problems = [
            Problem("TRUSTED_PROXIES", f"{network} is no network such as 10.0.0.0/8")
            for network in self.trusted_proxies
            if not _is_network(network)
        ]
        if problems:
            raise SettingsInvalid(problems)


@dataclass(frozen=True, slots=True)
class NameSettings:
    """Which keys tenants can have."""

    reserved: tuple[str, ...] = setting(
        "TENANT_RESERVED_KEYS", default=(), help="Keys no tenant gets, beside those that never can be had."
    )
    quarantine: timedelta = setting(
        "TENANT_KEY_QUARANTINE",
        default=timedelta(days=30),
        minimum=timedelta(0),
        help="How long the key and the domains of a removed tenant rest.",
    )
    checks_per_network: int = setting(
        "TENANT_KEY_LIMIT_NETWORK", default=600, minimum=1, help="Key checks an hour from one network address."
    )


@dataclass(frozen=True, slots=True)
class InvitationSettings:
    """How people come to tenants."""

    per_network: int = setting(
        "INVITATION_LIMIT_NETWORK",
        default=600,
        minimum=1,
        help="Calls an hour with an invitation's token from one network address.",
    )


@dataclass(frozen=True, slots=True)
class SealSettings:
    """What seals the answers and the signing keys that are kept."""

    secret: Secret = setting(
        "TENANTS_SECRET",
        help="Seals kept answers and signing keys, at least 32 characters; the same for all replicas.",
    )
    previous: Secret | None = setting(
        "TENANTS_SECRET_PREVIOUS", default=None, help="Still opens what it sealed, so that TENANTS_SECRET can change."
    )

    def __post_init__(self) -> None:
        """Refuse secrets that can be guessed."""
        problems = [
            Problem(name, f"must have at least {_SHORTEST_SECRET} characters")
            for name, secret in (("TENANTS_SECRET", self.secret), ("TENANTS_SECRET_PREVIOUS", self.previous))
            if secret is not None and len(secret.reveal()) < _SHORTEST_SECRET
        ]
        if problems:
            raise SettingsInvalid(problems)


@dataclass(frozen=True, slots=True)
class TenantsSettings:
    """Everything about a process of the tenants service."""

    operator_role: str = setting(
        "TENANTS_OPERATOR_ROLE",
        default="tenants_operator",
        help="The database role that reads every tenant's rows; made by the first migration where it is missing.",
    )
    sweep_interval: timedelta = setting(
        "TENANTS_SWEEP_INTERVAL",
        default=timedelta(minutes=5),
        minimum=timedelta(milliseconds=100),
        help="How often to forget used-up limits, old keys and answers that are kept no longer; one replica at a time.",
    )
    seal: SealSettings = nested(SealSettings)
    database: DatabaseSettings = nested(DatabaseSettings)
    pages: PageSettings = nested(PageSettings)
    leads: LeadSettings = nested(LeadSettings)
    names: NameSettings = nested(NameSettings)
    invitations: InvitationSettings = nested(InvitationSettings)
    server: ServerSettings = nested(ServerSettings, port=7101, ops={"port": 9101})


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
