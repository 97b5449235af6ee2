"""The settings of the gateway."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from settingskit import setting


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where one process of the mesh is."""

    domain: str
    host: str
    port: int

    @property
    def is_address(self) -> bool:
        """Whether the host is an address, so that no name needs to be resolved."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What can be set about the gateway."""

    host: str = setting("GATEWAY_HOST", default="127.0.0.1", help="The address the gateway listens on.")
    port: int = setting(
        "GATEWAY_PORT", default=8080, minimum=1, maximum=65535, help="The port for JSON, gRPC, grpc-web."
    )
    admin_port: int = setting(
        "GATEWAY_ADMIN_PORT", default=9901, minimum=1, maximum=65535, help="The port of Envoy's own pages, on loopback."
    )
    origins: tuple[str, ...] = setting(
        "GATEWAY_ORIGINS",
        default=(),
        help="Origins whose pages may call, such as https://console.example.com; the word * allows all.",
    )
    timeout: timedelta = setting(
        "GATEWAY_TIMEOUT",
        default=timedelta(seconds=30),
        minimum=timedelta(milliseconds=100),
        help="The deadline of a call whose client sent none.",
    )
    longest: timedelta = setting(
        "GATEWAY_LONGEST", default=timedelta(minutes=5), help="The latest deadline that a client may send."
    )
    rate: int = setting("GATEWAY_RATE", default=1000, minimum=1, help="Requests a second that one gateway lets in.")
    burst: int = setting("GATEWAY_BURST", default=2000, minimum=1, help="Requests let in at once after a quiet time.")
    body_limit: int = setting(
        "GATEWAY_BODY_LIMIT",
        default=4 * 1024 * 1024,
        minimum=1024,
        help="How many bytes of one body are held at a time; the services bound whole messages.",
    )
