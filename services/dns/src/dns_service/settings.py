"""What is configured about the dns service. A provider's own settings stand in the provider's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis import Mode, ServerSettings
from dns_service.providers import PROVIDERS, provider_type
from dns_service.verification.providers.settings import VerificationSettings
from pagekit import PageSettings
from settingskit import Problem, SettingsInvalid, load, nested, setting

SERVICE = "dns"
_UNFIT_FOR_PRODUCTION = frozenset({"memory", "logging"})
_RESERVED = (
    "admin", "api", "app", "assets", "auth", "autodiscover", "blog", "cdn", "docs", "ftp", "help", "imap", "internal",
    "login", "mail", "mta-sts", "ns1", "ns2", "ns3", "ns4", "pop", "smtp", "sso", "static", "status", "support",
    "webmail", "wpad", "www",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """Which provider's settings are to be read."""

    provider: str = setting("DNS_PROVIDER", default="memory", help=f"Who holds the records: {', '.join(PROVIDERS)}.")


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Settings of the dns process."""

    server: ServerSettings = nested(ServerSettings, port=7104, ops={"port": 9104})
    pages: PageSettings = nested(PageSettings)
    choice: ProviderChoice = nested(ProviderChoice)
    verification: VerificationSettings = nested(VerificationSettings)
    reserved: tuple[str, ...] = setting(
        "DNS_RESERVED_LABELS", default=_RESERVED, help="Labels that no tenant may have directly below a zone."
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, and in production what would only pretend to."""
        if self.choice.provider not in PROVIDERS:
            raise SettingsInvalid([Problem("DNS_PROVIDER", f"must be one of {', '.join(PROVIDERS)}")])
        if self.server.mode is Mode.PRODUCTION and self.choice.provider in _UNFIT_FOR_PRODUCTION:
            message = f"{self.choice.provider} makes no name resolve, and MESH_MODE=production refuses it"
            raise SettingsInvalid([Problem("DNS_PROVIDER", message)])


def read(environ: Mapping[str, str]) -> tuple[DnsSettings, Any]:
    """The settings of the process and of its provider; SettingsInvalid with the problems of both."""
    problems: list[Problem] = []
    found: list[Any] = []
    chosen = load(ProviderChoice, environ, service=SERVICE).provider
    for kind in (DnsSettings, provider_type(chosen).Settings if chosen in PROVIDERS else None):
        if kind is None:
            continue
        try:
            found.append(load(kind, environ, service=SERVICE))
        except SettingsInvalid as invalid:
            problems += invalid.problems
    if problems:
        raise SettingsInvalid(problems)
    process, provider = found
    return process, provider
