"""Who takes dumps and loads them, one line each, by the name of the provider that holds the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

DUMPS: Mapping[str, str] = {
    "memory": "MemoryDumps",
    "postgres": "PostgresDumps",
}


def dumps_type(provider: str) -> Any:
    """The class for a provider, from the file of its name."""
    return getattr(import_module(f"{__name__}.{provider}"), DUMPS[provider])
