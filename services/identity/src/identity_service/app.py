"""What the identity process is made of: the one place that names its adapters."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chassis import ServerSettings, Servicer, serve
from chassis.resources import Resource
from identity_service.clients.service import Clients
from identity_service.credentials.service import Staging
from identity_service.credentials.store import CredentialStore
from identity_service.handlers import IdentityHandlers
from identity_service.migrations import schema
from identity_service.model import Capability
from identity_service.organizations.service import Homes, Organizations
from identity_service.ports import IdentityProvider, PasswordVerifier
from identity_service.providers import PROVIDERS, provider_type
from identity_service.settings import SERVICE, IdentitySettings, read
from identity_service.store import Records
from identity_service.sweeping.service import Sweeper
from identity_service.users.service import Users
from pagekit import PageTokens
from postgreskit import Database
from postgreskit.seal import Seal
from tenantmesh.identity.v1 import identity_service_pb2_grpc as rpc


@dataclass(frozen=True, slots=True)
class Composed:
    """A process that is put together, and not started."""

    server: ServerSettings
    servicers: Sequence[Servicer]
    resources: Sequence[Resource]


def settings() -> Iterator[type]:
    """Everything that can be set, whichever provider is chosen."""
    yield IdentitySettings
    for name in PROVIDERS:
        yield provider_type(name).Settings


async def main() -> None:
    """Serve until told to stop. Tables are brought up to date first where ADMIN_DATABASE_URL is given."""
    made = compose(os.environ)
    await serve(SERVICE, servicers=made.servicers, resources=made.resources, settings=made.server)


async def migrate() -> None:
    """Bring the tables up to date, and end."""
    chosen, _ = read(os.environ)
    async with schema(chosen):
        pass


COMMANDS: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {"serve": main, "migrate": migrate}


def command(arguments: Sequence[str]) -> Callable[[], Coroutine[Any, Any, None]]:
    """What a command line asks for; nothing means to serve."""
    parser = argparse.ArgumentParser(prog="tenantmesh-identity", description="Where tenants sign in.", add_help=False)
    parser.add_argument("command", nargs="?", default="serve", choices=COMMANDS)
    return COMMANDS[parser.parse_known_args(arguments)[0].command]


def compose(environ: Mapping[str, str], clock: Callable[[], datetime] | None = None) -> Composed:
    """Put a process together."""
    chosen, provider_settings = read(environ)
    clock = clock or _now
    database = Database(chosen.database, application=SERVICE)
    records = Records(database, operator_role=chosen.operator_role)
    provider = _provider(chosen.choice.provider, provider_settings, records, clock)
    store = CredentialStore(records)
    handlers = handlers_over(chosen, provider, store, clock)
    return Composed(
        chosen.server,
        [Servicer(rpc.add_IdentityServiceServicer_to_server, handlers)],
        [schema(chosen), database, provider, Sweeper(store, chosen.sweep_interval, clock)],
    )


def handlers_over(
    chosen: IdentitySettings, provider: IdentityProvider, store: CredentialStore, clock: Callable[[], datetime]
) -> IdentityHandlers:
    """The handlers over one provider."""
    staging = Staging(store, Seal(chosen.seal.secrets, label=SERVICE), claim_life=chosen.claim_life, clock=clock)
    homes = Homes(provider, clock)
    return IdentityHandlers(
        provider,
        organizations=Organizations(provider, homes, clock),
        clients=Clients(provider, homes, staging, clock),
        users=Users(provider, homes, staging, clock, _verifier(provider)),
        staging=staging,
        pages=PageTokens.configured(chosen.pages),
    )


def _verifier(provider: Any) -> PasswordVerifier | None:
    return provider if Capability.PASSWORDS in provider.capabilities else None


def _provider(name: str, settings: Any, records: Records, clock: Callable[[], datetime]) -> Any:
    """The provider. The local directory has its tables in the service's own database."""
    kind = provider_type(name)
    return kind(settings, records, clock) if name == "local" else kind(settings)


def _now() -> datetime:
    return datetime.now(UTC)
