"""Where a tenant's clients and people are."""

from __future__ import annotations

from dataclasses import dataclass

from identity_service.model import Organization, Tier
from identity_service.providers.keycloak.server import Server, segment


@dataclass(frozen=True, slots=True)
class Place:
    """One tenant's organization, and the realm on the server it is in."""

    server: Server
    realm: str
    home: Organization

    @property
    def shared(self) -> bool:
        """Whether others are in that realm, too."""
        return self.home.tier is Tier.POOLED

    async def stands(self) -> bool:
        """Whether the organization is still there; a realm of its own tells that by itself."""
        if not self.shared:
            return True
        return await self.server.read(self.path("organizations", self.home.provider_id)) is not None

    def path(self, *parts: str) -> str:
        """A path below the realm."""
        return "/".join(["", segment(self.realm), *map(segment, parts)])
