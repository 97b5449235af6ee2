"""Claim tokens: whoever holds one gets a password, once. Only what tells a token is kept, never the token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from uuid import UUID

from faults import Invalid
from storage_service.schemas.model import Tenant, Tier


def new_token(tenant: Tenant) -> str:
    """A token that says whose place it is for; the rest of it cannot be guessed."""
    whose = json.dumps([tenant.tenant_id, tenant.key, tenant.tier.value]).encode()
    return f"{base64.urlsafe_b64encode(whose).decode().rstrip('=')}.{secrets.token_urlsafe(32)}"


def digest_of(token: str) -> str:
    """What tells a token and does not give it away."""
    return hashlib.sha256(token.encode()).hexdigest()


def tenant_of(token: str) -> Tenant | None:
    """Whose place a token is for, by its own word; None where it is no token."""
    whose, _, _ = token.partition(".")
    try:
        tenant_id, key, tier = json.loads(base64.urlsafe_b64decode(whose + "=" * (-len(whose) % 4)))
        return Tenant(str(UUID(tenant_id)), key, Tier(tier))
    except (binascii.Error, ValueError, TypeError, AttributeError, Invalid):
        return None


def new_password() -> str:
    """A password nobody has to type."""
    return secrets.token_urlsafe(32)
