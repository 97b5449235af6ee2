"""What an operator may set about the calls a process makes.

`load(TargetSettings, os.environ, service="dns")` reads DNS_ADDRESS, and for everything else lets DNS_RPC_TIMEOUT win
over RPC_TIMEOUT: one variable for all targets, one more for the target that differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from settingskit import Problem, SettingsInvalid, nested, setting


@dataclass(frozen=True, slots=True)
class ClientTlsSettings:
    """How a target proves who it is, and how this process does. Files that change serve the next connection."""

    enabled: bool = setting("RPC_TLS", default=False, help="Call over TLS; implied by RPC_CA_FILE and RPC_CERT_FILE.")
    ca_file: Path | None = setting(
        "RPC_CA_FILE", default=None, help="Authorities (PEM) that targets' certificates come from; none: the system's."
    )
    cert_file: Path | None = setting("RPC_CERT_FILE", default=None, help="Certificate chain (PEM) shown to targets.")
    key_file: Path | None = setting("RPC_KEY_FILE", default=None, help="Private key of that certificate (PEM).")
    server_name: str = setting(
        "RPC_SERVER_NAME", default="", help="Name a target's certificate must have; empty: the address that is called."
    )

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise SettingsInvalid(problems)

    @property
    def wanted(self) -> bool:
        """Whether calls go over TLS."""
        return self.enabled or self.ca_file is not None or self.cert_file is not None

    def _problems(self) -> Iterator[Problem]:
        if (self.cert_file is None) != (self.key_file is None):
            name = "RPC_CERT_FILE" if self.cert_file is None else "RPC_KEY_FILE"
            yield Problem(name, "is required: a certificate and its key go together")
        if self.server_name and not self.wanted:
            yield Problem("RPC_SERVER_NAME", "needs RPC_TLS: plain text has no certificates")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How calls are made."""

    timeout: timedelta = setting(
        "RPC_TIMEOUT",
        default=timedelta(seconds=10),
        minimum=timedelta(milliseconds=1),
        help="How long a call may take that says nothing itself; never longer than the caller of this process waits.",
    )
    stream_timeout: timedelta = setting(
        "RPC_STREAM_TIMEOUT",
        default=timedelta(hours=1),
        minimum=timedelta(milliseconds=1),
        help="The same for a stream.",
    )
    attempts: int = setting(
        "RPC_ATTEMPTS",
        default=4,
        minimum=1,
        maximum=5,
        help="How often a call is tried that answers UNAVAILABLE, where its contract says that repeating it is safe.",
    )
    connections: int = setting(
        "RPC_CONNECTIONS",
        default=1,
        minimum=1,
        maximum=64,
        help="Connections to each address of a target; several, where several processes share one port.",
    )
    wait_for_ready: bool = setting(
        "RPC_WAIT_FOR_READY", default=False, help="Let calls wait for a connection instead of failing without one."
    )
    keepalive: timedelta = setting(
        "RPC_KEEPALIVE",
        default=timedelta(seconds=30),
        minimum=timedelta(seconds=10),
        help="How often a silent connection is checked.",
    )
    max_message_bytes: int = setting(
        "RPC_MAX_MESSAGE_BYTES", default=4 * 1024 * 1024, minimum=1024, help="The largest message accepted."
    )
    token_file: Path | None = setting(
        "RPC_TOKEN_FILE", default=None, help="File with the bearer token sent with each call; read again on change."
    )
    tls: ClientTlsSettings = nested(ClientTlsSettings)


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Where a service is, and how it is called."""

    address: str = setting(
        "ADDRESS", help="Where a service is, one for each, as DNS_ADDRESS: host:port, or any name gRPC resolves."
    )
    client: ClientSettings = nested(ClientSettings)
