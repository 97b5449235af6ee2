"""The services every server has beside its own: health for balancers, reflection and channelz for people with tools."""

from __future__ import annotations

import asyncio

from grpc_channelz.v1 import channelz, channelz_pb2_grpc  # type: ignore[import-untyped]  # published without types
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # same
from grpc_health.v1.health import OVERALL_HEALTH  # type: ignore[import-untyped]  # same
from grpc_health.v1.health import aio as aio_health
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc  # type: ignore[import-untyped]  # same

from chassis.health import Health
from chassis.interceptors.dispatch import Dispatcher

_PATIENCE = 1.0
"""Seconds that watchers of the health get to take a change; one that has stalled must not hold up the rest."""


async def register(dispatcher: Dispatcher, health: Health) -> None:
    """Add the services to those that are registered already, and publish the health of all of them."""
    names = [OVERALL_HEALTH, *dispatcher.services]
    servicer = aio_health.HealthServicer()

    async def publish(ready: bool) -> None:  # noqa: FBT001 - readiness itself
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await asyncio.wait([asyncio.create_task(servicer.set(name, status)) for name in names], timeout=_PATIENCE)

    await publish(health.ready)
    health.on_change(publish)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, dispatcher)
    channelz_pb2_grpc.add_ChannelzServicer_to_server(channelz.aio.ChannelzServicer(), dispatcher)
    visible = (*dispatcher.services, reflection.SERVICE_NAME)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(visible), dispatcher)
