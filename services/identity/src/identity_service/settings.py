"""What is configured about the identity service. A provider's own settings stand beside the provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chassis import Mode, ServerSettings
from identity_service.providers import PROVIDERS, provider_type
from pagekit import PageSettings
from postgreskit import DatabaseSettings
from settingskit import Problem, Secret, SettingsInvalid, load, nested, setting

SERVICE: Final = "identity"
_UNFIT_FOR_PRODUCTION: Final = {
    "memory": "keeps nothing and signs nobody in",
    "local": "is meant for development: it has no sign-in page",
}
_SHORTEST_SECRET: Final = 32


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which provider's settings are to be read."""

    provider: str = setting(
        "IDENTITY_PROVIDER", default="local", help=f"Who holds organizations and people: {', '.join(PROVIDERS)}."
    )


@dataclass(frozen=True, slots=True)
class SealSettings:
    """What hides the secrets that wait."""

    secret: Secret = setting(
        "IDENTITY_SECRET", help="Seals staged credentials; at least 32 characters, the same for all replicas."
    )
    previous: Secret | None = setting(
        "IDENTITY_SECRET_PREVIOUS",
        default=None,
        help="Still opens what it sealed, so that IDENTITY_SECRET can change.",
    )

    def __post_init__(self) -> None:
        """Refuse secrets that can be guessed."""
        problems = [
            Problem(name, f"must have at least {_SHORTEST_SECRET} characters")
            for name, secret in (("IDENTITY_SECRET", self.secret), ("IDENTITY_SECRET_PREVIOUS", self.previous))
            if secret is not None and len(secret.reveal()) < _SHORTEST_SECRET
        ]
        if problems:
            raise SettingsInvalid(problems)

    @property
    def secrets(self) -> Sequence[str]:
        """The one that is used, and the one before."""
        return [secret.reveal() for secret in (self.secret, self.previous) if secret]


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """Settings of the identity process."""

    server: ServerSettings = nested(ServerSettings, port=7102, ops={"port": 9102})
    database: DatabaseSettings = nested(DatabaseSettings)
    pages: PageSettings = nested(PageSettings)
    seal: SealSettings = nested(SealSettings)
    choice: ProviderChoice = nested(ProviderChoice)
    operator_role: str = setting(
        "IDENTITY_OPERATOR_ROLE",
        default="identity_operator",
        help="The database role that sees every tenant's rows; made by the first migration where it is missing.",
    )
    claim_life: timedelta = setting(
        "CREDENTIAL_CLAIM_LIFE",
        default=timedelta(hours=24),
        minimum=timedelta(minutes=1),
        maximum=timedelta(days=7),
        help="How long a generated password or secret waits to be claimed. One that a caller staged waits 15 minutes.",
    )
    sweep_interval: timedelta = setting(
        "CREDENTIAL_SWEEP_INTERVAL",
        default=timedelta(minutes=1),
        minimum=timedelta(milliseconds=100),
        help="How often secrets whose time is over are removed.",
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, and in production what would only pretend to."""
        provider = self.choice.provider
        if provider not in PROVIDERS:
            raise SettingsInvalid([Problem("IDENTITY_PROVIDER", f"must be one of {', '.join(PROVIDERS)}")])
        if self.server.mode is Mode.PRODUCTION and provider in _UNFIT_FOR_PRODUCTION:
            message = f"{provider} {_UNFIT_FOR_PRODUCTION[provider]}, and MESH_MODE=production refuses it"
            raise SettingsInvalid([Problem("IDENTITY_PROVIDER", message)])


def read(environ: Mapping[str, str]) -> tuple[IdentitySettings, Any]:
    """The settings of the process and of its provider; SettingsInvalid with the problems of both."""
    problems: list[Problem] = []
    found: list[Any] = []
    chosen = load(ProviderChoice, environ, service=SERVICE).provider
    kinds = [provider_type(chosen).Settings] if chosen in PROVIDERS else []
    for kind in (IdentitySettings, *kinds):
        try:
            found.append(load(kind, environ, service=SERVICE))
        except SettingsInvalid as invalid:
            problems += invalid.problems
    if problems:
        raise SettingsInvalid(problems)
    process, provider = found
    return process, provider
