"""What is done with users and their roles, whichever provider holds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from identity_service.credentials.model import Kind
from identity_service.credentials.service import Purpose, Staged, Staging
from identity_service.model import (
    Capability,
    Client,
    Organization,
    Owner,
    Tenant,
    User,
    Who,
    changed,
    check_capable,
    client_not_found,
    incapable,
    user_not_found,
    user_not_owned,
)
from identity_service.organizations.service import Homes
from identity_service.ports import IdentityProvider, PasswordVerifier
from identity_service.service import Page, Position, Slice, check_operation, check_owned, is_of, page_of
from identity_service.users.model import Handover, Wish


@dataclass(frozen=True, slots=True)
class _Start:
    """A user to be made, and the credential that holds the first password; none where the provider mails."""

    home: Organization
    wanted: User
    staged: Staged | None
    client: Client | None


class Users:
    """The users of tenants at one provider."""

    def __init__(
        self,
        provider: IdentityProvider,
        homes: Homes,
        staging: Staging,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        verifier: PasswordVerifier | None = None,
    ) -> None:
        self._provider = provider
        self._homes = homes
        self._staging = staging
        self._clock = clock
        self._verifier = verifier

    async def ensure(
        self, tenant: Tenant, wish: Wish, *, operation_id: str, validate_only: bool = False
    ) -> tuple[User, bool, str]:
        """Make the user, or confirm there is one; answer it, whether this call did, and where a password waits."""
        if wish.handover is Handover.PROVIDER_MAIL:
            check_capable(self._provider.name, self._provider.capabilities, Capability.MAIL)
        wanted = self._wanted(tenant, wish, operation_id)
        if validate_only:
            seen = await self._seen(tenant, await self._homes.now(tenant), Who(email=wish.email))
            return (_amended(wanted, seen), False, "") if seen else (wanted, True, "")
        return await self._homes.within(tenant, lambda home: self._ensure(tenant, home, wish, wanted))

    async def _ensure(self, tenant: Tenant, home: Organization, wish: Wish, wanted: User) -> tuple[User, bool, str]:
        start = await self._start(tenant, home, wish, wanted)
        made = await self._created(start)
        if made is not None:
            return await self._handed_over(start, made), True, _reference(start.staged)
        seen = await self._seen(tenant, home, Who(email=wish.email))
        if seen is None:
            raise changed("the user")
        after = await self._provider.complete_user(home, _amended(wanted, seen), seen)
        own = (
            seen.owner is not None and wanted.owner is not None and seen.owner.operation_id == wanted.owner.operation_id
        )
        return await self._confirmed(start, after, own=own), False, _reference(start.staged) if own else ""

    async def get(self, tenant: Tenant, who: Who) -> User:
        """The user as the provider holds it now."""
        found = await self._provider.find_user(await self._homes.now(tenant), who)
        # Whoever came to a realm of the tenant's own without the mesh is still the tenant's; in a shared one, nobody's.
        if found is None or not (is_of(found, tenant.tenant_id) or (found.owner is None and not tenant.shared)):
            raise user_not_found(self._provider.name)
        return found

    async def list(self, tenant: Tenant | None, wanted: Slice) -> Page[User]:
        """All of a tenant's organization, or what the mesh made in the shared realms where none is said."""
        home = await self._homes.now(tenant) if tenant else None
        return await page_of(self._there(home, tenant), wanted, _order)

    async def verify(self, tenant: Tenant, email: str, password: str, new_password: str) -> User:
        """The user whose password it is."""
        if self._verifier is None:
            raise incapable(self._provider.name, Capability.PASSWORDS.value)
        home = await self._homes.now(tenant)
        return await self._verifier.verify_password(home, email, password, new_password)

    async def delete(self, tenant: Tenant, who: Who, *, operation_id: str = "") -> bool:
        """Remove the user; answer whether there was one."""
        home = await self._homes.fresh(tenant)
        seen = await self._seen(tenant, home, who) if home else None
        if home is None or seen is None:
            return False
        check_operation(seen, operation_id, "The user")
        await self._provider.remove_user(home, seen)
        return True

    async def assign(self, tenant: Tenant, who: Who, role: str) -> tuple[User, bool]:
        """Give the role; answer the user with it, and whether it was missing."""
        return await self._homes.within(tenant, lambda home: self._assign(tenant, home, who, role))

    async def _assign(self, tenant: Tenant, home: Organization, who: Who, role: str) -> tuple[User, bool]:
        seen = await self._seen(tenant, home, who)
        if seen is None:
            raise user_not_found(self._provider.name)
        created = await self._provider.assign_role(home, seen, role)
        return replace(seen, roles=tuple(sorted({*seen.roles, role}))), created

    async def revoke(self, tenant: Tenant, who: Who, role: str) -> bool:
        """Take the role; answer whether it was there."""
        home = await self._homes.fresh(tenant)
        seen = await self._seen(tenant, home, who) if home else None
        if home is None or seen is None:
            return False
        return await self._provider.revoke_role(home, seen, role)

    async def _seen(self, tenant: Tenant, home: Organization, who: Who) -> User | None:
        """The user, if the mesh made it for the tenant; a fault if not."""
        found = await self._provider.find_user(home, who)
        if found is not None:
            check_owned(found, tenant.tenant_id, lambda owner: user_not_owned(self._provider.name, owner))
        return found

    async def _start(self, tenant: Tenant, home: Organization, wish: Wish, wanted: User) -> _Start:
        client = await self._client(home, wish.client_name) if wish.client_name else None
        return _Start(home, wanted, await self._password(tenant, home, wish, wanted), client)

    async def _password(self, tenant: Tenant, home: Organization, wish: Wish, wanted: User) -> Staged | None:
        """The credential that holds the first password. It is kept before it is given: no lost answer loses it."""
        if wish.handover is Handover.PROVIDER_MAIL:
            return None
        if wish.credential_id:
            staged = await self._staging.borrow(
                tenant.tenant_id, wish.credential_id, Kind.PASSWORD, subject=wish.email, place=tenant.place
            )
        else:
            staged = await self._staging.generate(_purpose(tenant, home, wanted))
        if staged.secret is not None or await self._provider.find_user(home, Who(email=wish.email)):
            return staged
        if wish.credential_id:  # used already, and whoever got it was removed since
            raise self._staging.gone(staged.credential)
        return await self._staging.renew(staged, _purpose(tenant, home, wanted))

    async def _client(self, home: Organization, name: str) -> Client:
        found = await self._provider.find_client(home, name)
        if found is None:
            raise client_not_found(name, self._provider.name)
        return found

    async def _created(self, start: _Start) -> User | None:
        """The user, unless there is one already, as where the password is used up."""
        if start.staged and start.staged.secret is None:
            return None
        password = (start.staged.secret or "") if start.staged else ""
        return await self._provider.create_user(start.home, start.wanted, password)

    async def _handed_over(self, start: _Start, user: User) -> User:
        """What is to be done once the user stands: the supplied password is spent, the owed mail is sent."""
        if start.staged and not start.staged.credential.generated:
            await self._staging.spend(start.staged.credential)
        if user.mail_pending:
            return await self._provider.mail_password_link(start.home, user, start.client)
        return user

    async def _confirmed(self, start: _Start, user: User, *, own: bool) -> User:
        """The same for a user who was there: an operation that lost its answer finishes, another one leaves it be."""
        if own:
            return await self._handed_over(start, user)
        if start.staged and start.staged.credential.generated:
            await self._staging.discard(start.staged)
        return user

    def _wanted(self, tenant: Tenant, wish: Wish, operation_id: str) -> User:
        now = self._clock()
        return User(
            email=wish.email,
            given_name=wish.given_name,
            family_name=wish.family_name,
            language=wish.language,
            email_verified=wish.email_verified,
            mail_pending=wish.handover is Handover.PROVIDER_MAIL,
            owner=Owner(tenant.tenant_id, operation_id, now),
            provider=self._provider.name,
            create_time=now,
            update_time=now,
        )

    async def _there(self, home: Organization | None, tenant: Tenant | None) -> AsyncIterator[User]:
        async for one in self._provider.users(home):
            if home or (one.owner and (tenant is None or one.owner.tenant_id == tenant.tenant_id)):
                yield one


def _purpose(tenant: Tenant, home: Organization, user: User) -> Purpose:
    operation_id = user.owner.operation_id if user.owner else ""
    source = f"user:{operation_id}:{tenant.place}:{user.email}"
    return Purpose(tenant.tenant_id, Kind.PASSWORD, source, user.email, home.issuer, tenant.place)


def _amended(wanted: User, seen: User) -> User:
    """What is wanted of one that exists: the names. An address once verified stays so."""
    verified = replace(wanted, email_verified=wanted.email_verified or seen.email_verified)
    return replace(
        seen,
        given_name=wanted.given_name,
        family_name=wanted.family_name,
        language=wanted.language,
        email_verified=verified.email_verified,
        update_time=seen.update_time if seen.says(verified) else wanted.update_time,
    )


def _reference(staged: Staged | None) -> str:
    """Where a generated password waits; a supplied one is nobody's to claim."""
    return str(staged.credential.credential_id) if staged and staged.credential.generated else ""


def _order(one: User) -> Position:
    return one.email, one.user_id
