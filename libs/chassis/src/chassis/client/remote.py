"""A service that a process calls, as one of its resources: opened and closed with it, and asked how it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # has no types

from chassis.client.channel import open_channel
from chassis.client.settings import TargetSettings
from chassis.errors import faults_raised

_PATIENCE = 5.0


class Remote(grpc.aio.Channel):
    """A channel that stubs can be made of before it is open: what calls is composed before the process is up."""

    def __init__(self, name: str, target: TargetSettings) -> None:
        """Keep where it is."""
        self.name = name
        self._target = target
        self._stack = AsyncExitStack()
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        """Open the channel; no connection is made yet."""
        opening = open_channel(self._target.address, settings=self._target.client)
        self._channel = await self._stack.enter_async_context(opening)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._channel = None
        await self._stack.aclose()

    async def check(self) -> None:
        """Ask the service how it is.

        Raises:
            Fault: it does not answer, or not well.
        """
        stub = health_pb2_grpc.HealthStub(self)
        with faults_raised():
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE)

    def unary_unary(self, *method: Any, **others: Any) -> Any:
        """One request, one response."""
        return self._method("unary_unary", method, others)

    def unary_stream(self, *method: Any, **others: Any) -> Any:
        """One request, a stream of responses."""
        return self._method("unary_stream", method, others)

    def stream_unary(self, *method: Any, **others: Any) -> Any:
        """A stream of requests, one response."""
        return self._method("stream_unary", method, others)

    def stream_stream(self, *method: Any, **others: Any) -> Any:
        """A stream each way."""
        return self._method("stream_stream", method, others)

    async def close(self, grace: float | None = None) -> None:  # noqa: ARG002 - gRPC's own
        """Close it."""
        await self._stack.aclose()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's own
        """The state of the connection."""
        return self._open.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the connection leaves a state."""
        await self._open.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the connection is up."""
        await self._open.channel_ready()

    @property
    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            msg = f"{self.name} is not open"
            raise RuntimeError(msg)
        return self._channel

    def _method(self, kind: str, method: tuple[Any, ...], others: dict[str, Any]) -> Callable[..., Any]:
        made: list[Callable[..., Any]] = []

        def call(*arguments: Any, **options: Any) -> Any:
            if not made:
                made.append(getattr(self._open, kind)(*method, **others))
            return made[0](*arguments, **options)

        return call
