"""What the mesh writes into the metadata of Auth0's organizations, applications and users, and reads out of it again.

Values have at most 255 characters, so a list of domains is packed and cut.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from identity_service.model import Client, ClientType, Organization, Owner, Tenant, Tier, User, incapable

NAME: Final = "auth0"
MAKING: Final = "making"
"""Stands in the place of a client's id until the client is whole."""

_OWNER: Final = "tenantmesh_owner"
_STATE: Final = "tenantmesh_state"
_CLIENT: Final = "tenantmesh_client_"
_DOMAINS: Final = "tenantmesh_domains_"
_LONGEST: Final = 255
_MOST_PARTS: Final = 16
_NO_SECRET: Final = "none"  # noqa: S105 - the name of a method
_SECRET_POSTED: Final = "client_secret_post"  # noqa: S105 - the name of a method
_SAFE_NAME: Final = str.maketrans({"<": "(", ">": ")"})


def organization_name(tenant: Tenant) -> str:
    """What the organization is called at Auth0. No key has an underscore, so no two tenants meet."""
    return tenant.name if tenant.shared else f"{tenant.name}_own"


def organization_metadata(one: Organization, kept: Mapping[str, str | None]) -> dict[str, str | None]:
    """What is written of an organization, beside its clients that are kept."""
    packed = base64.urlsafe_b64encode(zlib.compress("\n".join(one.domains).encode(), 9)).decode()
    parts = [packed[start : start + _LONGEST] for start in range(0, len(packed), _LONGEST)]
    if len(parts) > _MOST_PARTS:
        raise incapable(NAME, "domains")
    state = [
        one.tenant_key,
        one.tier.value,
        "enabled" if one.enabled else "disabled",
        *map(_written, (one.create_time, one.update_time)),
    ]
    # What is no longer needed is emptied: whether a change of metadata merges or replaces, that is the same.
    domains = {f"{_DOMAINS}{number}": "" for number in range(_MOST_PARTS) if f"{_DOMAINS}{number}" in kept}
    domains |= {f"{_DOMAINS}{number}": part for number, part in enumerate(parts)}
    clients = {name: value for name, value in kept.items() if name.startswith(_CLIENT)}
    return {**clients, **domains, _OWNER: _stamp(one.owner), _STATE: " ".join(state)}


def organization_in(found: Any, tenant: Tenant | None, issuer: str) -> Organization | None:
    """An organization as the domain knows it; None of a foreign one that nobody asked for by name."""
    metadata = dict(found.metadata or {})
    owner, state = _owner(metadata.get(_OWNER)), (metadata.get(_STATE) or "").split(" ")
    if owner is None or len(state) != 5:  # noqa: PLR2004 - as many as organization_metadata writes
        if tenant is None:
            return None
        return Organization(
            tenant.name, tenant.key, tenant.tier, found.display_name or "", provider=NAME, provider_id=found.id
        )
    key, tier, enabled, created, updated = state
    return Organization(
        name=f"tenant-{key}",
        tenant_key=key,
        tier=Tier(tier),
        display_name=found.display_name or "",
        domains=_domains(metadata),
        enabled=enabled == "enabled",
        owner=owner,
        issuer=issuer,
        shard=NAME,
        provider=NAME,
        provider_id=found.id,
        create_time=_read(created),
        update_time=_read(updated),
    )


def client_key(name: str) -> str:
    """Under what an organization knows a client of it."""
    return f"{_CLIENT}{name}"


def clients_of(metadata: Mapping[str, str | None]) -> dict[str, str]:
    """The ids of an organization's clients by name; MAKING of one that is not whole."""
    return {name.removeprefix(_CLIENT): value for name, value in metadata.items() if name.startswith(_CLIENT) and value}


def client_body(one: Client, home: Organization, callback_path: str) -> dict[str, Any]:
    """An application as Auth0 takes it: authorization code only, and only within an organization."""
    public = one.type is ClientType.PUBLIC
    return {
        "name": one.display_name.translate(_SAFE_NAME),
        "app_type": "spa" if public else "regular_web",
        "token_endpoint_auth_method": _NO_SECRET if public else _SECRET_POSTED,
        "callbacks": [_exact(uri, callback_path) for uri in one.redirect_uris],
        "web_origins": list(one.web_origins),
        "grant_types": ["authorization_code", "refresh_token"],
        "oidc_conformant": True,
        "organization_usage": "require",
        "organization_require_behavior": "no_prompt",
        "client_metadata": {
            _OWNER: _stamp(one.owner),
            "tenantmesh_name": one.name,
            "tenantmesh_home": f"{home.provider_id} {home.tier.value}",
            "tenantmesh_secret_time": _written(one.secret_create_time),
            _STATE: f"{_written(one.create_time)} {_written(one.update_time)}",
        },
    }


def client_in(found: Any, callback_path: str) -> Client | None:
    """An application as the domain knows it; None of one the mesh did not make."""
    metadata = dict(found.client_metadata or {})
    owner = _owner(metadata.get(_OWNER))
    if owner is None:
        return None
    created, _, updated = (metadata.get(_STATE) or "").partition(" ")
    public = found.token_endpoint_auth_method == _NO_SECRET
    return Client(
        name=metadata.get("tenantmesh_name") or "",
        client_id=found.client_id,
        display_name=found.name or "",
        type=ClientType.PUBLIC if public else ClientType.CONFIDENTIAL,
        redirect_uris=tuple(_spread(uri, callback_path) for uri in found.callbacks or ()),
        web_origins=tuple(found.web_origins or ()),
        secret_create_time=_read(metadata.get("tenantmesh_secret_time") or ""),
        owner=owner,
        provider=NAME,
        provider_id=found.client_id,
        create_time=_read(created),
        update_time=_read(updated),
    )


def client_home(found: Any) -> tuple[str, str]:
    """The id of the organization an application was made for, and the tier of that."""
    home, _, tier = ((found.client_metadata or {}).get("tenantmesh_home") or "").partition(" ")
    return home, tier


def user_metadata(one: User, tier: Tier) -> dict[str, Any]:
    """What is written of a user, out of the person's own reach."""
    tenant_id = one.owner.tenant_id if one.owner else ""
    return {
        "tenantmesh_tenant": tenant_id,
        "tenantmesh_tier": tier.value,
        _OWNER: _stamp(one.owner),
        _STATE: f"{_written(one.create_time)} {_written(one.update_time)}",
        "tenantmesh_mail_pending": one.mail_pending,
        "tenantmesh_password_change_required": one.password_change_required,
    }


def user_in(found: Any, roles: tuple[str, ...] = ()) -> User:
    """A user as the domain knows one."""
    metadata = dict(found.app_metadata or {})
    created, _, updated = str(metadata.get(_STATE) or "").partition(" ")
    return User(
        email=found.email or "",
        given_name=found.given_name or "",
        family_name=found.family_name or "",
        language=str((found.user_metadata or {}).get("language") or ""),
        email_verified=bool(found.email_verified),
        enabled=not getattr(found, "blocked", False),
        password_change_required=bool(metadata.get("tenantmesh_password_change_required")),
        mail_pending=bool(metadata.get("tenantmesh_mail_pending")),
        roles=roles,
        user_id=found.user_id or "",
        owner=_owner(metadata.get(_OWNER)),
        provider=NAME,
        create_time=_read(created),
        update_time=_read(updated),
    )


def user_tier(found: Any) -> str:
    """The tier a user was made in."""
    return str((found.app_metadata or {}).get("tenantmesh_tier") or "")


def _exact(uri: str, callback_path: str) -> str:
    return f"{uri.removesuffix('/*')}{callback_path}" if uri.endswith("/*") else uri


def _spread(uri: str, callback_path: str) -> str:
    """A callback on a domain stands for all of the domain, as it was asked for."""
    host = uri.removesuffix(callback_path)
    return f"{host}/*" if host != uri and host.count("/") == 2 else uri  # noqa: PLR2004 - those after the scheme


def _domains(metadata: Mapping[str, str | None]) -> tuple[str, ...]:
    packed = "".join(metadata.get(f"{_DOMAINS}{number}") or "" for number in range(_MOST_PARTS))
    text = zlib.decompress(base64.urlsafe_b64decode(packed)).decode() if packed else ""
    return tuple(text.split("\n")) if text else ()


def _stamp(owner: Owner | None) -> str:
    return f"{owner.tenant_id} {owner.operation_id} {_written(owner.create_time)}" if owner else ""


def _owner(text: object) -> Owner | None:
    parts = str(text or "").split(" ")
    if len(parts) != 3 or (moment := _read(parts[2])) is None:  # noqa: PLR2004 - tenant, operation and moment
        return None
    return Owner(parts[0], parts[1], moment)


def _written(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else "-"


def _read(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
