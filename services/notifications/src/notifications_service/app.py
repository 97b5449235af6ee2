"""What the notifications process is made of: the one place that names its adapters."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import ServerSettings, Servicer, serve
from chassis.resources import Resource
from notifications_service.deliveries.service import Deliveries
from notifications_service.deliveries.store import DeliveryLog
from notifications_service.handlers import NotificationHandlers
from notifications_service.migrations import schema
from notifications_service.model import Mailbox
from notifications_service.providers import PROVIDERS, provider_type, report_reader
from notifications_service.reports.ports import Reader
from notifications_service.reports.service import Reports
from notifications_service.reports.store import ReportedMessages
from notifications_service.sending.model import Patience
from notifications_service.sending.service import Bell, Letters, Sender
from notifications_service.sending.store import DueMessages
from notifications_service.service import Chain
from notifications_service.settings import SERVICE, NotificationsSettings, read
from notifications_service.store import Records
from notifications_service.suppressions.store import SuppressionList
from notifications_service.suppressions.tokens import UnsubscribeTokens
from notifications_service.templates.providers.mjml import MjmlWriter
from notifications_service.templates.service import Inspection, Templates
from pagekit import PageTokens
from postgreskit import Database, Listener
from postgreskit.seal import Seal
from tenantmesh.notifications.v1 import notification_service_pb2_grpc as rpc


@dataclass(frozen=True, slots=True)
class Composed:
    """A process that is put together, and not started."""

    server: ServerSettings
    servicers: Sequence[Servicer]
    resources: Sequence[Resource]


def settings() -> Iterator[type]:
    """Everything that can be set, whichever providers are chosen."""
    yield NotificationsSettings
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
    parser = argparse.ArgumentParser(prog="tenantmesh-notifications", description="Messages to people.", add_help=False)
    parser.add_argument("command", nargs="?", default="serve", choices=COMMANDS)
    return COMMANDS[parser.parse_known_args(arguments)[0].command]


def compose(environ: Mapping[str, str]) -> Composed:
    """Put a process together."""
    chosen, provider_settings = read(environ)
    providers = [provider_type(name)(its) for name, its in zip(chosen.choice.providers, provider_settings, strict=True)]
    database = Database(chosen.database, application=SERVICE)
    records, seal = Records(database, operator_role=chosen.operator_role), Seal(chosen.seal.secrets, label=SERVICE)
    bell = Bell(Listener(chosen.database, "notifications", every=timedelta(seconds=10)))
    templates = Templates(MjmlWriter(chosen.templates), chosen.brand.branding, chosen.language)
    tokens = UnsubscribeTokens(chosen.seal.secrets)
    sender = Sender(
        DueMessages(records, seal, log_kept=chosen.sending.log_kept),
        Chain(providers, chosen.sending.patience),
        Letters(templates, Mailbox(chosen.sending.sender), _unsubscribing(chosen.sending.public_url, tokens)),
        bell,
        patience=Patience(chosen.sending.attempts, chosen.sending.first_pause),
        lease=chosen.sending.lease,
        limit=chosen.sending.concurrency,
    )
    log = DeliveryLog(records, seal, kept=chosen.sending.kept)
    suppressions = SuppressionList(records)
    handlers = NotificationHandlers(
        service=Deliveries(log, templates, bell),
        log=log,
        catalogue=templates,
        refused=suppressions,
        reports=Reports(_readers(chosen.choice.providers, provider_settings), ReportedMessages(records, suppressions)),
        unsubscribing=tokens,
        pages=PageTokens.configured(chosen.pages),
    )
    return Composed(
        chosen.server,
        [Servicer(rpc.add_NotificationServiceServicer_to_server, handlers)],
        [Inspection(templates), schema(chosen), database, *providers, bell, sender],
    )


def _readers(names: Sequence[str], settings: Sequence[Any]) -> Mapping[str, Reader]:
    """Who reads the reports of the providers in use."""
    made = {name: report_reader(name, its) for name, its in zip(names, settings, strict=True)}
    return {name: reader for name, reader in made.items() if reader}


def _unsubscribing(public_url: str, tokens: UnsubscribeTokens) -> Callable[[UUID, str], str]:
    """Makes the link of an unsubscribe header; none where nobody would reach it."""
    base = public_url.rstrip("/")
    return lambda tenant_id, email: f"{base}/unsubscribe/{tokens.make(tenant_id, email)}" if base else ""
