"""What is configured about the dns service. A provider's own settings stand in the provider's file."""

from __future__ import annotations

from dataclasses import dataclass

from chassis import Mode, ServerSettings
from dns_service.providers import PROVIDERS
from pagekit import PageSettings
from settingskit import Problem, SettingsInvalid, nested, setting


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Settings of the dns process."""

    server: ServerSettings = nested(ServerSettings, port=7104, ops={"port": 9104})
    pages: PageSettings = nested(PageSettings)
    provider: str = setting("DNS_PROVIDER", default="memory", help=f"Who holds the records: {', '.join(PROVIDERS)}.")

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise SettingsInvalid([Problem("DNS_PROVIDER", f"must be one of {', '.join(PROVIDERS)}")])
        if self.server.mode is Mode.PRODUCTION and self.provider == "memory":
            raise SettingsInvalid(
                [Problem("DNS_PROVIDER", "keeps records in memory, which MESH_MODE=production refuses")]
            )
