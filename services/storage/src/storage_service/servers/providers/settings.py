"""Which database servers there are: one address, or a file that names several.

[servers.eu-1]                     # the first one also keeps who lies where
url = "postgresql://…"
weight = 100                       # against the others'; 0 takes only who is sent there by name
limit = 1000                       # schemas
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settingskit import Problem, Secret, SettingsInvalid, setting
from storage_service.schemas.providers.connections import Address
from storage_service.servers.model import Share

MAIN = "main"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HEAVIEST = 1000


@dataclass(frozen=True, slots=True)
class ServersSettings:
    """The database servers."""

    url: Secret | None = setting(
        "TENANT_DATABASE_URL",
        default=None,
        help="Address of the database that holds tenants' schemas, for a role that may create schemas and roles.",
    )
    file: Path | None = setting(
        "TENANT_DATABASE_SERVERS",
        default=None,
        help="In place of TENANT_DATABASE_URL, a TOML file with several servers: their addresses, weights and limits.",
    )
    limit: int = setting(
        "SCHEMA_SERVER_LIMIT", default=1000, minimum=1, help="Schemas a server may hold where its file does not say."
    )

    def __post_init__(self) -> None:
        """Refuse servers that cannot be."""
        if (self.url is None) is (self.file is None):
            raise SettingsInvalid([Problem("TENANT_DATABASE_URL", "either it is required or TENANT_DATABASE_SERVERS")])
        self.servers()

    def servers(self) -> Mapping[Share, Address]:
        """Every server with its address, the one that keeps who lies where first."""
        if self.url is not None:
            return {Share(MAIN, limit=self.limit): Address(self.url)}
        try:
            text = (self.file or Path()).read_text("utf-8")
            entries = tomllib.loads(text)["servers"].items()
            return dict(self._server(name, entry) for name, entry in entries)
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            # What the parser says may quote an address with its password.
            problem = f"cannot be read as a list of servers ({type(error).__name__})"
            raise SettingsInvalid([Problem("TENANT_DATABASE_SERVERS", problem)]) from None

    def _server(self, name: str, entry: Any) -> tuple[Share, Address]:
        share = Share(name, int(entry.get("weight", 100)), int(entry.get("limit", self.limit)))
        if not _NAME.fullmatch(name) or not 0 <= share.weight <= _HEAVIEST or share.limit < 0:
            problem = f"{name}: a name is a-z, 0-9 and -, a weight 0 to {_HEAVIEST}, a limit not below 0"
            raise SettingsInvalid([Problem("TENANT_DATABASE_SERVERS", problem)])
        return share, Address(Secret(entry["url"]))
