"""What an operator may set about a server. Contradictions are found here, before anything is opened."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chassis.logs import LogSettings
from chassis.tracing import TelemetrySettings
from settingskit import Problem, SettingsInvalid, nested, setting

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""The signatures a token may bear: public keys only, so that who can verify cannot forge."""


class Mode(enum.Enum):
    """How much is real. Only production refuses what is merely convenient."""

    MOCK = "mock"
    DEVELOPMENT = "development"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The certificates of a server. Files that change are read again at the next handshake."""

    cert_file: Path | None = setting("TLS_CERT_FILE", default=None, help="Certificate chain (PEM); none: plain text.")
    key_file: Path | None = setting("TLS_KEY_FILE", default=None, help="Private key of the certificate (PEM).")
    client_ca_file: Path | None = setting(
        "TLS_CLIENT_CA_FILE", default=None, help="Authorities (PEM) whose client certificates are required."
    )

    def __post_init__(self) -> None:
        problems = []
        if (self.cert_file is None) != (self.key_file is None):
            name = "TLS_CERT_FILE" if self.cert_file is None else "TLS_KEY_FILE"
            problems.append(Problem(name, "is required: a certificate and its key go together"))
        if self.client_ca_file and not self.cert_file:
            problems.append(Problem("TLS_CLIENT_CA_FILE", "needs TLS_CERT_FILE: only TLS carries client certificates"))
        for name, path in (
            ("TLS_CERT_FILE", self.cert_file),
            ("TLS_KEY_FILE", self.key_file),
            ("TLS_CLIENT_CA_FILE", self.client_ca_file),
        ):
            problems.extend(_unreadable(name, path))
        if problems:
            raise SettingsInvalid(problems)


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """How callers are known."""

    policy_file: Path | None = setting(
        "AUTH_POLICY_FILE", default=None, help="What each certificate's identity may do (JSON); read again on change."
    )
    jwks: str = setting("AUTH_JWKS", default="", help="URL or file of the keys (JWKS) that sign bearer tokens.")
    issuer: str = setting("AUTH_ISSUER", default="", help="The issuer tokens must name.")
    audience: str = setting("AUTH_AUDIENCE", default="", help="The audience tokens must name.")
    algorithms: tuple[str, ...] = setting("AUTH_ALGORITHMS", default=ALGORITHMS, help="Signatures that are accepted.")
    leeway: timedelta = setting(
        "AUTH_LEEWAY",
        default=timedelta(seconds=30),
        minimum=timedelta(0),
        maximum=timedelta(minutes=5),
        help="How far the clocks of issuer and server may differ.",
    )
    development: bool = setting(
        "AUTH_DEVELOPMENT",
        default=False,
        help="Let callers without credentials in with all permissions. Refused in production.",
    )

    def __post_init__(self) -> None:
        problems = list(_unreadable("AUTH_POLICY_FILE", self.policy_file))
        if self.jwks:
            problems += [
                Problem(name, "is required with AUTH_JWKS: a token meant for somebody else must not count")
                for name, value in (("AUTH_ISSUER", self.issuer), ("AUTH_AUDIENCE", self.audience))
                if not value
            ]
            if not self.jwks.startswith(("http://", "https://")):
                problems.extend(_unreadable("AUTH_JWKS", Path(self.jwks)))
        unknown = [name for name in self.algorithms if name not in ALGORITHMS]
        if unknown or not self.algorithms:
            problems.append(Problem("AUTH_ALGORITHMS", f"must be some of {', '.join(ALGORITHMS)}"))
        if problems:
            raise SettingsInvalid(problems)


@dataclass(frozen=True, slots=True)
class OpsSettings:
    """Where a process tells its operators how it is."""

    host: str = setting("OPS_HOST", default="127.0.0.1", help="Address of /health, /ready and /metrics.")
    port: int = setting("OPS_PORT", default=0, minimum=0, maximum=65535, help="Their port; 0 takes a free one.")
    health_interval: timedelta = setting(
        "HEALTH_INTERVAL",
        default=timedelta(seconds=10),
        minimum=timedelta(milliseconds=10),
        help="How often each dependency is checked; a check may take as long.",
    )


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Everything about a server process."""

    mode: Mode = setting("MESH_MODE", default=Mode.PRODUCTION, help="mock, development or production.")
    host: str = setting("RPC_HOST", default="127.0.0.1", help="Address the RPCs are served on.")
    port: int = setting("RPC_PORT", default=0, minimum=0, maximum=65535, help="Their port; 0 takes a free one.")
    reuse_port: bool = setting("RPC_REUSE_PORT", default=False, help="Let several processes serve one port.")
    max_concurrent: int = setting(
        "RPC_MAX_CONCURRENT",
        default=256,
        minimum=1,
        help="RPCs served at once, and as many streams that watch; more are refused with RetryInfo.",
    )
    max_message_bytes: int = setting(
        "RPC_MAX_MESSAGE_BYTES", default=4 * 1024 * 1024, minimum=1024, help="The largest message accepted."
    )
    default_deadline: timedelta = setting(
        "RPC_DEFAULT_DEADLINE",
        default=timedelta(seconds=30),
        minimum=timedelta(milliseconds=1),
        help="How long a call may take when its caller does not say.",
    )
    stream_deadline: timedelta = setting(
        "RPC_STREAM_DEADLINE",
        default=timedelta(hours=1),
        minimum=timedelta(milliseconds=1),
        help="The same for a stream.",
    )
    shutdown_grace: timedelta = setting(
        "SHUTDOWN_GRACE",
        default=timedelta(seconds=20),
        minimum=timedelta(0),
        help="How long calls in flight may go on once the process is told to stop.",
    )
    ops: OpsSettings = nested(OpsSettings)
    tls: TlsSettings = nested(TlsSettings)
    auth: AuthSettings = nested(AuthSettings)
    log: LogSettings = nested(LogSettings)
    telemetry: TelemetrySettings = nested(TelemetrySettings)

    def __post_init__(self) -> None:
        problems = list(self._contradictions())
        if problems:
            raise SettingsInvalid(problems)

    @property
    def open_to_all(self) -> bool:
        """Whether callers without credentials are let in: said so, or nothing else is configured in development."""
        configured = self.tls.client_ca_file or self.auth.jwks
        return self.auth.development or (self.mode is not Mode.PRODUCTION and not configured)

    def _contradictions(self) -> Iterator[Problem]:
        if self.mode is Mode.PRODUCTION and self.auth.development:
            yield Problem("AUTH_DEVELOPMENT", "lets everybody in, which MESH_MODE=production refuses")
        if self.mode is Mode.PRODUCTION and not (self.tls.client_ca_file or self.auth.jwks):
            yield Problem("AUTH_JWKS", "or TLS_CLIENT_CA_FILE is required: nothing says how callers are known")
        if self.tls.client_ca_file and not (self.auth.policy_file or self.auth.jwks):
            yield Problem("AUTH_POLICY_FILE", "is required with TLS_CLIENT_CA_FILE: no certificate may do anything yet")
        if self.auth.policy_file and not self.tls.client_ca_file:
            yield Problem("TLS_CLIENT_CA_FILE", "is required with AUTH_POLICY_FILE: only certificates carry identities")
        if self.ops.port and self.ops.port == self.port:
            yield Problem("OPS_PORT", "is the port of the RPCs: they need one each")


def _unreadable(name: str, path: Path | None) -> Iterator[Problem]:
    if path is not None:
        try:
            path.open("rb").close()
        except OSError as error:
            yield Problem(name, f"cannot be read: {error.strerror}")
