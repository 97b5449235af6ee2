"""What is done with clients, whichever provider holds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from identity_service.clients.model import Wish
from identity_service.credentials.model import Kind, request_id_reused
from identity_service.credentials.service import Purpose, Staged, Staging
from identity_service.model import (
    Capability,
    Client,
    ClientType,
    Organization,
    Owner,
    Tenant,
    changed,
    check_capable,
    client_not_found,
    client_not_owned,
    incapable,
)
from identity_service.organizations.service import Homes
from identity_service.ports import IdentityProvider
from identity_service.service import Page, Position, Slice, check_operation, check_owned, is_of, page_of


class Clients:
    """The clients of tenants at one provider."""

    def __init__(
        self,
        provider: IdentityProvider,
        homes: Homes,
        staging: Staging,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._provider = provider
        self._homes = homes
        self._staging = staging
        self._clock = clock

    async def ensure(
        self, tenant: Tenant, wish: Wish, *, operation_id: str, validate_only: bool = False
    ) -> tuple[Client, bool, str]:
        """Make it so, or confirm that it is so; answer it, whether this call made it, and where its secret waits."""
        wish.check()
        if validate_only:
            home = await self._homes.now(tenant)
            wanted = self._wanted(tenant, home, wish, operation_id)
            seen = await self._seen(tenant, home, wish.name)
            return (_amended(wanted, seen), False, "") if seen else (wanted, True, "")
        return await self._homes.within(tenant, lambda home: self._ensure(tenant, home, wish, operation_id))

    async def _ensure(
        self, tenant: Tenant, home: Organization, wish: Wish, operation_id: str
    ) -> tuple[Client, bool, str]:
        wanted = self._wanted(tenant, home, wish, operation_id)
        staged, made = await self._created(tenant, home, wanted)
        if made is not None:
            return made, True, await self._told(staged, made)
        seen = await self._seen(tenant, home, wish.name)
        if seen is None:
            raise changed(wanted.client_id)
        after = await self._provider.complete_client(home, _amended(wanted, seen), seen)
        return after, False, await self._own(staged, seen, operation_id)

    async def get(self, tenant: Tenant, name: str) -> Client:
        """The client as its provider holds it now."""
        found = await self._provider.find_client(await self._homes.now(tenant), name)
        if found is None or not is_of(found, tenant.tenant_id):
            raise client_not_found(name, self._provider.name)
        return found

    async def list(self, tenant: Tenant | None, wanted: Slice) -> Page[Client]:
        """What the mesh made: in a tenant's organization, or in the shared realms where none is said."""
        home = await self._homes.now(tenant) if tenant else None
        return await page_of(self._made(home, tenant), wanted, _order)

    async def rotate(self, tenant: Tenant, name: str, *, request_id: str, overlap: timedelta) -> tuple[Client, str]:
        """Give it a new secret; answer it, and where the secret waits. Once for each request id."""
        if overlap:
            check_capable(self._provider.name, self._provider.capabilities, Capability.SECRET_OVERLAP)
        home = await self._homes.now(tenant)
        seen = await self._seen(tenant, home, name)
        if seen is None:
            raise client_not_found(name, self._provider.name)
        if seen.type is ClientType.PUBLIC:
            raise incapable(self._provider.name, "client_secret")
        staged = await self._staging.generate(_purpose(tenant, home, seen, f"rotation:{request_id.lower()}"))
        if staged.credential.subject != seen.client_id or staged.credential.place != tenant.place:
            raise request_id_reused()
        if staged.secret is None:  # claimed already, so it was rotated long ago
            return seen, str(staged.credential.credential_id)
        rotated = await self._provider.rotate_secret(home, seen, staged.secret, overlap)
        return rotated, str(staged.credential.credential_id)

    async def delete(self, tenant: Tenant, name: str, *, operation_id: str = "") -> bool:
        """Remove it; answer whether there was one."""
        home = await self._homes.fresh(tenant)
        seen = await self._seen(tenant, home, name) if home else None
        if home is None or seen is None:
            return False
        check_operation(seen, operation_id, seen.client_id)
        await self._provider.remove_client(home, seen)
        return True

    async def _seen(self, tenant: Tenant, home: Organization, name: str) -> Client | None:
        """The client, if it is the tenant's; a fault if it is somebody else's."""
        found = await self._provider.find_client(home, name)
        if found is not None:
            check_owned(
                found, tenant.tenant_id, lambda owner: client_not_owned(found.client_id, self._provider.name, owner)
            )
        return found

    async def _created(self, tenant: Tenant, home: Organization, wanted: Client) -> tuple[Staged | None, Client | None]:
        """Its secret as it waits, and the client unless it exists already.

        The secret is kept before the client is made: whatever answer is lost, no client has a secret nobody has.
        """
        if wanted.type is ClientType.PUBLIC:
            return None, await self._provider.create_client(home, wanted, "")
        purpose = _purpose(tenant, home, wanted, f"client:{_operation(wanted)}:{tenant.place}:{wanted.name}")
        staged = await self._staging.generate(purpose)
        if staged.secret is None:  # claimed already: the client exists, unless it was removed since
            if await self._provider.find_client(home, wanted.name):
                return staged, None
            staged = await self._staging.renew(staged, purpose)
        return staged, await self._provider.create_client(home, wanted, staged.secret or "")

    async def _own(self, staged: Staged | None, seen: Client, operation_id: str) -> str:
        """Where the secret waits, for the operation that made the client; for others none does."""
        if staged is None:
            return ""
        if seen.owner and seen.owner.operation_id == operation_id:
            return await self._told(staged, seen)
        await self._staging.discard(staged)
        return ""

    async def _told(self, staged: Staged | None, client: Client) -> str:
        """Where the secret waits, with the client id it goes with: some providers choose that themselves."""
        if staged is None:
            return ""
        if staged.credential.subject != client.client_id:
            await self._staging.describe(staged, client.client_id)
        return str(staged.credential.credential_id)

    def _wanted(self, tenant: Tenant, home: Organization, wish: Wish, operation_id: str) -> Client:
        now = self._clock()
        return Client(
            name=wish.name,
            client_id=tenant.client_id(wish.name),
            display_name=wish.display_name or home.display_name,
            type=wish.type,
            redirect_uris=wish.all_redirect_uris,
            web_origins=wish.all_web_origins,
            owner=Owner(tenant.tenant_id, operation_id, now),
            provider=self._provider.name,
            create_time=now,
            update_time=now,
        )

    async def _made(self, home: Organization | None, tenant: Tenant | None) -> AsyncIterator[Client]:
        async for one in self._provider.clients(home):
            if one.owner and (tenant is None or one.owner.tenant_id == tenant.tenant_id):
                yield one


def _purpose(tenant: Tenant, home: Organization, client: Client, source: str) -> Purpose:
    return Purpose(tenant.tenant_id, Kind.CLIENT_SECRET, source, client.client_id, home.issuer, tenant.place)


def _amended(wanted: Client, seen: Client) -> Client:
    """What is wanted of one that exists: it keeps whose it is and its secret."""
    return replace(
        seen,
        display_name=wanted.display_name,
        type=wanted.type,
        redirect_uris=wanted.redirect_uris,
        web_origins=wanted.web_origins,
        update_time=seen.update_time if seen.says(wanted) else wanted.update_time,
    )


def _operation(client: Client) -> str:
    return client.owner.operation_id if client.owner else ""


def _order(one: Client) -> Position:
    return one.client_id, one.provider_id
