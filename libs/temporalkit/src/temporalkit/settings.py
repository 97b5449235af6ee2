"""What an operator may set about Temporal. The names of the connection are those Temporal's own tools read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chassis.logs import LogSettings
from chassis.settings import OpsSettings
from chassis.tracing import TelemetrySettings
from settingskit import Problem, Secret, SettingsInvalid, nested, setting
from temporalkit.codec import EncryptionSettings


@dataclass(frozen=True, slots=True)
class TemporalSettings:
    """Where Temporal is and how to be let in. What is not set here is taken from the profile, if one is named."""

    address: str | None = setting("TEMPORAL_ADDRESS", default=None, help="Its host:port; else 127.0.0.1:7233.")
    namespace: str | None = setting("TEMPORAL_NAMESPACE", default=None, help="The namespace used; else `default`.")
    api_key: Secret | None = setting("TEMPORAL_API_KEY", default=None, help="API key; implies TLS.")
    tls: bool | None = setting("TEMPORAL_TLS", default=None, help="Whether TLS is used; certificates imply it.")
    tls_server_name: str | None = setting(
        "TEMPORAL_TLS_SERVER_NAME", default=None, help="The name its certificate bears, if not its host's."
    )
    tls_ca_file: Path | None = setting(
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH", default=None, help="The authority that signed its certificate (PEM)."
    )
    tls_cert_file: Path | None = setting(
        "TEMPORAL_TLS_CLIENT_CERT_PATH", default=None, help="Our certificate chain (PEM)."
    )
    tls_key_file: Path | None = setting(
        "TEMPORAL_TLS_CLIENT_KEY_PATH", default=None, help="The private key of our certificate (PEM)."
    )
    config_file: Path | None = setting(
        "TEMPORAL_CONFIG_FILE", default=None, help="A file of profiles (TOML), as `temporal config` writes it."
    )
    profile: str | None = setting("TEMPORAL_PROFILE", default=None, help="The profile of that file; else `default`.")
    encryption: EncryptionSettings = nested(EncryptionSettings)

    def __post_init__(self) -> None:
        """Find what would only fail when connecting."""
        problems = list(self._problems())
        if problems:
            raise SettingsInvalid(problems)

    def _problems(self) -> Iterator[Problem]:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            missing = "TEMPORAL_TLS_CLIENT_CERT_PATH" if self.tls_key_file else "TEMPORAL_TLS_CLIENT_KEY_PATH"
            yield Problem(missing, "is required: a certificate and its key go together")
        if self.profile and not self.config_file:
            yield Problem("TEMPORAL_CONFIG_FILE", "is required with TEMPORAL_PROFILE")
        for name, path in (
            ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", self.tls_ca_file),
            ("TEMPORAL_TLS_CLIENT_CERT_PATH", self.tls_cert_file),
            ("TEMPORAL_TLS_CLIENT_KEY_PATH", self.tls_key_file),
            ("TEMPORAL_CONFIG_FILE", self.config_file),
        ):
            if path is not None and not path.is_file():
                yield Problem(name, "is not a file")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How much a worker does at once, which code it says it runs, and how it stops."""

    max_activities: int = setting(
        "MAX_CONCURRENT_ACTIVITIES", default=100, minimum=1, help="Activities run at once, for each queue."
    )
    max_workflows: int = setting(
        "MAX_CONCURRENT_WORKFLOWS", default=100, minimum=2, help="Workflow tasks worked on at once, for each queue."
    )
    heartbeat_interval: timedelta = setting(
        "WORKER_HEARTBEAT_INTERVAL",
        default=timedelta(seconds=2),
        minimum=timedelta(milliseconds=50),
        maximum=timedelta(seconds=30),
        help="How often a long activity reports, which is how soon it learns that it is cancelled.",
    )
    shutdown_grace: timedelta = setting(
        "SHUTDOWN_GRACE",
        default=timedelta(seconds=20),
        minimum=timedelta(0),
        help="How long activities may go on once the process is told to stop; then they are tried elsewhere.",
    )
    deployment: str = setting("WORKER_DEPLOYMENT", default="tenantmesh", help="The deployment this worker is part of.")
    build_id: str = setting(
        "WORKER_BUILD_ID",
        default="",
        help="The build this worker runs, such as a commit: a run stays with the build it began under. Empty: any may "
        "go on with it.",
    )
    promote: bool = setting(
        "WORKER_PROMOTE",
        default=False,
        help="Let new runs begin under this build as soon as it is up, instead of when its roll-out says so.",
    )
    temporal: TemporalSettings = nested(TemporalSettings)
    ops: OpsSettings = nested(OpsSettings)
    log: LogSettings = nested(LogSettings)
    telemetry: TelemetrySettings = nested(TelemetrySettings)

    def __post_init__(self) -> None:
        """Refuse to promote what has no name."""
        if self.promote and not self.build_id:
            raise SettingsInvalid([Problem("WORKER_BUILD_ID", "is required with WORKER_PROMOTE")])
