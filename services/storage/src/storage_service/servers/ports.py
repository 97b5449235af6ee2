"""What telling of servers needs of those who hold tenants' places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storage_service.schemas.model import Tenant
from storage_service.servers.model import State


class Servers(Protocol):
    """The servers, and who lies on which."""

    provider: str

    async def states(self) -> Sequence[State]:
        """Every server as it is now, ordered by name."""
        ...

    async def placement(self, tenant: Tenant) -> tuple[str, bool]:
        """The server a tenant's place is on, or would be laid on now; and whether it is there already."""
        ...
