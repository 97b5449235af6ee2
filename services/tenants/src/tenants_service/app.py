"""What the tenants process is made of: the one place that names its adapters."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from chassis import Servicer, serve
from pagekit import PageTokens
from postgreskit import Database, Listener
from postgreskit.seal import Seal
from settingskit import Problem, SettingsInvalid, load
from tenantmesh.tenants.v1 import catalog_service_pb2_grpc as catalog_rpc
from tenantmesh.tenants.v1 import event_service_pb2_grpc as event_rpc
from tenantmesh.tenants.v1 import invitation_service_pb2_grpc as invitation_rpc
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as lead_rpc
from tenantmesh.tenants.v1 import outbox_service_pb2_grpc as outbox_rpc
from tenantmesh.tenants.v1 import resource_service_pb2_grpc as resource_rpc
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as subscription_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc
from tenants_service.events.handlers import EventHandlers
from tenants_service.invitations.handlers import InvitationHandlers
from tenants_service.leads.handlers import LeadHandlers
from tenants_service.leads.handlers import Rules as LeadRules
from tenants_service.leads.tokens import LeadTokens
from tenants_service.limits.model import Limit
from tenants_service.limits.store import Limiter
from tenants_service.limits.translate import Origins
from tenants_service.migrations import schema
from tenants_service.outbox.handlers import OutboxHandlers
from tenants_service.plans.handlers import CatalogHandlers
from tenants_service.projections import store as projections
from tenants_service.projections.model import PROJECTIONS
from tenants_service.resources.handlers import ResourceHandlers
from tenants_service.settings import TenantsSettings
from tenants_service.signing.model import Schedule
from tenants_service.signing.store import SigningKeys
from tenants_service.store import Records
from tenants_service.subscriptions.handlers import SubscriptionHandlers
from tenants_service.subscriptions.store import SubscriptionStore
from tenants_service.sweeping import store as sweeping
from tenants_service.sweeping.service import Sweeper
from tenants_service.tenants.handlers import Rules as TenantRules
from tenants_service.tenants.handlers import TenantHandlers
from tenants_service.tenants.model import Tier
from tenants_service.watching.service import Tail
from tenants_service.watching.store import EventRecord

SERVICE = "tenants"
SETTINGS = (TenantsSettings,)


async def main() -> None:
    """Serve until told to stop. Tables are brought up to date first where ADMIN_DATABASE_URL is given."""
    settings = configured()
    database = Database(settings.database, application=SERVICE)
    records, tail = opened(settings, database)
    await serve(
        SERVICE,
        servicers=servicers(settings, records, tail),
        resources=[schema(settings), database, tail, sweeper(settings, records)],
        settings=settings.server,
    )


def servicers(
    settings: TenantsSettings, records: Records, tail: Tail, clock: Callable[[], datetime] | None = None
) -> Sequence[Servicer]:
    """Everything the process serves, one entry a service of the contract."""
    clock = clock or _now
    tokens = PageTokens.configured(settings.pages)
    limiter = Limiter(clock)
    origins = Origins([ip_network(network) for network in settings.leads.trusted_proxies])
    leads = LeadHandlers(
        records,
        tokens,
        lead_tokens=_lead_tokens(settings, records, clock),
        limiter=limiter,
        origins=origins,
        rules=_lead_rules(settings),
        clock=clock,
    )
    tenants = TenantHandlers(
        records, tokens, limiter=limiter, origins=origins, rules=_tenant_rules(settings), clock=clock
    )
    invitations = InvitationHandlers(
        records,
        tokens,
        limiter=limiter,
        origins=origins,
        network=Limit("invitations_of_network", settings.invitations.per_network),
        clock=clock,
    )
    catalog = CatalogHandlers(records, tokens, clock=clock)
    subscriptions = SubscriptionHandlers(records, tokens, clock=clock)
    outbox = OutboxHandlers(records, tokens, subscriptions=lambda tx: SubscriptionStore(tx, records))
    return [
        Servicer(lead_rpc.add_LeadServiceServicer_to_server, leads),
        Servicer(tenant_rpc.add_TenantServiceServicer_to_server, tenants),
        Servicer(catalog_rpc.add_CatalogServiceServicer_to_server, catalog),
        Servicer(subscription_rpc.add_SubscriptionServiceServicer_to_server, subscriptions),
        Servicer(outbox_rpc.add_OutboxServiceServicer_to_server, outbox),
        Servicer(event_rpc.add_EventServiceServicer_to_server, EventHandlers(records, tail, tokens)),
        Servicer(invitation_rpc.add_InvitationServiceServicer_to_server, invitations),
        Servicer(resource_rpc.add_ResourceServiceServicer_to_server, ResourceHandlers(records, tokens, clock=clock)),
    ]


async def migrate() -> None:
    """Bring the tables up to date, and end."""
    async with schema(configured()):
        pass


async def rebuild() -> None:
    """Make every projection anew from the events alone, while the service goes on, and end."""
    settings = configured()
    admin = settings.database.admin_url
    if admin is None:
        raise SettingsInvalid([Problem("ADMIN_DATABASE_URL", "is required: projections are rebuilt by their owner")])
    async with (
        schema(settings),
        Database(settings.database, application=SERVICE) as database,
        Database(replace(settings.database, url=admin), application=f"{SERVICE} rebuild") as owner,
    ):
        records, _ = opened(settings, database)
        for projection in PROJECTIONS:
            count = await projections.rebuild(projection, records, owner)
            print(f"{projection.table}: {count} events")  # noqa: T201 - for the person who asked for it


COMMANDS: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {"serve": main, "migrate": migrate, "rebuild": rebuild}


def command(arguments: Sequence[str]) -> Callable[[], Coroutine[Any, Any, None]]:
    """What a command line asks for; nothing means to serve."""
    parser = argparse.ArgumentParser(
        prog="tenantmesh-tenants", description="The system of record of the mesh.", add_help=False
    )
    parser.add_argument("command", nargs="?", default="serve", choices=COMMANDS)
    return COMMANDS[parser.parse_known_args(arguments)[0].command]


def configured(environment: Mapping[str, str] = os.environ) -> TenantsSettings:
    """The settings of this process."""
    return load(TenantsSettings, environment, service=SERVICE)


def opened(settings: TenantsSettings, database: Database) -> tuple[Records, Tail]:
    """The database, sealed with the secrets of the settings, and the tail of its events, which hears of each write."""
    hints = Listener(settings.database, "tenants_events", every=timedelta(seconds=1))
    records = Records(database, _seal(settings), operator_role=settings.operator_role, wake=hints.wake)
    return records, Tail(EventRecord(records), hints)


def sweeper(settings: TenantsSettings, records: Records, clock: Callable[[], datetime] | None = None) -> Sweeper:
    """What forgets what nobody needs any more."""
    sweeps = sweeping.sweeps(records, token_life=settings.leads.token_life, clock=clock or _now)
    return Sweeper(sweeps, settings.sweep_interval, tally=sweeping.tally)


def _now() -> datetime:
    return datetime.now(UTC)


def _seal(settings: TenantsSettings) -> Seal:
    return Seal(
        [secret.reveal() for secret in (settings.seal.secret, settings.seal.previous) if secret], label="tenants"
    )


def _lead_tokens(settings: TenantsSettings, records: Records, clock: Callable[[], datetime]) -> LeadTokens:
    schedule = Schedule(settings.leads.signing_key_life, settings.leads.token_life)
    keys = SigningKeys(records, _seal(settings), schedule, clock)
    return LeadTokens(keys, schedule.token_life, settings.leads.token_issuer, clock)


def _lead_rules(settings: TenantsSettings) -> LeadRules:
    return LeadRules(
        tier=Tier[settings.leads.tier.name],
        key_life=settings.leads.key_life,
        reserved_keys=frozenset(settings.names.reserved),
        public_domains=settings.leads.public_domains,
        network=Limit("leads_of_network", settings.leads.per_network),
        email=Limit("keys_of_email", settings.leads.per_email),
        lead=Limit("tries_of_lead", settings.leads.per_lead),
    )


def _tenant_rules(settings: TenantsSettings) -> TenantRules:
    return TenantRules(
        reserved_keys=frozenset(settings.names.reserved),
        quarantine=settings.names.quarantine,
        key_checks_an_hour=settings.names.checks_per_network,
    )
