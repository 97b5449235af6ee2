"""What is configured about the infrastructure service. A provider's own settings stand in the provider's file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chassis import Mode, ServerSettings
from infrastructure_service.providers import PROVIDERS, provider_type
from pagekit import PageSettings
from settingskit import Problem, SettingsInvalid, load, nested, setting

SERVICE = "infrastructure"


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which provider's settings are to be read."""

    provider: str = setting(
        "INFRASTRUCTURE_PROVIDER", default="memory", help=f"Who makes stacks: {', '.join(PROVIDERS)}."
    )
    mode: Mode = setting("MESH_MODE", default=Mode.PRODUCTION, help="mock, development or production.")

    def __post_init__(self) -> None:
        """Refuse what does not exist, and in production what would only pretend to make something."""
        if self.provider not in PROVIDERS:
            raise SettingsInvalid([Problem("INFRASTRUCTURE_PROVIDER", f"must be one of {', '.join(PROVIDERS)}")])
        if self.mode is Mode.PRODUCTION and self.provider == "memory":
            message = "memory makes nothing, and MESH_MODE=production refuses it; `none` says so to its callers"
            raise SettingsInvalid([Problem("INFRASTRUCTURE_PROVIDER", message)])


@dataclass(frozen=True, slots=True)
class InfrastructureSettings:
    """Settings of the infrastructure process."""

    server: ServerSettings = nested(ServerSettings, port=7106, ops={"port": 9106})
    pages: PageSettings = nested(PageSettings)
    choice: ProviderChoice = nested(ProviderChoice)
    interval: timedelta = setting(
        "INFRASTRUCTURE_WATCH_INTERVAL",
        default=timedelta(seconds=1),
        minimum=timedelta(milliseconds=10),
        help="Between two looks at a run that somebody watches.",
    )


def read(environ: Mapping[str, str]) -> tuple[InfrastructureSettings, Any]:
    """The settings of the process and of its provider; SettingsInvalid with the problems of both."""
    problems: list[Problem] = []
    found: list[Any] = []
    for kind in (InfrastructureSettings, *_chosen(environ)):
        try:
            found.append(load(kind, environ, service=SERVICE))
        except SettingsInvalid as invalid:
            problems += invalid.problems
    if problems:
        raise SettingsInvalid(problems)
    process, provider = found
    return process, provider


def _chosen(environ: Mapping[str, str]) -> Iterator[type]:
    """The settings of the provider, if one can be chosen; what is wrong with the choice is told with the rest."""
    with suppress(SettingsInvalid):
        yield provider_type(load(ProviderChoice, environ, service=SERVICE).provider).Settings
