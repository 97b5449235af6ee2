"""Who holds tenants' places, one line each. A provider's file is imported when it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

PROVIDERS: Mapping[str, str] = {
    "memory": "MemoryDatabases",
    "postgres": "PostgresDatabases",
}


def provider_type(name: str) -> Any:
    """The class of a provider, from the file of its name."""
    return getattr(import_module(f"{__name__}.{name}"), PROVIDERS[name])
