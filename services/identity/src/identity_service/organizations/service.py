"""What is done with organizations, whichever provider holds them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from faults import Fault, NotFound
from identity_service.model import (
    Capability,
    Organization,
    OrganizationSettings,
    Owner,
    Tenant,
    changed,
    check_capable,
    organization_not_found,
    organization_not_owned,
)
from identity_service.organizations.model import Wish
from identity_service.ports import IdentityProvider
from identity_service.service import Page, Position, Slice, check_operation, check_owned, page_of

T = TypeVar("T")

_REMEMBERED: Final = timedelta(seconds=30)
_MOST_REMEMBERED: Final = 1000


class Homes:
    """The organizations of tenants, known to be theirs.

    Each call that makes a client or a user needs its organization first. What was found a moment ago is taken from
    memory: whose a thing is never changes. Who reads, changes or removes asks the provider.
    """

    def __init__(self, provider: IdentityProvider, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._clock = clock
        self._known: OrderedDict[Tenant, tuple[Organization, datetime]] = OrderedDict()

    async def of(self, tenant: Tenant) -> Organization:
        """The tenant's organization; a fault where there is none, or where it is somebody else's."""
        known = self._known.get(tenant)
        if known and self._clock() - known[1] < _REMEMBERED:
            return known[0]
        return await self.now(tenant)

    async def now(self, tenant: Tenant) -> Organization:
        """The same from the provider, as it is now."""
        found = await self.fresh(tenant)
        if found is None:
            raise organization_not_found(tenant.name, self._provider.name)
        return found

    async def within(self, tenant: Tenant, work: Callable[[Organization], Awaitable[T]]) -> T:
        """Do the work in the tenant's organization; once more where the one in memory was removed and made anew."""
        try:
            return await work(await self.of(tenant))
        except NotFound as fault:
            if fault.reason != "ORGANIZATION_NOT_FOUND":
                raise
        return await work(await self.now(tenant))

    async def fresh(self, tenant: Tenant) -> Organization | None:
        """The same; None where there is none."""
        self.forget(tenant)
        found = await self._provider.find_organization(tenant)
        if found is None:
            return None
        check_owned(found, tenant.tenant_id, self._not_owned(tenant))
        return self.remember(tenant, found)

    def remember(self, tenant: Tenant, found: Organization) -> Organization:
        """Note what the provider answered just now."""
        self._known[tenant] = found, self._clock()
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return found

    def forget(self, tenant: Tenant) -> None:
        """Ask the provider next time."""
        self._known.pop(tenant, None)

    def _not_owned(self, tenant: Tenant) -> Callable[[str], Fault]:
        return lambda owner: organization_not_owned(tenant.name, self._provider.name, owner)


class Organizations:
    """The organizations of tenants at one provider."""

    def __init__(
        self,
        provider: IdentityProvider,
        homes: Homes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._provider = provider
        self._homes = homes
        self._clock = clock

    async def ensure(
        self, tenant: Tenant, wish: Wish, *, operation_id: str, validate_only: bool = False
    ) -> tuple[Organization, bool]:
        """Make it so, or confirm that it is so; answer it and whether this call made it."""
        wanted = self._wanted(tenant, wish, operation_id)
        if not validate_only:
            made = await self._provider.create_organization(wanted)
            if made is not None:
                return self._homes.remember(tenant, made), True
        seen = await self._homes.fresh(tenant)
        if seen is None:
            if validate_only:
                return wanted, True
            raise changed(tenant.name)
        wanted = self._amended(tenant, wanted, wish, seen)
        if validate_only:
            return wanted, False
        return self._homes.remember(tenant, await self._provider.complete_organization(wanted, seen)), False

    async def get(self, tenant: Tenant) -> Organization:
        """The organization as its provider holds it now."""
        return await self._homes.now(tenant)

    async def list(self, tenant_id: str, wanted: Slice) -> Page[Organization]:
        """What the mesh made: for one tenant, or for all where none is said."""
        return await page_of(self._made(tenant_id), wanted, _order)

    async def set_enabled(self, tenant: Tenant, *, enabled: bool) -> tuple[Organization, bool, int]:
        """Let its people sign in, or refuse them; answer it, whether that is new, and how many sessions ended."""
        seen = await self.get(tenant)
        # Asked even where it is so: a call that was cut short may have left sessions.
        ended = await self._provider.set_enabled(seen, enabled=enabled)
        after = replace(seen, enabled=enabled)
        return self._homes.remember(tenant, after), seen.enabled is not enabled, ended

    async def delete(self, tenant: Tenant, *, operation_id: str = "") -> bool:
        """Remove it with all that is in it; answer whether there was one."""
        seen = await self._homes.fresh(tenant)
        if seen is None:
            return False
        check_operation(seen, operation_id, tenant.name)
        self._homes.forget(tenant)
        await self._provider.remove_organization(seen)
        return True

    def _wanted(self, tenant: Tenant, wish: Wish, operation_id: str) -> Organization:
        now = self._clock()
        return Organization(
            name=tenant.name,
            tenant_key=tenant.key,
            tier=tenant.tier,
            display_name=wish.display_name,
            domains=wish.domains,
            settings=self._settings(tenant, wish, OrganizationSettings()),
            owner=Owner(tenant.tenant_id, operation_id, now),
            shard=wish.shard,
            provider=self._provider.name,
            create_time=now,
            update_time=now,
        )

    def _amended(self, tenant: Tenant, wanted: Organization, wish: Wish, seen: Organization) -> Organization:
        """What is wanted of one that exists: it keeps whose it is and where, and the settings nobody mentions."""
        settings = self._settings(tenant, wish, seen.settings or OrganizationSettings())
        same = seen.says(replace(wanted, settings=settings))
        return replace(
            seen,
            tier=wanted.tier,
            display_name=wanted.display_name,
            domains=wanted.domains,
            settings=settings,
            update_time=seen.update_time if same else wanted.update_time,
        )

    def _settings(self, tenant: Tenant, wish: Wish, settings: OrganizationSettings) -> OrganizationSettings | None:
        """The settings as wished; None where an organization has none of its own, and CAPABILITY_MISSING if wished."""
        own = frozenset[Capability]() if tenant.shared else self._provider.capabilities
        if wish.change is not None:
            check_capable(self._provider.name, own, Capability.SETTINGS)
            return wish.change.applied(settings)
        return settings if Capability.SETTINGS in own else None

    async def _made(self, tenant_id: str) -> AsyncIterator[Organization]:
        async for one in self._provider.organizations():
            if one.owner and tenant_id in {"", one.owner.tenant_id}:
                yield one


def _order(one: Organization) -> Position:
    # A tenant that changes its tier has one of each kind for a while.
    return one.name, one.tier.value, one.shard
