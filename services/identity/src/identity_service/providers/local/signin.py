"""Signing in with a password, and what wrong ones lead to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from faults import Conflict, Exhausted, Fault, Unauthenticated
from identity_service.credentials.model import check_password
from identity_service.model import BruteForceProtection, Organization, User
from identity_service.providers.local import rows
from identity_service.providers.local.passwords import Hasher

_MOST_DOUBLINGS: Final = 20
_HELD: Final = f"{rows.USERS} AND email = $3 FOR UPDATE"
_TRY: Final = """
UPDATE local_users SET failures = $4, failure_time = $5, locked_until = $6
WHERE tenant_id = $1 AND shared = $2 AND email = $3"""
_RIGHT: Final = """
UPDATE local_users SET failures = 0, failure_time = NULL, locked_until = NULL
WHERE tenant_id = $1 AND shared = $2 AND email = $3"""
_CHANGE: Final = """
UPDATE local_users SET password_hash = $4, password_change_required = false, update_time = $5
WHERE tenant_id = $1 AND shared = $2 AND email = $3 RETURNING *"""


class SignIn:
    """Tells whether a password is right."""

    def __init__(self, records: rows.Records, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._hasher = hasher
        self._clock = clock

    async def verify(self, home: Organization, email: str, password: str, new_password: str) -> User:
        """The user whose password it is, with the new one from now on where one is given."""
        place = rows.place_of(home)
        row = await self._tried(home, place, email)
        if row is None:
            await self._hasher.hash(password)  # nobody takes as long as somebody
            raise password_wrong()
        if not await self._is_right(row["password_hash"], password, new_password):
            raise password_wrong()
        if new_password:
            check_password(new_password)
        async with self._records.of(place.tenant_id) as tx:
            await tx.execute(_RIGHT, *place, email)
        if new_password:
            return await self._changed(place, email, new_password)
        if row["password_change_required"]:
            raise password_change_required()
        return rows.user_in(row)

    async def _tried(self, home: Organization, place: rows.Place, email: str) -> asyncpg.Record | None:
        """The user's row, with the try counted; None for nobody."""
        async with self._records.of(place.tenant_id) as tx:
            now = self._clock()
            organization = rows.organization_in(rows.there(await tx.fetchrow(rows.ORGANIZATION, *place), home.name))
            if not organization.enabled:
                raise organization_disabled(organization)
            limits = organization.settings.brute_force_protection if organization.settings else BruteForceProtection()
            row = await tx.fetchrow(_HELD, *place, email)
            if row is None:
                return None
            if row["locked_until"] is not None and row["locked_until"] > now:
                raise account_locked(row["locked_until"] - now)
            # Counted as a failure before the password is looked at, so that tries side by side win nothing; the right
            # password takes it back.
            failures = 1 + _remembered(row, limits, now)
            await tx.execute(_TRY, *place, email, failures, now, _locked_until(limits, failures, now))
        return row

    async def _is_right(self, kept: str, password: str, new_password: str) -> bool:
        """Whether it is the password; or the new one is by now, because this is a repeat."""
        if await self._hasher.is_right(password, kept):
            return True
        return bool(new_password) and await self._hasher.is_right(new_password, kept)

    async def _changed(self, place: rows.Place, email: str, password: str) -> User:
        hashed = await self._hasher.hash(password)
        async with self._records.of(place.tenant_id) as tx:
            row = await tx.fetchrow(_CHANGE, *place, email, hashed, self._clock())
        return rows.user_in(rows.there(row, "the user"))


def _remembered(row: asyncpg.Record, limits: BruteForceProtection, now: datetime) -> int:
    """How many wrong passwords are not forgotten yet."""
    last = row["failure_time"]
    return int(row["failures"]) if last is not None and last > now - limits.reset_time else 0


def _locked_until(limits: BruteForceProtection, failures: int, now: datetime) -> datetime | None:
    """Until when nobody is let in: twice as long with every failure past the limit."""
    beyond = failures - limits.max_failures
    return None if beyond < 0 else now + min(limits.max_wait, limits.min_wait * 2 ** min(beyond, _MOST_DOUBLINGS))


def password_wrong() -> Fault:
    """Nobody of that address has that password."""
    return Unauthenticated("The address or the password is wrong.", reason="PASSWORD_WRONG")


def account_locked(span: timedelta) -> Fault:
    """Too many wrong passwords."""
    return Exhausted("There were too many wrong passwords.", reason="ACCOUNT_LOCKED", retry_after=span)


def password_change_required() -> Fault:
    """The password is right, and somebody else made it."""
    return Conflict("The password must be changed first.", reason="PASSWORD_CHANGE_REQUIRED")


def organization_disabled(organization: Organization) -> Fault:
    """Nobody can sign in there."""
    return Conflict(
        "The organization is switched off.",
        reason="ORGANIZATION_DISABLED",
        facts={"name": organization.name, "provider": organization.provider},
    )
