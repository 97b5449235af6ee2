"""What verification needs of the outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dns_service.model import Record
from dns_service.verification.model import Reply, Server


class NameServers(Protocol):
    """Who can be asked, and asking them. Nothing here raises because of what a server does."""

    async def authoritative(self, zone: str) -> Sequence[Server]:
        """Every server the zone lists as its own, at each of its addresses; none when they cannot be found."""
        ...

    def resolvers(self) -> Sequence[Server]:
        """The public resolvers whose view counts."""
        ...

    async def ask_authority(self, server: Server, record: Record) -> Reply:
        """What a server of the zone itself says of the record."""
        ...

    async def ask_resolver(self, server: Server, record: Record) -> Reply:
        """What a resolver says of the record."""
        ...
