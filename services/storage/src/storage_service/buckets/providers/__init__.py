"""The stores, one line each. A provider is one module: its settings, its clients, its errors translated.

It is imported when it is chosen: a vendor's library costs memory and start-up time, and one is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

PROVIDERS: Mapping[str, str] = {
    "memory": "MemoryStore",
    "s3": "S3Store",
}


def provider_type(name: str) -> Any:
    """The class of a provider, from the module of its name."""
    return getattr(import_module(f"{__name__}.{name}"), PROVIDERS[name])
