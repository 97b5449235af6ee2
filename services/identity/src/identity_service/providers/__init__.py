"""The identity providers, one line each. A provider is one file or folder: settings, client, errors translated.

It is imported when it is chosen: a vendor's library costs memory and start-up time, and one is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

PROVIDERS: Mapping[str, str] = {
    "auth0": "Auth0Provider",
    "keycloak": "KeycloakProvider",
    "local": "LocalProvider",
    "memory": "MemoryProvider",
}


def provider_type(name: str) -> Any:
    """The class of a provider, from the file or folder of its name."""
    return getattr(import_module(f"{__name__}.{name}"), PROVIDERS[name])
