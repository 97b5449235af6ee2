"""What the dns process is made of: the one place that names its adapters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from chassis import ServerSettings, Servicer, serve
from dns_service.handlers import DnsHandlers
from dns_service.ports import Targets, Verifier
from dns_service.providers import PROVIDERS, provider_type
from dns_service.service import Records
from dns_service.settings import SERVICE, DnsSettings, read
from dns_service.verification.providers.nolookup import NoLookup
from dns_service.verification.providers.settings import VerificationSettings
from pagekit import PageTokens
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc


def settings() -> Iterator[type]:
    """Everything that can be set, whichever provider is chosen."""
    yield DnsSettings
    for name in PROVIDERS:
        yield provider_type(name).Settings


async def main() -> None:
    """Serve until told to stop."""
    server, provider, handlers = compose(os.environ)
    await serve(
        SERVICE,
        servicers=[Servicer(rpc.add_DnsServiceServicer_to_server, handlers)],
        resources=[provider],
        settings=server,
    )


def compose(environ: Mapping[str, str]) -> tuple[ServerSettings, Any, DnsHandlers]:
    """How to serve, the provider, which is still to be opened, and the handlers over it."""
    chosen, provider_settings = read(environ)
    provider = provider_type(chosen.choice.provider)(provider_settings)
    verifier, targets = _lookups(chosen.verification, resolvable=provider.resolvable)
    records = Records(provider, verifier, targets, reserved=chosen.reserved)
    return chosen.server, provider, DnsHandlers(records, PageTokens.configured(chosen.pages))


def _lookups(chosen: VerificationSettings, *, resolvable: bool) -> tuple[Verifier, Targets]:
    """Who asks name servers: nobody, where none of them could know."""
    if not resolvable:
        return NoLookup(), NoLookup()
    # A DNS library is worth its memory only where somebody is asked.
    from dns_service.verification.providers.nameservers import NetworkNameServers
    from dns_service.verification.providers.targets import LiveTargets
    from dns_service.verification.service import LiveVerifier

    own, resolvers = chosen.own_servers(), chosen.resolver_servers()
    servers = NetworkNameServers(resolvers=resolvers, own=own, patience=chosen.patience)
    verifier = LiveVerifier(servers, quorum=chosen.quorum)
    if not chosen.check_targets:
        return verifier, NoLookup()
    # Servers that stand in for a zone's own know its names for certain; of the others enough must agree.
    return verifier, LiveTargets(servers, own or resolvers, quorum=1 if own else chosen.quorum)
