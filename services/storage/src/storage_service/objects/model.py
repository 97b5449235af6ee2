"""What is said about a tenant's objects: their versions, how much they are, what holds them, and links to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a tenant may store; 0 sets no limit."""

    max_bytes: int = 0
    max_objects: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a tenant stores."""

    objects: int
    bytes: int
    noncurrent_bytes: int
    incomplete_uploads: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One version of an object, or the marker of its removal."""

    key: str
    version: str
    size: int
    latest: bool = True
    marker: bool = False


@dataclass(frozen=True, slots=True)
class Lock:
    """What keeps an object from being removed."""

    key: str
    kind: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed so far."""

    versions: int = 0
    bytes: int = 0
    uploads: int = 0
    last_key: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload by a link must be; nothing and 0 leave it open."""

    key: str
    content_type: str = ""
    content_length: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A way to one object for whoever holds it. Its URL is a secret, and no part of what is shown."""

    url: str = field(repr=False)
    expire_time: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
