"""The Temporal client of a process: one connection, with our converter, tracing and propagation."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from itertools import chain, repeat
from types import TracebackType
from typing import Any, Final, Self

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig

from chassis import telemetry
from settingskit import Problem, SettingsInvalid
from temporalkit.failures import faults_raised
from temporalkit.metrics import observed_runtime
from temporalkit.plugin import mesh_plugin
from temporalkit.settings import TemporalSettings

ADDRESS: Final = "127.0.0.1:7233"

_log: Final = logging.getLogger(__name__)
# The SDK's threads still hold on to the interpreter for an instant after they have answered a call. A process that ends
# in that instant is aborted, whatever its exit code was to be.
_AFTERMATH: Final = 0.05
_PAUSES: Final = (0.5, 1.0, 2.0, 5.0)


class TemporalClient:
    """A resource: a service lists it, opens it at its start, checks it while it runs.

    It connects when it is first used, and again whenever it must. So a service starts while Temporal is away, and says
    that it is not ready.
    """

    name = "temporal"

    def __init__(self, settings: TemporalSettings, *, identity: str | None = None) -> None:
        """Keep the settings; nothing is opened yet.

        Args:
            settings: where Temporal is.
            identity: what Temporal's pages call this process; its process id and host if not given.
        """
        self._settings = settings
        self._identity = identity
        self._options: dict[str, Any] = {}
        self._client: Client | None = None
        self._stack = AsyncExitStack()

    @property
    def client(self) -> Client:
        """The SDK's client. What it raises becomes a fault with `temporalkit.failures.faults_raised`."""
        if self._client is None:
            raise RuntimeError("the Temporal client is not open")
        return self._client

    async def __aenter__(self) -> Self:
        """Start the SDK's engine; no connection is made yet."""
        instruments = telemetry.current()
        self._options = {
            **connect_options(self._settings),
            "plugins": [mesh_plugin(self._settings.encryption, instruments.tracer)],
            "identity": self._identity,
            "runtime": await self._stack.enter_async_context(observed_runtime(instruments.registry)),
        }
        self._client = await Client.connect(**self._options, lazy=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the connection: the SDK closes it once nothing uses it."""
        self._client = None
        self._options = {}
        await self._stack.aclose()
        await asyncio.sleep(_AFTERMATH)

    async def check(self) -> None:
        """Ask for the namespace.

        Raises:
            Fault: Temporal is away, or has no such namespace.
        """
        request = DescribeNamespaceRequest(namespace=self.client.namespace)
        with faults_raised():
            await self.client.workflow_service.describe_namespace(request)

    async def connected(self) -> Client:
        """A client that has its connection, which a worker needs. Waits until Temporal is there."""
        pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
        while True:
            try:
                return await Client.connect(**self._options)
            except RuntimeError as error:
                _log.warning("Temporal cannot be reached yet", extra={"cause": str(error)})
            await asyncio.sleep(next(pauses))


def connect_options(settings: TemporalSettings) -> ClientConnectConfig:
    """What `Client.connect` is called with: the profile, where one is named, under the settings.

    Raises:
        SettingsInvalid: the file has no such profile, or is not a file of profiles.
    """
    try:
        profile = ClientConfigProfile.load(
            settings.profile,
            config_source=settings.config_file,
            disable_file=settings.config_file is None,
            override_env_vars=_environment(settings),
        )
    except RuntimeError:  # its text shows lines of the file, and so its keys
        name = settings.profile or "default"
        raise SettingsInvalid([Problem("TEMPORAL_CONFIG_FILE", f"has no profile {name!r} that can be read")]) from None
    return {"target_host": ADDRESS, **profile.to_client_connect_config()}


def _environment(settings: TemporalSettings) -> dict[str, str]:
    """The settings as Temporal's own reader expects them."""
    values = {
        "TEMPORAL_ADDRESS": settings.address,
        "TEMPORAL_NAMESPACE": settings.namespace,
        "TEMPORAL_API_KEY": settings.api_key.reveal() if settings.api_key else None,
        "TEMPORAL_TLS": None if settings.tls is None else str(settings.tls).lower(),
        "TEMPORAL_TLS_SERVER_NAME": settings.tls_server_name,
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": settings.tls_ca_file,
        "TEMPORAL_TLS_CLIENT_CERT_PATH": settings.tls_cert_file,
        "TEMPORAL_TLS_CLIENT_KEY_PATH": settings.tls_key_file,
    }
    return {name: str(value) for name, value in values.items() if value is not None}
