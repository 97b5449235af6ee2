"""What is configured about Keycloak."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from settingskit import Problem, Secret, SettingsInvalid, setting

FIRST: Final = "main"
"""What the shard at KEYCLOAK_URL is called."""

_SHARD = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,62})=(?P<url>https?://.+)")
_REALM = re.compile(r"[a-z][a-z0-9-]{1,62}")


@dataclass(frozen=True, slots=True)
class KeycloakSettings:
    """Settings of the keycloak provider."""

    client_secret: Secret = setting("KEYCLOAK_ADMIN_CLIENT_SECRET", help="Secret of the service account.")
    client_id: str = setting(
        "KEYCLOAK_ADMIN_CLIENT_ID",
        default="tenantmesh",
        help="Service account in the realm master, with the role create-realm and lightweight access tokens.",
    )
    url: str = setting("KEYCLOAK_URL", default="http://127.0.0.1:8081", help="Address of Keycloak.")
    public_url: str = setting(
        "KEYCLOAK_PUBLIC_URL", default="", help="Address people know it by, in issuers; KEYCLOAK_URL if not given."
    )
    realm: str = setting(
        "KEYCLOAK_REALM", default="tenantmesh", help="The realm that pooled tenants share. It is made when needed."
    )
    shards: tuple[str, ...] = setting(
        "KEYCLOAK_SHARDS",
        default=(),
        help="Further Keycloaks, name=url each, comma separated; KEYCLOAK_URL is the one called main.",
    )
    realm_limit: int = setting(
        "KEYCLOAK_REALM_LIMIT", default=300, minimum=1, help="How many realms a shard may hold before it takes no more."
    )
    secret_overlap: bool = setting(
        "KEYCLOAK_SECRET_OVERLAP",
        default=False,
        help="Keycloak runs with the feature client-secret-rotation: an old secret can work on beside the new one.",
    )
    patience: timedelta = setting(
        "KEYCLOAK_TIMEOUT",
        default=timedelta(seconds=10),
        help="How long one request may take; a new realm, three times.",
    )
    mail_host: str = setting(
        "KEYCLOAK_SMTP_HOST", default="", help="Where Keycloak sends its own mails; without it, it sends none."
    )
    mail_port: int = setting("KEYCLOAK_SMTP_PORT", default=25, minimum=1, maximum=65535, help="Its port.")
    mail_from: str = setting("KEYCLOAK_SMTP_FROM", default="", help="Who those mails are from; required with a host.")
    mail_user: str = setting("KEYCLOAK_SMTP_USER", default="", help="Who Keycloak signs in as there; empty: nobody.")
    mail_password: Secret | None = setting("KEYCLOAK_SMTP_PASSWORD", default=None, help="With which password.")
    mail_starttls: bool = setting("KEYCLOAK_SMTP_STARTTLS", default=False, help="Whether it must encrypt first.")

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        problems = [
            Problem("KEYCLOAK_SHARDS", f"must be written name=url, comma separated, not {one}")
            for one in self.shards
            if not _SHARD.fullmatch(one)
        ]
        if len(self.addresses) != len(self.shards) + 1 and not problems:
            problems.append(Problem("KEYCLOAK_SHARDS", f"must have names of their own, and none may be {FIRST}"))
        if not _REALM.fullmatch(self.realm) or self.realm == "master" or self.realm.startswith("tenant-"):
            problems.append(Problem("KEYCLOAK_REALM", "must be a realm's name, and neither master nor a tenant's"))
        if self.mail_host and not self.mail_from:
            problems.append(Problem("KEYCLOAK_SMTP_FROM", "is required with KEYCLOAK_SMTP_HOST"))
        if problems:
            raise SettingsInvalid(problems)

    @property
    def addresses(self) -> dict[str, str]:
        """The address of each shard, by its name."""
        further = {one.partition("=")[0]: one.partition("=")[2].rstrip("/") for one in self.shards}
        return {FIRST: self.url.rstrip("/")} | further
