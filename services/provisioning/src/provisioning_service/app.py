"""What the provisioning process is made of: the one place that puts its parts together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chassis import ServerSettings, Servicer, serve
from chassis.client import Remote
from pagekit import PageTokens
from provisioning_service.dispatching import Dispatcher
from provisioning_service.engine import Engine
from provisioning_service.finding import Finding
from provisioning_service.handlers import ProvisioningHandlers
from provisioning_service.health import Examination
from provisioning_service.records import Records
from provisioning_service.settings import SERVICE, ProvisioningSettings, Target, read
from provisioning_service.starting import Starting
from provisioning_service.steering import Steering
from temporalkit.client import TemporalClient
from temporalkit.operations import Queues
from tenantmesh.provisioning.v1 import provisioning_service_pb2_grpc as rpc


def settings() -> Iterator[type]:
    """Everything that can be set."""
    yield ProvisioningSettings
    yield Target


@dataclass(frozen=True, slots=True)
class Composition:
    """How to serve, what, and over which resources, which are still to be opened."""

    server: ServerSettings
    servicers: list[Servicer]
    resources: list[Any]


async def main() -> None:
    """Serve until told to stop."""
    made = compose(os.environ)
    await serve(SERVICE, servicers=made.servicers, resources=made.resources, settings=made.server)


def compose(environ: Mapping[str, str]) -> Composition:
    """The process as the environment asks for it."""
    chosen, target = read(environ)
    temporal, tenants = TemporalClient(chosen.temporal), Remote("tenants", target)
    engine, records = Engine(temporal, Queues(chosen.queue)), Records(tenants)
    starting = Starting(engine, records, chosen.switches, chosen.installation)
    finding = Finding(engine, records, PageTokens.configured(chosen.pages), chosen.watch_interval)
    handlers = ProvisioningHandlers(
        starting,
        Steering(engine, records, finding, starting),
        finding,
        Examination(engine, {"temporal": temporal.check, "tenants": tenants.check}, chosen.switches),
    )
    return Composition(
        chosen.server,
        [Servicer(rpc.add_ProvisioningServiceServicer_to_server, handlers)],
        [temporal, tenants, Dispatcher(engine, records, starting, chosen.dispatch_interval)],
    )
