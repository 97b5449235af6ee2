"""What is configured about tenants' places, whoever holds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from settingskit import nested, setting
from storage_service.blueprint.providers.folder import BlueprintSettings
from storage_service.exports.providers.settings import ExportSettings
from storage_service.schemas.model import Limits
from storage_service.schemas.service import Rules


@dataclass(frozen=True, slots=True)
class SchemaDefaults:
    """What a tenant's place is like where a caller says nothing."""

    blueprint: BlueprintSettings = nested(BlueprintSettings)
    exports: ExportSettings = nested(ExportSettings)
    max_connections: int = setting(
        "SCHEMA_MAX_CONNECTIONS", default=20, minimum=1, maximum=10_000, help="Connections a tenant's role may hold."
    )
    statement_timeout: timedelta = setting(
        "SCHEMA_STATEMENT_TIMEOUT",
        default=timedelta(minutes=1),
        minimum=timedelta(seconds=1),
        maximum=timedelta(days=1),
        help="How long one statement of a tenant's role may run.",
    )
    idle_timeout: timedelta = setting(
        "SCHEMA_IDLE_TIMEOUT",
        default=timedelta(minutes=5),
        minimum=timedelta(seconds=1),
        maximum=timedelta(days=1),
        help="How long a transaction of a tenant's role may do nothing.",
    )
    claim_life: timedelta = setting(
        "SCHEMA_CLAIM_LIFE",
        default=timedelta(hours=1),
        minimum=timedelta(seconds=1),
        help="How long a token to claim a password can be used.",
    )

    def rules(self, reserved: frozenset[str]) -> Rules:
        """What the domain is told."""
        limits = Limits(self.max_connections, self.statement_timeout, self.idle_timeout)
        return Rules(limits, self.blueprint.template, self.claim_life, reserved)
