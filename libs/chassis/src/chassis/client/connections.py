"""The connections to one target: several where one would pin to one process, new ones when certificates change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc

from chassis.client.options import options
from chassis.client.settings import ClientSettings


@dataclass(slots=True, eq=False)
class Generation:
    """Channels that were made together: one for each connection that is wanted."""

    channels: list[grpc.aio.Channel]
    active: int = 0
    turn: int = 0
    retired: bool = False

    def next(self) -> int:
        """Whose turn it is: an index of the channels that moves on with every call."""
        self.turn = (self.turn + 1) % len(self.channels)
        return self.turn

    async def close(self, grace: float | None) -> None:
        """Close the channels, after giving calls on their way so many seconds."""
        await asyncio.gather(*(channel.close(grace) for channel in self.channels))


class Connections:
    """Channels that are made when the first call needs them, and again when what they were made of has changed.

    What gRPC repeats is told to a channel when it is made, and stubs that say which methods there are come later: so
    nothing is connected before the first call. Channels that were replaced are closed when their last call is over;
    gRPC's own way, `close` with a grace period, could not be cut short.
    """

    def __init__(
        self, target: str, settings: ClientSettings, credentials: Callable[[], grpc.ChannelCredentials | None]
    ) -> None:
        self._target = target
        self._settings = settings
        self._credentials = credentials
        self._used: grpc.ChannelCredentials | None = None
        self._methods: set[str] = set()
        self._now: Generation | None = None
        self._retired: set[Generation] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def know(self, path: str) -> None:
        """Take up a method, named as on the wire, that will be called."""
        if path not in self._methods:
            self._methods.add(path)
            self._retire()

    def now(self) -> Generation:
        """The channels to use now.

        Raises:
            grpc.aio.UsageError: after `close`.
        """
        if self._closed:
            msg = f"the channel to {self._target} is closed"
            raise grpc.aio.UsageError(msg)
        credentials = self._credentials()
        if self._now is None or credentials is not self._used:
            self._retire()
            self._used = credentials
            arguments = options(self._methods, self._settings)
            self._now = Generation(
                [
                    grpc.aio.secure_channel(self._target, credentials, options=arguments)
                    if credentials
                    else grpc.aio.insecure_channel(self._target, options=arguments)
                    for _ in range(self._settings.connections)
                ]
            )
        return self._now

    def follow(self, call: Any, generation: Generation) -> None:
        """Keep the channels of a call that has started until it is over."""
        generation.active += 1
        call.add_done_callback(partial(self._over, generation))

    async def close(self, grace: float | None) -> None:
        """Close every connection, after giving calls on their way so many seconds."""
        self._closed = True
        self._retire()
        await asyncio.gather(*self._closing, *(generation.close(grace) for generation in self._retired))

    def _over(self, generation: Generation, _: Any) -> None:
        generation.active -= 1
        self._drop_if_unused(generation)

    def _retire(self) -> None:
        """Use the channels for nothing new."""
        if self._now is not None:
            self._now.retired = True
            self._retired.add(self._now)
            self._drop_if_unused(self._now)
            self._now = None

    def _drop_if_unused(self, generation: Generation) -> None:
        if generation.retired and not generation.active and generation in self._retired:
            self._retired.discard(generation)
            task = asyncio.create_task(generation.close(None), name="channel-close")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
