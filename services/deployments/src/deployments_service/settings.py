"""What is configured about the deployments service. A provider's own settings stand in the provider's file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chassis import Mode, ServerSettings
from deployments_service.model import Tier
from deployments_service.providers import PROVIDERS, provider_type
from pagekit import PageSettings
from settingskit import Problem, SettingsInvalid, load, nested, setting

SERVICE = "deployments"


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which provider's settings are to be read."""

    provider: str = setting("DEPLOYMENT_PROVIDER", default="memory", help=f"Who deploys: {', '.join(PROVIDERS)}.")
    mode: Mode = setting("MESH_MODE", default=Mode.PRODUCTION, help="mock, development or production.")

    def __post_init__(self) -> None:
        """Refuse what does not exist, and in production what would only pretend to deploy."""
        if self.provider not in PROVIDERS:
            raise SettingsInvalid([Problem("DEPLOYMENT_PROVIDER", f"must be one of {', '.join(PROVIDERS)}")])
        if self.mode is Mode.PRODUCTION and self.provider == "memory":
            message = "memory deploys nothing, and MESH_MODE=production refuses it; `none` says so to its callers"
            raise SettingsInvalid([Problem("DEPLOYMENT_PROVIDER", message)])


@dataclass(frozen=True, slots=True)
class VersionSettings:
    """What runs where a caller names no version."""

    silo: str = setting("DEPLOYMENT_VERSION_SILO", default="stable", help="For silo tenants, where none is named.")
    bridge: str = setting("DEPLOYMENT_VERSION_BRIDGE", default="stable", help="For bridge tenants.")
    pooled: str = setting("DEPLOYMENT_VERSION_POOLED", default="stable", help="For pooled tenants.")

    @property
    def by_tier(self) -> Mapping[Tier, str]:
        """The version of each tier."""
        return {tier: getattr(self, tier.value) for tier in Tier}


@dataclass(frozen=True, slots=True)
class DeploymentsSettings:
    """Settings of the deployments process."""

    server: ServerSettings = nested(ServerSettings, port=7107, ops={"port": 9107})
    pages: PageSettings = nested(PageSettings)
    choice: ProviderChoice = nested(ProviderChoice)
    versions: VersionSettings = nested(VersionSettings)
    interval: timedelta = setting(
        "DEPLOYMENT_WATCH_INTERVAL",
        default=timedelta(milliseconds=500),
        minimum=timedelta(milliseconds=10),
        help="Between two looks at a deployment that somebody watches.",
    )


def read(environ: Mapping[str, str]) -> tuple[DeploymentsSettings, Any]:
    """The settings of the process and of its provider; SettingsInvalid with the problems of both."""
    problems: list[Problem] = []
    found: list[Any] = []
    for kind in (DeploymentsSettings, *_chosen(environ)):
        try:
            found.append(load(kind, environ, service=SERVICE))
        except SettingsInvalid as invalid:
            problems += invalid.problems
    if problems:
        raise SettingsInvalid(dict.fromkeys(problems))
    process, provider = found
    return process, provider


def _chosen(environ: Mapping[str, str]) -> Iterator[type]:
    """The settings of the provider, if one can be chosen; what is wrong with the choice is told with the rest."""
    with suppress(SettingsInvalid):
        yield provider_type(load(ProviderChoice, environ, service=SERVICE).provider).Settings
