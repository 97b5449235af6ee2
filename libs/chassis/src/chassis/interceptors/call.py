"""What the layers work on: the method, whose facts are read once, and the call, which is made for every RPC.

A layer is a function that is given a method and the handler beneath it, and answers the handler above:

    def timing(method: Method, proceed: Handler) -> Handler:
        seconds = HISTOGRAM.labels(method.name)  # looked up once per method, when the server starts

        async def handle(call: Call) -> Any:
            try:
                return await proceed(call)
            finally:
                seconds.observe(time.perf_counter() - call.started)

        return handle

All four kinds of RPC have this one shape: the handler's coroutine ends when the RPC ends, and answers the response, or
None where responses were streamed. A layer that needs settings is made by a function that takes them.

Composed once per method because an RPC costs about 200 us of a core: what a method never changes (its descriptor, its
permission, its metric's labels) must not be looked up again, and wrapping handlers anew for every call would cost more
than several layers do.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor

from chassis.context import CallContext
from faults import Fault


@dataclass(frozen=True, slots=True)
class Method:
    """A method as its contract declares it."""

    path: str
    """As on the wire: `/tenantmesh.dns.v1.DnsService/GetRecord`."""
    service: str
    name: str
    permission: str
    descriptor: MethodDescriptor
    request_streaming: bool
    response_streaming: bool

    @property
    def streaming(self) -> bool:
        """Whether more than one message can travel in one direction."""
        return self.request_streaming or self.response_streaming


class Call:
    """One RPC on its way through the layers."""

    __slots__ = ("code", "context", "facts", "fault", "metadata", "method", "request", "started")

    def __init__(
        self,
        method: Method,
        request: Any,
        context: grpc.aio.ServicerContext[Any, Any],
        metadata: Mapping[str, str | bytes],
        facts: CallContext,
    ) -> None:
        self.method = method
        self.request = request
        """The message; where requests are streamed, the asynchronous iterator of them."""
        self.context = context
        self.metadata = metadata
        self.facts = facts
        self.started = time.perf_counter()
        """When it began, on the clock of `time.perf_counter`."""
        self.code = grpc.StatusCode.OK
        """How it ended, set by the errors layer; the layers above read it once the handler beneath them is through."""
        self.fault: Fault | None = None
        """Why it failed, where a fault says so."""


Handler: TypeAlias = Callable[[Call], Awaitable[Any]]
Layer: TypeAlias = Callable[[Method, Handler], Handler]
