"""What the dns process is made of: the one place that names its adapters."""

from __future__ import annotations

import os

from chassis import Servicer, serve
from dns_service.handlers import DnsHandlers
from dns_service.providers import PROVIDERS
from dns_service.providers.memory import NoLookup
from dns_service.service import Records
from dns_service.settings import DnsSettings
from pagekit import PageTokens
from settingskit import load
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

SERVICE = "dns"
SETTINGS = (DnsSettings, *(provider.Settings for provider in PROVIDERS.values()))


async def main() -> None:
    """Serve until told to stop."""
    settings = load(DnsSettings, os.environ, service=SERVICE)
    chosen = PROVIDERS[settings.provider]
    provider = chosen(load(chosen.Settings, os.environ, service=SERVICE))
    handlers = DnsHandlers(Records(provider, NoLookup()), PageTokens.configured(settings.pages))
    await serve(
        SERVICE,
        servicers=[Servicer(rpc.add_DnsServiceServicer_to_server, handlers)],
        resources=[provider],
        settings=settings.server,
    )
