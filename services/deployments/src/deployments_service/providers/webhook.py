"""Deployments by any CI/CD that takes a signed call: it is told what to do, and asked, or reports by itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from chassis import Mode
from deployments_service.migrations import schema
from deployments_service.model import Capability, Deployment, Report, SignedReport, State
from deployments_service.signing.model import verify
from deployments_service.webhook.providers.http import Endpoint, HttpPipeline
from deployments_service.webhook.service import Courier, Pace
from deployments_service.webhook.store import DeploymentStore
from postgreskit import Database, DatabaseSettings
from settingskit import Problem, Secret, SettingsInvalid, nested, setting

_SHORTEST_SECRET = 32
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Where the pipeline is, and how it is called."""

    mode: Mode = setting("MESH_MODE", default=Mode.PRODUCTION, help="mock, development or production.")
    url: str = setting("DEPLOYMENT_WEBHOOK_URL", help="The address of the pipeline, https://…")
    secret: Secret = setting(
        "DEPLOYMENT_WEBHOOK_SECRET",
        help="Shared with the pipeline: signs calls, and its reports; at least 32 characters.",
    )
    previous: Secret | None = setting(
        "DEPLOYMENT_WEBHOOK_SECRET_PREVIOUS",
        default=None,
        help="Still signs and is still believed, so that DEPLOYMENT_WEBHOOK_SECRET can change.",
    )
    patience: timedelta = setting(
        "DEPLOYMENT_WEBHOOK_TIMEOUT",
        default=timedelta(seconds=10),
        minimum=timedelta(milliseconds=10),
        maximum=timedelta(minutes=1),
        help="How long the pipeline may take to answer.",
    )
    status_hosts: tuple[str, ...] = setting(
        "DEPLOYMENT_WEBHOOK_STATUS_HOSTS",
        default=(),
        help="Hosts beside its own at which the pipeline may let itself be asked.",
    )
    networks: tuple[str, ...] = setting(
        "DEPLOYMENT_WEBHOOK_ALLOWED_NETWORKS",
        default=(),
        help="Networks that may be called although they are this machine's or its link's, such as 127.0.0.0/8.",
    )
    ca_file: Path | None = setting(
        "DEPLOYMENT_WEBHOOK_CA_FILE", default=None, help="Whom to believe instead of the public authorities."
    )
    public_url: str = setting(
        "DEPLOYMENT_PUBLIC_URL",
        default="",
        help="Where the gateway is reached from outside, https://…, for pipelines that report; empty lets none.",
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, and in production what is not protected."""
        problems = [*self._addresses(), *self._secrets()]
        if problems:
            raise SettingsInvalid(problems)

    @property
    def endpoint(self) -> Endpoint:
        """As the pipeline is called."""
        return Endpoint(
            self.url,
            [secret.reveal() for secret in (self.secret, self.previous) if secret],
            self.patience,
            self.status_hosts,
            [ipaddress.ip_network(network) for network in self.networks],
            self.ca_file,
            self.public_url,
        )

    def _addresses(self) -> Iterator[Problem]:
        schemes = {"https"} if self.mode is Mode.PRODUCTION else {"https", "http"}
        for name, url in (("DEPLOYMENT_WEBHOOK_URL", self.url), ("DEPLOYMENT_PUBLIC_URL", self.public_url)):
            if not _is_url(url, schemes) and (url or name == "DEPLOYMENT_WEBHOOK_URL"):
                yield Problem(name, f"must be an address that begins with {' or '.join(sorted(schemes))}://")
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                yield Problem("DEPLOYMENT_WEBHOOK_ALLOWED_NETWORKS", f"{network} is no network")
        if self.ca_file is not None and not self.ca_file.is_file():
            yield Problem("DEPLOYMENT_WEBHOOK_CA_FILE", "is no file")

    def _secrets(self) -> Iterator[Problem]:
        for name, secret in (
            ("DEPLOYMENT_WEBHOOK_SECRET", self.secret),
            ("DEPLOYMENT_WEBHOOK_SECRET_PREVIOUS", self.previous),
        ):
            if secret is not None and len(secret.reveal()) < _SHORTEST_SECRET:
                yield Problem(name, f"must have at least {_SHORTEST_SECRET} characters")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Settings of the webhook provider."""

    pipeline: PipelineSettings = nested(PipelineSettings)
    database: DatabaseSettings = nested(DatabaseSettings)
    operator_role: str = setting(
        "DEPLOYMENTS_OPERATOR_ROLE",
        default="deployments_operator",
        help="The database role that sees every tenant's rows; made by the first migration where it is missing.",
    )
    rollout: timedelta = setting(
        "DEPLOYMENT_ROLLOUT_TIMEOUT",
        default=timedelta(minutes=15),
        minimum=timedelta(milliseconds=100),
        help="How long a rollout may take before it has failed.",
    )
    first_pause: timedelta = setting(
        "DEPLOYMENT_WEBHOOK_PAUSE",
        default=timedelta(seconds=1),
        minimum=timedelta(milliseconds=10),
        help="Before the pipeline is asked again; twice as long each time that nothing has changed.",
    )
    longest_pause: timedelta = setting(
        "DEPLOYMENT_WEBHOOK_LONGEST_PAUSE",
        default=timedelta(seconds=30),
        minimum=timedelta(milliseconds=10),
        help="The longest of these pauses, unless the pipeline asks for more.",
    )

    @property
    def pace(self) -> Pace:
        """How often the pipeline is asked. An answer is recorded long before its reader is taken for dead."""
        lease = self.pipeline.patience + timedelta(seconds=20)
        return Pace(self.first_pause, self.longest_pause, lease, _AT_ONCE)


class WebhookProvider:
    """Deployments by a pipeline that is called with a signature."""

    name = "webhook"
    makes = True
    capabilities = frozenset({Capability.ROLLBACK, Capability.REPORTS})
    Settings = WebhookSettings

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        reading: Callable[[bytes], Report],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            settings: its settings.
            reading: reads a report.
            clock: the time that signatures are held against.
        """
        self._clock = clock
        self._secrets = settings.pipeline.endpoint.secrets
        self._schema = schema(settings.database, operator_role=settings.operator_role)
        self._database = Database(settings.database, application="deployments")
        self._store = DeploymentStore(self._database, operator_role=settings.operator_role, patience=settings.rollout)
        self._pipeline = HttpPipeline(settings.pipeline.endpoint, clock=clock)
        self._courier = Courier(self._store, self._pipeline, settings.pace, reading=reading)
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            for resource in (self._schema, self._database, self._pipeline, self._courier):
                await opened.enter_async_context(resource)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def check(self) -> None:
        """The database answers, and rollouts are looked after. Whether the pipeline answers shows when it is called."""
        await self._database.check()
        await self._courier.check()

    async def find(self, tenant_id: str, app: str) -> Deployment | None:
        """What stands for the tenant under that name."""
        return await self._store.find(tenant_id, app)

    async def begin(self, wanted: Deployment, *, seen: Deployment | None) -> Deployment | None:
        """Put a rollout on record, and have the pipeline called."""
        begun = await self._store.begin(wanted, seen=seen)
        self._courier.wake()
        return begun

    async def page(
        self, *, tenant_id: str, operation_id: str, after: tuple[str, str] | None, size: int
    ) -> Sequence[Deployment]:
        """What the mesh made, by tenant and application."""
        return await self._store.page(tenant_id=tenant_id, operation_id=operation_id, after=after, size=size)

    def verify(self, signed: SignedReport) -> None:
        """Raise SIGNATURE_INVALID or SIGNATURE_EXPIRED unless it is signed, and now."""
        verify(signed, self._secrets, self._clock())

    async def accept(self, signed: SignedReport, report: Report) -> tuple[State, bool]:
        """Put on record what a verified report says, once."""
        return await self._store.accept(signed, report)


def _is_url(text: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False
