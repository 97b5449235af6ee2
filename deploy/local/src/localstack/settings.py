"""The settings of the local stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from settingskit import setting

SEARCH_ATTRIBUTES = (
    "TenantId=Keyword",
    "TenantKey=Keyword",
    "Tier=Keyword",
    "OperationState=Keyword",
    "Step=Keyword",
    "FailedStep=Keyword",
)


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What can be set about the stack as a whole."""

    state: Path = setting("LOCAL_STATE", default=Path(".local"), help="The folder that holds data, logs and secrets.")
    cache: Path | None = setting(
        "LOCAL_CACHE", default=None, help="Where fetched servers are kept; the state folder if not given."
    )
    usual_ports: bool = setting(
        "LOCAL_USUAL_PORTS", default=True, help="Listen on the usual ports where they are free; else on any free ones."
    )
    namespace: str = setting("TEMPORAL_NAMESPACE", default="default", help="The Temporal namespace that is made.")
    search_attributes: tuple[str, ...] = setting(
        "LOCAL_SEARCH_ATTRIBUTES", default=SEARCH_ATTRIBUTES, help="Search attributes to register, NAME=TYPE each."
    )
    zone: str = setting(
        "LOCAL_DNS_ZONE", default="tenantmesh.test", help="The zone the DNS server is authoritative for."
    )
    keycloak: bool = setting(
        "LOCAL_KEYCLOAK", default=True, help="Run Keycloak; without it identity uses its local directory."
    )
