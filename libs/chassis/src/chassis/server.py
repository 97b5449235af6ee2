"""How a service runs: what it is made of is listed, opened in order, served, drained, and closed in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc

from chassis.authentication import authenticator
from chassis.builtin import register
from chassis.garbage import collected_rarely
from chassis.health import Health
from chassis.interceptors import Layer, in_order
from chassis.interceptors.access import authenticate, authorize
from chassis.interceptors.deadline import deadline
from chassis.interceptors.dispatch import Dispatcher
from chassis.interceptors.errors import errors
from chassis.interceptors.logging import CallLog
from chassis.interceptors.requests import check_requests
from chassis.interceptors.shedding import Load
from chassis.interceptors.telemetry import observe
from chassis.logs import logging_to
from chassis.metrics import CONTENT_TYPE
from chassis.ops import Page, ops_server
from chassis.process import Stop, signals
from chassis.resources import Resource, StartFailed, opened
from chassis.settings import ServerSettings
from chassis.telemetry import Telemetry, current, observed
from chassis.tls import server_credentials

_log = logging.getLogger(__name__)
_MARGIN = 1.0
"""Seconds that interrupted calls get to say so before their connections are closed."""


@dataclass(frozen=True, slots=True)
class Servicer:
    """The handlers of one service, and the generated function that registers them."""

    add: Callable[[Any, Any], None]
    handlers: object


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves."""

    address: str
    ops_address: str
    health: Health
    load: Load
    ended: asyncio.Future[Any]
    """Done when the server has ended by itself, which it does only when something inside it broke."""


@asynccontextmanager
async def running(
    service: str, *, servicers: Sequence[Servicer], resources: Sequence[Resource] = (), settings: ServerSettings
) -> AsyncIterator[Running]:
    """Serve for as long as the block lasts; afterwards let the calls in flight finish, and close everything.

    Args:
        service: the short name, such as `dns`; the reasons of its faults belong to `dns.tenantmesh`.
        servicers: what it serves.
        resources: what it needs, in the order of opening. Each is checked for as long as the server runs.
        settings: how.

    Raises:
        StartFailed: when a resource does not open or a port cannot be had. What was open by then is closed.
    """
    telemetry = current()
    health, load = Health(resources), Load(settings.max_concurrent)
    call_log = CallLog()
    dispatcher = Dispatcher(in_order(layers(service, settings, load, call_log, telemetry)))
    for servicer in servicers:
        _know_contract(servicer)
        servicer.add(servicer.handlers, dispatcher)
    await register(dispatcher, health)
    async with (
        ops_server(settings.ops, health, lambda: Page(telemetry.text(), CONTENT_TYPE)) as ops_address,
        opened(resources),
        health.watched(settings.ops.health_interval, telemetry.registry),
        _serving(dispatcher, settings, health, load) as (address, ended),
    ):
        _log.info("serving", extra={"address": address, "ops_address": ops_address})
        yield Running(address, ops_address, health, load, ended)
    call_log.flush()


async def serve(
    service: str, *, servicers: Sequence[Servicer], resources: Sequence[Resource] = (), settings: ServerSettings
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal stops at once. See `running` for the arguments."""
    with signals() as stop, logging_to(settings.log, service=service):
        async with (
            observed(settings.telemetry, service=service),
            running(service, servicers=servicers, resources=resources, settings=settings) as server,
        ):
            with collected_rarely():
                await _told(stop, server.ended)


async def _told(stop: Stop, ended: asyncio.Future[Any]) -> None:
    told = asyncio.create_task(stop.wait())
    await asyncio.wait([told, ended], return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if ended.done():
        msg = "the server has ended by itself"
        raise RuntimeError(msg) from ended.exception()


def _know_contract(servicer: Servicer) -> None:
    """Load the descriptors of a service. Its stubs do so only where its messages stand in the same file."""
    import_module(servicer.add.__module__.removesuffix("_grpc"))


@asynccontextmanager
async def _serving(
    dispatcher: Dispatcher, settings: ServerSettings, health: Health, load: Load
) -> AsyncIterator[tuple[str, asyncio.Future[Any]]]:
    server = grpc.aio.server(options=_options(settings))
    server.add_generic_rpc_handlers((dispatcher,))
    address = _bind(server, settings)
    await server.start()
    await health.open()
    try:
        yield address, asyncio.ensure_future(server.wait_for_termination())
        await _drain(server, health, load, settings.shutdown_grace.total_seconds())
    finally:
        await server.stop(None)  # nothing, after a drain that was not itself interrupted


async def _drain(server: grpc.aio.Server, health: Health, load: Load, grace: float) -> None:
    _log.info("stopping", extra={"in_flight": load.in_flight, "grace_seconds": grace})
    await health.close()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.stop(grace + _MARGIN))
        await load.drain(grace)


def _bind(server: grpc.aio.Server, settings: ServerSettings) -> str:
    wanted = f"{settings.host}:{settings.port}"
    try:
        credentials = server_credentials(settings.tls)
        port = server.add_secure_port(wanted, credentials) if credentials else server.add_insecure_port(wanted)
    except (RuntimeError, ValueError) as error:
        msg = f"cannot serve on {wanted}: {error}"
        raise StartFailed(msg) from error
    return f"{settings.host}:{port}"


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    return [
        # What is larger is refused here, with a reason; what is twice as large gRPC refuses, before it takes it in.
        ("grpc.max_receive_message_length", 2 * settings.max_message_bytes),
        ("grpc.so_reuseport", int(settings.reuse_port)),
        ("grpc.enable_channelz", 1),
        (
            "grpc.http2.min_recv_ping_interval_without_data_ms",
            10_000,
        ),  # clients that check idle connections are welcome
    ]


def layers(
    service: str, settings: ServerSettings, load: Load, call_log: CallLog, telemetry: Telemetry
) -> dict[str, Layer]:
    """The layers as the settings make them, by name; `in_order` puts them in their places."""
    return {
        "telemetry": observe(telemetry),
        "logging": call_log.layer,
        "errors": errors(f"{service}.tenantmesh"),
        "deadline": deadline(settings.default_deadline, settings.stream_deadline),
        "shedding": load.layer,
        "authentication": authenticate(authenticator(settings)),
        "authorization": authorize,
        "validation": check_requests(settings.max_message_bytes),
    }
