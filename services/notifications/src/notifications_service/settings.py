"""What is configured about the notifications service. A provider's own settings stand in the provider's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from chassis import Mode, ServerSettings
from notifications_service.model import Branding
from notifications_service.providers import PROVIDERS, provider_type
from pagekit import PageSettings
from postgreskit import DatabaseSettings
from settingskit import Problem, Secret, SettingsInvalid, load, nested, setting

SERVICE: Final = "notifications"
_UNFIT_FOR_PRODUCTION: Final = frozenset({"memory", "logging"})
_SHORTEST_SECRET: Final = 32


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which providers' settings are to be read."""

    providers: tuple[str, ...] = setting(
        "NOTIFICATION_PROVIDER",
        default=("memory",),
        help=f"Who carries messages, in the order they are asked: {', '.join(PROVIDERS)}.",
    )


@dataclass(frozen=True, slots=True)
class BrandSettings:
    """How messages look that bring no branding of their own."""

    product_name: str = setting("NOTIFICATION_PRODUCT_NAME", default="tenantmesh", help="What the product is called.")
    logo_url: str = setting("NOTIFICATION_LOGO_URL", default="", help="Where its logo is; empty shows its name.")
    primary_color: str = setting(
        "NOTIFICATION_PRIMARY_COLOR", default="#3457d5", help="The colour of buttons and links, #rrggbb."
    )
    website_url: str = setting("NOTIFICATION_WEBSITE_URL", default="", help="Where the product's pages are.")
    support_url: str = setting("NOTIFICATION_SUPPORT_URL", default="", help="Where help is found.")
    support_email: str = setting("NOTIFICATION_SUPPORT_EMAIL", default="", help="Whom to ask for help.")
    footer: str = setting("NOTIFICATION_FOOTER", default="", help="What stands at the foot, such as an address.")
    sender_name: str = setting(
        "NOTIFICATION_FROM_NAME", default="", help="The name messages come from; empty takes the product's."
    )
    reply_to: str = setting("NOTIFICATION_REPLY_TO", default="", help="Where answers go; empty is the sender.")

    def __post_init__(self) -> None:
        """Refuse a colour that is none."""
        color = self.primary_color
        if len(color) != len("#rrggbb") or not color.startswith("#") or not _is_hex(color[1:]):
            raise SettingsInvalid([Problem("NOTIFICATION_PRIMARY_COLOR", "must be written #rrggbb")])

    @property
    def branding(self) -> Branding:
        """As messages know it."""
        return Branding(**{name: getattr(self, name) for name in Branding.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """How messages are sent."""

    sender: str = setting("NOTIFICATION_FROM", default="no-reply@localhost", help="The address messages come from.")
    concurrency: int = setting(
        "NOTIFICATION_CONCURRENCY", default=64, minimum=1, help="Messages one process has in hand at once."
    )
    attempts: int = setting(
        "NOTIFICATION_ATTEMPTS",
        default=7,
        minimum=1,
        help="How often a message is tried while its provider puts us off.",
    )
    first_pause: timedelta = setting(
        "NOTIFICATION_RETRY_PAUSE",
        default=timedelta(seconds=2),
        minimum=timedelta(milliseconds=1),
        help="Before the second try; four times as long each time, 5 minutes at most.",
    )
    patience: timedelta = setting(
        "NOTIFICATION_SEND_TIMEOUT",
        default=timedelta(minutes=1),
        minimum=timedelta(milliseconds=10),
        help="How long a provider may take for one message.",
    )
    lease: timedelta = setting(
        "NOTIFICATION_LEASE",
        default=timedelta(minutes=5),
        minimum=timedelta(milliseconds=100),
        help="After how long a process that sends a message is taken for dead; longer than the providers may take.",
    )
    kept: timedelta = setting(
        "NOTIFICATION_CONTENT_KEPT",
        default=timedelta(hours=24),
        maximum=timedelta(hours=24),
        help="How long what messages are written from is kept for those who failed.",
    )
    log_kept: timedelta = setting(
        "NOTIFICATION_LOG_KEPT",
        default=timedelta(days=90),
        minimum=timedelta(days=8),
        help="How long a delivery stays on record once it is complete; after that a repeat of its request sends again.",
    )
    public_url: str = setting(
        "NOTIFICATION_PUBLIC_URL",
        default="",
        help="Where the gateway is reached from outside, https://…, for the unsubscribe header; empty leaves it out.",
    )

    def __post_init__(self) -> None:
        """Refuse addresses that are none."""
        problems = []
        if "@" not in self.sender.strip("@"):
            problems.append(Problem("NOTIFICATION_FROM", "must be an e-mail address"))
        if self.public_url and not self.public_url.startswith(("https://", "http://")):
            problems.append(Problem("NOTIFICATION_PUBLIC_URL", "must begin with https://"))
        if problems:
            raise SettingsInvalid(problems)


@dataclass(frozen=True, slots=True)
class SealSettings:
    """What hides what is kept."""

    secret: Secret = setting(
        "NOTIFICATIONS_SECRET",
        help="Seals what messages are written from, and signs unsubscribe links; at least 32 characters, the same for "
        "all replicas.",
    )
    previous: Secret | None = setting(
        "NOTIFICATIONS_SECRET_PREVIOUS",
        default=None,
        help="Still opens what it sealed, so that NOTIFICATIONS_SECRET can change.",
    )

    def __post_init__(self) -> None:
        """Refuse secrets that can be guessed."""
        problems = [
            Problem(name, f"must have at least {_SHORTEST_SECRET} characters")
            for name, secret in (
                ("NOTIFICATIONS_SECRET", self.secret),
                ("NOTIFICATIONS_SECRET_PREVIOUS", self.previous),
            )
            if secret is not None and len(secret.reveal()) < _SHORTEST_SECRET
        ]
        if problems:
            raise SettingsInvalid(problems)

    @property
    def secrets(self) -> Sequence[str]:
        """The one that is used, and the one before."""
        return [secret.reveal() for secret in (self.secret, self.previous) if secret]


@dataclass(frozen=True, slots=True)
class NotificationsSettings:
    """Settings of the notifications process."""

    server: ServerSettings = nested(ServerSettings, port=7105, ops={"port": 9105})
    database: DatabaseSettings = nested(DatabaseSettings)
    pages: PageSettings = nested(PageSettings)
    seal: SealSettings = nested(SealSettings)
    choice: ProviderChoice = nested(ProviderChoice)
    sending: SendingSettings = nested(SendingSettings)
    brand: BrandSettings = nested(BrandSettings)
    operator_role: str = setting(
        "NOTIFICATIONS_OPERATOR_ROLE",
        default="notifications_operator",
        help="The database role that sees every tenant's rows; made by the first migration where it is missing.",
    )
    language: str = setting("NOTIFICATION_LANGUAGE", default="en", help="For who has none, as a BCP 47 tag.")
    templates: Path | None = setting(
        "NOTIFICATION_TEMPLATES", default=None, help="A folder whose templates go before those that come along."
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, and in production what would only pretend to."""
        problems = [*self._providers(), *self._sender()]
        if self.templates is not None and not self.templates.is_dir():
            problems.append(Problem("NOTIFICATION_TEMPLATES", f"{self.templates} is no folder"))
        if problems:
            raise SettingsInvalid(problems)

    def _providers(self) -> Sequence[Problem]:
        chosen = self.choice.providers
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(PROVIDERS):
            text = f"must name some of {', '.join(PROVIDERS)}, each once"
            return [Problem("NOTIFICATION_PROVIDER", text)]
        unfit = sorted(_UNFIT_FOR_PRODUCTION & set(chosen)) if self.server.mode is Mode.PRODUCTION else []
        return [
            Problem("NOTIFICATION_PROVIDER", f"{name} reaches nobody, and MESH_MODE=production refuses it")
            for name in unfit
        ]

    def _sender(self) -> Sequence[Problem]:
        if self.server.mode is Mode.PRODUCTION and self.sending.sender.endswith("@localhost"):
            return [Problem("NOTIFICATION_FROM", "is required in production: nobody takes mail from localhost")]
        return []


def read(environ: Mapping[str, str]) -> tuple[NotificationsSettings, Sequence[Any]]:
    """The settings of the process and of its providers; SettingsInvalid with the problems of all."""
    problems: list[Problem] = []
    found: list[Any] = []
    chosen = load(ProviderChoice, environ, service=SERVICE).providers
    kinds = [provider_type(name).Settings for name in chosen if name in PROVIDERS]
    for kind in (NotificationsSettings, *kinds):
        try:
            found.append(load(kind, environ, service=SERVICE))
        except SettingsInvalid as invalid:
            problems += invalid.problems
    if problems:
        raise SettingsInvalid(problems)
    return found[0], found[1:]


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdefABCDEF" for letter in text)
