"""How a realm is described to Keycloak, and what one says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from identity_service.model import BruteForceProtection, Organization, OrganizationSettings, SecondFactor, Tier
from identity_service.providers.keycloak import stamps
from identity_service.providers.keycloak.server import NAME, Server
from identity_service.providers.keycloak.settings import KeycloakSettings

PREFIX: Final = "tenant-"
"""What the name of every tenant's realm or organization begins with."""
SHARED: Final = "tenantmesh.shared"
"""The attribute by which the shared realm is known as the mesh's."""
TENANT_ADMIN: Final = "tenant-admin"
"""The role that administers one tenant: in a realm of its own all of that realm, in the shared one what its application
understands by it. Keycloak's `realm-admin` can be given only by who holds it; a role that is made with the realm and
contains it, by whoever made the realm.
"""

_DOMAINS: Final = "tenantmesh.domains"
_SECOND_FACTOR: Final = "tenantmesh.second_factor"
_TIER: Final = "tenantmesh.tier"
_OVERLAP: Final = "overlapping-secrets"
_FIVE_YEARS: Final = str(5 * 365 * 24 * 3600)

_REALM_ADMIN = {"composite": True, "composites": {"client": {"realm-management": ["realm-admin"]}}}
_BOTH = {"view": ["admin", "user"], "edit": ["admin", "user"]}
# Keycloak's own profile refuses user names that are addresses with a quote in them, and demands names from everyone.
# What the mesh writes on a user, only an administrator can change.
_PROFILE = {
    "attributes": [
        {"name": "username", "validations": {"length": {"min": 1, "max": 255}}, "permissions": _BOTH},
        {
            "name": "email",
            "validations": {"email": {"max-local-length": "64"}, "length": {"max": 255}},
            "required": {"roles": ["user"]},
            "permissions": _BOTH,
        },
        {"name": "firstName", "validations": {"length": {"max": 255}}, "permissions": _BOTH},
        {"name": "lastName", "validations": {"length": {"max": 255}}, "permissions": _BOTH},
    ],
    "unmanagedAttributePolicy": "ADMIN_EDIT",
}
_COMPONENTS = {
    "org.keycloak.userprofile.UserProfileProvider": [
        {"providerId": "declarative-user-profile", "config": {"kc.user.profile.config": [json.dumps(_PROFILE)]}}
    ]
}


def new_realm(name: str, settings: KeycloakSettings) -> dict[str, Any]:
    """What every realm of the mesh has, and what cannot be said later in one request."""
    administers = {} if name == settings.realm else _REALM_ADMIN
    realm: dict[str, Any] = {
        "realm": name,
        "enabled": True,
        "sslRequired": "external",
        "loginWithEmailAllowed": True,
        "duplicateEmailsAllowed": False,
        "registrationEmailAsUsername": True,
        "editUsernameAllowed": False,
        "components": _COMPONENTS,
        "roles": {"realm": [{"name": TENANT_ADMIN, "description": "Administers the tenant", **administers}]},
    }
    return realm | _mail(settings) | (_overlap() if settings.secret_overlap else {})


def shared_realm(settings: KeycloakSettings) -> dict[str, Any]:
    """The realm that pooled tenants share."""
    return {
        **new_realm(settings.realm, settings),
        **sign_in(OrganizationSettings()),
        "organizationsEnabled": True,
        "attributes": {SHARED: "true"},
    }


def sign_in(settings: OrganizationSettings) -> dict[str, Any]:
    """How signing in behaves, in Keycloak's words."""
    brute = settings.brute_force_protection
    return {
        "resetPasswordAllowed": settings.reset_password_allowed,
        "registrationAllowed": settings.self_registration_allowed,
        "bruteForceProtected": True,
        "failureFactor": brute.max_failures,
        "waitIncrementSeconds": _seconds(brute.min_wait),
        "minimumQuickLoginWaitSeconds": _seconds(brute.min_wait),
        "maxFailureWaitSeconds": _seconds(brute.max_wait),
        "maxDeltaTimeSeconds": _seconds(brute.reset_time),
        "accessTokenLifespan": _seconds(settings.access_token_lifetime),
        "ssoSessionIdleTimeout": _seconds(settings.session_idle_timeout),
        "ssoSessionMaxLifespan": _seconds(settings.session_lifetime),
        "internationalizationEnabled": bool(settings.language),
        "supportedLocales": [settings.language] if settings.language else [],
        "defaultLocale": settings.language,
        "loginTheme": settings.login_theme,
    }


def own_realm(wanted: Organization) -> dict[str, Any]:
    """What a tenant's own realm shall be like, without what is said once only."""
    settings = wanted.settings or OrganizationSettings()
    return {
        "displayName": wanted.display_name,
        **sign_in(settings),
        "attributes": {
            **stamps.stamp(wanted.owner, wanted.update_time),
            "tenantId": wanted.owner.tenant_id if wanted.owner else "",
            _TIER: wanted.tier.value,
            _DOMAINS: " ".join(wanted.domains),
            _SECOND_FACTOR: settings.second_factor.value,
        },
    }


def organization_of_realm(realm: Mapping[str, Any], server: Server) -> Organization:
    """What a realm says of itself; one that we do not administer says hardly anything."""
    attributes: Mapping[str, str] = realm.get("attributes") or {}
    owner = stamps.owner_of(attributes)
    return Organization(
        name=realm["realm"],
        tenant_key=realm["realm"].removeprefix(PREFIX),
        tier=Tier(attributes.get(_TIER, Tier.SILO.value)),
        display_name=realm.get("displayName") or "",
        domains=tuple(attributes.get(_DOMAINS, "").split()),
        enabled=realm.get("enabled", True),
        settings=_settings(realm, attributes) if owner else None,
        owner=owner,
        issuer=server.issuer(realm["realm"]),
        shard=server.name,
        provider=NAME,
        provider_id=realm.get("id", ""),
        create_time=owner.create_time if owner else None,
        update_time=stamps.updated(attributes),
    )


def _settings(realm: Mapping[str, Any], attributes: Mapping[str, str]) -> OrganizationSettings:
    return OrganizationSettings(
        second_factor=SecondFactor(attributes.get(_SECOND_FACTOR, SecondFactor.OPTIONAL.value)),
        reset_password_allowed=realm["resetPasswordAllowed"],
        self_registration_allowed=realm["registrationAllowed"],
        brute_force_protection=BruteForceProtection(
            max_failures=realm["failureFactor"],
            min_wait=timedelta(seconds=realm["waitIncrementSeconds"]),
            max_wait=timedelta(seconds=realm["maxFailureWaitSeconds"]),
            reset_time=timedelta(seconds=realm["maxDeltaTimeSeconds"]),
        ),
        access_token_lifetime=timedelta(seconds=realm["accessTokenLifespan"]),
        session_idle_timeout=timedelta(seconds=realm["ssoSessionIdleTimeout"]),
        session_lifetime=timedelta(seconds=realm["ssoSessionMaxLifespan"]),
        language=realm.get("defaultLocale") or "",
        login_theme=realm.get("loginTheme") or "",
    )


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _mail(settings: KeycloakSettings) -> dict[str, Any]:
    """By which server the realm sends its mails; none where none is configured."""
    if not settings.mail_host:
        return {}
    server = {
        "host": settings.mail_host,
        "port": str(settings.mail_port),
        "from": settings.mail_from,
        "starttls": str(settings.mail_starttls).lower(),
        "auth": str(bool(settings.mail_user)).lower(),
        "allowutf8": "true",
    }
    if settings.mail_user:
        password = settings.mail_password.reveal() if settings.mail_password else ""
        server |= {"user": settings.mail_user, "password": password}
    return {"smtpServer": server}


def _overlap() -> dict[str, Any]:
    """The policy under which a client may have an old secret beside its new one. How long is said at each rotation."""
    periods = {
        "expiration-period": _FIVE_YEARS,
        "rotated-expiration-period": _FIVE_YEARS,
        "remaining-rotation-period": "1",
    }
    executor = {"executor": "secret-rotation", "configuration": periods}
    condition = {"condition": "any-client", "configuration": {}}
    policy = {"name": _OVERLAP, "enabled": True, "conditions": [condition], "profiles": [_OVERLAP]}
    return {
        "clientProfiles": {"profiles": [{"name": _OVERLAP, "executors": [executor]}]},
        "clientPolicies": {"policies": [policy]},
    }
