"""What the domain needs of an identity provider. One contract suite holds every provider to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol

from identity_service.model import Capability, Client, Organization, Shard, Tenant, User, Who


class IdentityProvider(Protocol):
    """Holds organizations, their clients and their people, and the ownership stamp on each.

    It raises `faults` only: a vendor's errors are translated in the vendor's own file. The domain decides who may do
    what; a provider does it, and does it whole.

    - `find_...` answers what stands under that name, foreign things included: their `owner` is None.
    - `create_...` makes it with its stamp. Where something of that name stands already, whoever made it, it changes
      nothing and answers None.
    - `complete_...` makes what was seen as wanted, and makes what an interrupted `create_...` left unmade. Where
      nothing is missing it writes nothing and answers what was seen. `wanted` has the owner and create time of `seen`.
    - `remove_...` removes it, or finds it gone. What the mesh did not make stays.
    - `home` is the organization as it was found, owned by the tenant the call is for. Where it is gone by now, and
      something is to be made in it, that is ORGANIZATION_NOT_FOUND.
    - Iterators answer in no particular order.
    """

    name: str
    capabilities: frozenset[Capability]

    async def find_organization(self, tenant: Tenant) -> Organization | None:
        """What stands under the tenant's name: a realm, or for a pooled tenant an organization in the shared realm."""
        ...

    async def create_organization(self, wanted: Organization) -> Organization | None:
        """Make it, on `wanted.shard` where that is not empty."""
        ...

    async def complete_organization(self, wanted: Organization, seen: Organization) -> Organization:
        """Make it as wanted; whether it is enabled, and its shard, stay."""
        ...

    async def set_enabled(self, home: Organization, *, enabled: bool) -> int:
        """Let its people sign in, or refuse them and end their sessions; answer how many ended, 0 where unknown."""
        ...

    async def remove_organization(self, home: Organization) -> None:
        """Remove it with the clients and people the mesh made for it: itself last, so that a repeat finds the rest."""
        ...

    def organizations(self) -> AsyncIterator[Organization]:
        """Everything that bears the mesh's stamp."""
        ...

    async def find_client(self, home: Organization, name: str) -> Client | None:
        """The client of that name within the tenant."""
        ...

    async def create_client(self, home: Organization, wanted: Client, secret: str) -> Client | None:
        """Make it with that secret; a public client has an empty one."""
        ...

    async def complete_client(self, home: Organization, wanted: Client, seen: Client) -> Client:
        """Make it as wanted; its secret stays."""
        ...

    async def rotate_secret(self, home: Organization, client: Client, secret: str, overlap: timedelta) -> Client:
        """Give it this secret; the one before works on for as long as `overlap`.

        Giving the secret it has already changes nothing: the one before keeps its time. An overlap is asked for only
        where the provider is capable of it.
        """
        ...

    async def remove_client(self, home: Organization, client: Client) -> None:
        """Remove it."""
        ...

    def clients(self, home: Organization | None) -> AsyncIterator[Client]:
        """What the mesh made in one organization; without one, in the shared realms."""
        ...

    async def find_user(self, home: Organization, who: Who) -> User | None:
        """The user with the roles; in a shared realm also one of another tenant, whose owner then says so."""
        ...

    async def create_user(self, home: Organization, wanted: User, password: str) -> User | None:
        """Make the user a member with that password, to be changed at the first sign-in; empty gives none."""
        ...

    async def complete_user(self, home: Organization, wanted: User, seen: User) -> User:
        """Make the names as wanted, and the user a member. Password and roles stay."""
        ...

    async def mail_password_link(self, home: Organization, user: User, client: Client | None) -> User:
        """Have the provider mail a link by which to choose a password, leading back to the client, and note it sent."""
        ...

    async def remove_user(self, home: Organization, user: User) -> None:
        """Remove the user."""
        ...

    def users(self, home: Organization | None) -> AsyncIterator[User]:
        """All of one organization; without one, those the mesh made in the shared realms. Roles may be left out."""
        ...

    async def assign_role(self, home: Organization, user: User, role: str) -> bool:
        """Give the role; answer whether it was missing. ROLE_UNKNOWN where there is no such role."""
        ...

    async def revoke_role(self, home: Organization, user: User, role: str) -> bool:
        """Take the role; answer whether it was there."""
        ...

    async def shards(self) -> Sequence[Shard]:
        """Every shard of the settings, as it answers now. One that does not answer is told of, not raised."""
        ...


class PasswordVerifier(Protocol):
    """Tells whether a password is right: for providers without a sign-in page of their own."""

    async def verify_password(self, home: Organization, email: str, password: str, new_password: str) -> User:
        """The user whose password it is, with the new one from now on where one is given.

        Else PASSWORD_WRONG, ACCOUNT_LOCKED, PASSWORD_CHANGE_REQUIRED or ORGANIZATION_DISABLED.
        """
        ...
