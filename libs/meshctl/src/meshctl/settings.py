"""Where the mesh is, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.client.settings import ClientSettings
from settingskit import nested, setting


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """The way into the mesh: its gateway, or anything else that passes gRPC on to the services."""

    address: str = setting(
        "MESH_ADDRESS", default="127.0.0.1:8080", help="Where callers reach the mesh: its gateway, host:port."
    )
    client: ClientSettings = nested(ClientSettings)
