"""What the deployments process is made of: the one place that names its adapters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from chassis import ServerSettings, Servicer, serve
from deployments_service import translate
from deployments_service.handlers import DeploymentHandlers
from deployments_service.model import Capability
from deployments_service.providers import PROVIDERS, provider_type
from deployments_service.service import Deployments
from deployments_service.settings import SERVICE, DeploymentsSettings, read
from pagekit import PageTokens
from tenantmesh.deployments.v1 import deployment_service_pb2_grpc as rpc


def settings() -> Iterator[type]:
    """Everything that can be set, whichever provider is chosen."""
    yield DeploymentsSettings
    for name in PROVIDERS:
        yield provider_type(name).Settings


async def main() -> None:
    """Serve until told to stop. Tables are brought up to date first where ADMIN_DATABASE_URL is given."""
    server, provider, handlers = compose(os.environ)
    await serve(
        SERVICE,
        servicers=[Servicer(rpc.add_DeploymentServiceServicer_to_server, handlers)],
        resources=[provider],
        settings=server,
    )


def compose(environ: Mapping[str, str]) -> tuple[ServerSettings, Any, DeploymentHandlers]:
    """How to serve, the provider, which is still to be opened, and the handlers over it."""
    chosen, its = read(environ)
    kind = provider_type(chosen.choice.provider)
    reports = Capability.REPORTS in kind.capabilities
    provider = kind(its, reading=translate.report_from) if reports else kind(its)
    deployments = Deployments(
        provider,
        provider if reports else None,
        reading=translate.report_from,
        versions=chosen.versions.by_tier,
        interval=chosen.interval,
    )
    return chosen.server, provider, DeploymentHandlers(deployments, PageTokens.configured(chosen.pages))
