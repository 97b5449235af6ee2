"""An address that is no longer sent something."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class Scope(enum.Enum):
    """What an address is no longer sent."""

    EVERYTHING = "EVERYTHING"
    OPTIONAL = "OPTIONAL"


class Cause(enum.Enum):
    """Why."""

    MANUAL = "MANUAL"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    BOUNCED = "BOUNCED"
    COMPLAINED = "COMPLAINED"


@dataclass(frozen=True, slots=True)
class Suppression:
    """An entry of the list."""

    suppression_id: UUID
    tenant_id: UUID
    email: str
    scope: Scope
    cause: Cause
    detail: str
    create_time: datetime
