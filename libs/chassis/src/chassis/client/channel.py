"""Channels for generated stubs that give each call what it needs: a time to end, an identity, a connection, a span."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import grpc

from chassis import context
from chassis.client.calls import Stream, Watch, end, identity, patience
from chassis.client.connections import Connections, Generation
from chassis.client.credentials import TokenProvider, channel_credentials, tokens
from chassis.client.settings import ClientSettings
from chassis.telemetry import Telemetry, current

_C = TypeVar("_C", bound=grpc.aio.Call)


@asynccontextmanager
async def open_channel(
    target: str, *, settings: ClientSettings | None = None, token: TokenProvider | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel for generated stubs. Leaving the block cancels the calls that are still on their way.

    Args:
        target: host:port, or any name gRPC resolves.
        settings: how calls are made.
        token: answers the bearer token to send, where it does not come from a file.

    Raises:
        ValueError: when certificate files do not belong together, or a token would cross a network in plain text.
    """
    settings = settings or ClientSettings()
    connections = Connections(target, settings, channel_credentials(settings.tls))
    async with tokens(target, settings, token) as token_now:
        channel = Channel(target, connections, settings, token_now, current())
        try:
            yield channel
        finally:
            await channel.close()


@asynccontextmanager
async def streaming(call: _C) -> AsyncIterator[_C]:
    """Read a stream inside a block whose end, however it comes about, is the end of the call.

    async with streaming(stub.VerifyRecord(request)) as rounds:
        async for each in rounds:
            ...  # break, return or raise: the server stops too
    """
    try:
        yield call
    finally:
        call.cancel()


class Channel(grpc.aio.Channel):
    """What stubs are made of. It is made by `open_channel`."""

    def __init__(
        self,
        target: str,
        connections: Connections,
        settings: ClientSettings,
        token: Callable[[], str],
        telemetry: Telemetry,
    ) -> None:
        self._target = target
        self._connections = connections
        self._settings = settings
        self._token = token
        self._telemetry = telemetry

    def unary_unary(self, method: str, *codecs: Any, **others: Any) -> Any:
        """One request, one response."""
        return self._method("unary_unary", method, codecs, others)

    def unary_stream(self, method: str, *codecs: Any, **others: Any) -> Any:
        """One request, a stream of responses."""
        return self._method("unary_stream", method, codecs, others)

    def stream_unary(self, method: str, *codecs: Any, **others: Any) -> Any:
        """A stream of requests, one response."""
        return self._method("stream_unary", method, codecs, others)

    def stream_stream(self, method: str, *codecs: Any, **others: Any) -> Any:
        """A stream each way."""
        return self._method("stream_stream", method, codecs, others)

    def _method(self, kind: str, path: str, codecs: tuple[Any, ...], others: dict[str, Any]) -> _Method:
        self._connections.know(path)
        settings = self._settings
        timeout = settings.timeout if kind == "unary_unary" else settings.stream_timeout
        return _Method(
            connections=self._connections,
            make=lambda channel: getattr(channel, kind)(path, *codecs, **others),
            wrap=Stream if kind.endswith("_stream") else None,
            watch=Watch(path, self._target, self._telemetry),
            token=self._token,
            timeout=timeout.total_seconds(),
            wait_for_ready=settings.wait_for_ready,
        )

    async def close(self, grace: float | None = None) -> None:
        """Close every connection, after giving calls on their way so many seconds."""
        await self._connections.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's own
        """The state of the first connection; the others are like it."""
        return self._connections.now().channels[0].get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the first connection leaves a state."""
        await self._connections.now().channels[0].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until every connection is up."""
        await asyncio.gather(*(channel.channel_ready() for channel in self._connections.now().channels))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Method:
    """A method as a stub calls it."""

    def __init__(
        self,
        *,
        connections: Connections,
        make: Callable[[grpc.aio.Channel], Callable[..., Any]],
        wrap: Callable[[Any], Any] | None,
        watch: Watch,
        token: Callable[[], str],
        timeout: float,
        wait_for_ready: bool,
    ) -> None:
        self._connections = connections
        self._make = make
        self._wrap = wrap
        self._watch = watch
        self._token = token
        self._timeout = timeout
        self._wait_for_ready = wait_for_ready
        self._generation: Generation | None = None
        self._callables: list[Callable[..., Any]] = []

    def __call__(
        self,
        *request: Any,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        wait_for_ready: bool | None = None,
        **others: Any,
    ) -> Any:
        """Start a call. Without a timeout it gets the channel's own: none goes on for ever."""
        facts = context.current()
        seconds = patience(self._timeout if timeout is None else timeout, facts)
        pairs = identity(metadata, facts, self._token())
        generation = self._connections.now()
        start = self._start(generation)
        span = self._watch.span(pairs)
        try:
            call = start(
                *request,
                timeout=seconds,
                metadata=tuple(pairs),
                wait_for_ready=self._wait_for_ready if wait_for_ready is None else wait_for_ready,
                **others,
            )
        except BaseException:
            if span:
                end(span, grpc.StatusCode.INTERNAL)
            raise
        self._connections.follow(call, generation)
        self._watch.follow(call, span)
        return self._wrap(call) if self._wrap else call

    def _start(self, generation: Generation) -> Callable[..., Any]:
        if self._generation is not generation:
            self._generation = generation
            self._callables = [self._make(channel) for channel in generation.channels]
        return self._callables[generation.next()]
