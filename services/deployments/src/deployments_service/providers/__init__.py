"""The deployment providers, one line each. A provider is one file: its settings, its client, its errors translated.

A provider's file is imported when it is chosen: a vendor's library costs memory and start-up time, and one is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

PROVIDERS: Mapping[str, str] = {
    "memory": "MemoryProvider",
    "none": "NoProvider",
    "webhook": "WebhookProvider",
}


def provider_type(name: str) -> Any:
    """The class of a provider, from the file of its name."""
    return getattr(import_module(f"{__name__}.{name}"), PROVIDERS[name])
