"""Where exports are kept, one line each, by the name of the store that holds the buckets."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

FILES: Mapping[str, str] = {
    "memory": "MemoryFiles",
    "s3": "S3Files",
}


def files_type(store: str) -> Any:
    """The class for a store, from the file of its name."""
    return getattr(import_module(f"{__name__}.{store}"), FILES[store])
