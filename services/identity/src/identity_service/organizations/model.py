"""What a caller can say about an organization."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta

from identity_service.model import BruteForceProtection, OrganizationSettings, SecondFactor


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What a caller wants of an organization's settings; None leaves it as it is."""

    second_factor: SecondFactor | None = None
    reset_password_allowed: bool | None = None
    self_registration_allowed: bool | None = None
    brute_force_protection: BruteForceProtection | None = None
    access_token_lifetime: timedelta | None = None
    session_idle_timeout: timedelta | None = None
    session_lifetime: timedelta | None = None
    language: str | None = None
    login_theme: str | None = None

    def applied(self, settings: OrganizationSettings) -> OrganizationSettings:
        """The settings after the change."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(settings, **{name: value for name, value in said.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Wish:
    """What an organization shall be like. No change of settings leaves them as they are."""

    display_name: str
    domains: tuple[str, ...]
    change: SettingsChange | None = None
    shard: str = ""
