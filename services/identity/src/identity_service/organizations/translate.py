"""Organizations as messages, and back."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from identity_service.model import BruteForceProtection, Organization, OrganizationSettings, SecondFactor
from identity_service.organizations.model import SettingsChange, Wish
from identity_service.translate import domains_from, owner_to, span_to, tier_to, time_to
from tenantmesh.identity.v1 import organization_pb2 as pb

_Factor = pb.OrganizationSettings.SecondFactor


def wish_from(request: pb.EnsureOrganizationRequest) -> Wish:
    """What the organization shall be like."""
    return Wish(
        request.display_name,
        domains_from(request.domains),
        change_from(request.settings) if request.HasField("settings") else None,
        request.shard,
    )


def change_from(settings: pb.OrganizationSettings) -> SettingsChange | None:
    """What is said of the settings; None where nothing is."""
    given = settings.HasField
    change = SettingsChange(
        second_factor=_factor_from(settings.second_factor),
        reset_password_allowed=settings.reset_password_allowed if given("reset_password_allowed") else None,
        self_registration_allowed=settings.self_registration_allowed if given("self_registration_allowed") else None,
        brute_force_protection=(
            _protection_from(settings.brute_force_protection) if given("brute_force_protection") else None
        ),
        access_token_lifetime=_span_from(settings.access_token_lifetime, given("access_token_lifetime")),
        session_idle_timeout=_span_from(settings.session_idle_timeout, given("session_idle_timeout")),
        session_lifetime=_span_from(settings.session_lifetime, given("session_lifetime")),
        language=settings.language or None,
        login_theme=settings.login_theme or None,
    )
    return None if change == SettingsChange() else change


def organization_to(one: Organization) -> pb.Organization:
    """An organization as callers see it."""
    return pb.Organization(
        name=one.name,
        tenant_key=one.tenant_key,
        tier=tier_to(one.tier),
        display_name=one.display_name,
        domains=one.domains,
        enabled=one.enabled,
        settings=_settings_to(one.settings) if one.settings else None,
        issuer=one.issuer,
        shard=one.shard,
        ownership=owner_to(one.owner),
        provider=one.provider,
        provider_organization_id=one.provider_id,
        create_time=time_to(one.create_time),
        update_time=time_to(one.update_time),
    )


def _settings_to(settings: OrganizationSettings) -> pb.OrganizationSettings:
    protection = settings.brute_force_protection
    return pb.OrganizationSettings(
        second_factor=_Factor.Value(f"SECOND_FACTOR_{settings.second_factor.name}"),
        reset_password_allowed=settings.reset_password_allowed,
        self_registration_allowed=settings.self_registration_allowed,
        brute_force_protection=pb.BruteForceProtection(
            max_failures=protection.max_failures,
            min_wait=span_to(protection.min_wait),
            max_wait=span_to(protection.max_wait),
            reset_time=span_to(protection.reset_time),
        ),
        access_token_lifetime=span_to(settings.access_token_lifetime),
        session_idle_timeout=span_to(settings.session_idle_timeout),
        session_lifetime=span_to(settings.session_lifetime),
        language=settings.language,
        login_theme=settings.login_theme,
    )


def _factor_from(factor: pb.OrganizationSettings.SecondFactor.ValueType) -> SecondFactor | None:
    return SecondFactor[_Factor.Name(factor).removeprefix("SECOND_FACTOR_")] if factor else None


def _protection_from(said: pb.BruteForceProtection) -> BruteForceProtection:
    usual = BruteForceProtection()
    return BruteForceProtection(
        said.max_failures or usual.max_failures,
        _span_from(said.min_wait, said.HasField("min_wait")) or usual.min_wait,
        _span_from(said.max_wait, said.HasField("max_wait")) or usual.max_wait,
        _span_from(said.reset_time, said.HasField("reset_time")) or usual.reset_time,
    )


def _span_from(span: Duration, given: object) -> timedelta | None:
    return span.ToTimedelta() if given else None
