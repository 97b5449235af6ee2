"""What the infrastructure process is made of: the one place that names its adapters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from chassis import ServerSettings, Servicer, serve
from infrastructure_service.handlers import InfrastructureHandlers
from infrastructure_service.providers import PROVIDERS, provider_type
from infrastructure_service.service import Stacks
from infrastructure_service.settings import SERVICE, InfrastructureSettings, read
from pagekit import PageTokens
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2_grpc as rpc


def settings() -> Iterator[type]:
    """Everything that can be set, whichever provider is chosen."""
    yield InfrastructureSettings
    for name in PROVIDERS:
        yield provider_type(name).Settings


async def main() -> None:
    """Serve until told to stop."""
    server, provider, handlers = compose(os.environ)
    await serve(
        SERVICE,
        servicers=[Servicer(rpc.add_InfrastructureServiceServicer_to_server, handlers)],
        resources=[provider],
        settings=server,
    )


def compose(environ: Mapping[str, str]) -> tuple[ServerSettings, Any, InfrastructureHandlers]:
    """How to serve, the provider, which is still to be opened, and the handlers over it."""
    chosen, provider_settings = read(environ)
    provider = provider_type(chosen.choice.provider)(provider_settings)
    stacks = Stacks(provider, interval=chosen.interval)
    return chosen.server, provider, InfrastructureHandlers(stacks, PageTokens.configured(chosen.pages))
