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
None where responses were streamed. A layer that needs settings is made by a function that takes them. A layer with
nothing to do for a method answers `proceed` itself, and costs that method nothing.

Composed once per method because an RPC costs about 250 us of a core: what a method never changes (its contract, its
permission, its metric's labels) must not be looked up again, and wrapping handlers anew for every call would cost more
than several layers do.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

import grpc
from opentelemetry.trace import Span

from chassis.context import CallContext
from chassis.errors import DOMAIN
from faults import Fault, Violation


@dataclass(frozen=True, slots=True)
class Method:
    """A method as its contract declares it."""

    path: str
    """As on the wire: `/tenantmesh.dns.v1.DnsService/GetRecord`."""
    service: str
    name: str
    permission: str
    names_tenant: bool
    """Whether its requests have the field `tenant_id`."""
    request_streaming: bool
    response_streaming: bool
    builtin: bool
    """Whether it belongs to how the process is run (health, reflection, channelz) and not to what it is for."""
    decode: Callable[[bytes], Any]
    """Makes a request of its bytes."""

    @property
    def streaming(self) -> bool:
        """Whether more than one message can travel in one direction."""
        return self.request_streaming or self.response_streaming

    @property
    def watching(self) -> bool:
        """Whether its calls look on until somebody ends them, as contracts name `Watch…`; their callers begin again."""
        return self.response_streaming and self.name.startswith("Watch")


class Context(Protocol):
    """What layers use of gRPC's own context; its published types forget that there may be no deadline and no code."""

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, bytes], ...]) -> Any:
        """Answer a status now, and raise `grpc.aio.AbortError`."""

    async def write(self, message: Any) -> None:
        """Send one of the responses of a stream."""

    def code(self) -> grpc.StatusCode | None:
        """The status a handler has set, if it did."""

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, if it gave one."""

    def peer(self) -> str:
        """The address of the connection's other end."""

    def peer_identities(self) -> Sequence[bytes] | None:
        """The names in the certificate of the connection's other end, if it showed one."""

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        """Everything about the connection's other end."""


class Call:
    """One RPC on its way through the layers."""

    __slots__ = ("code", "context", "facts", "fault", "metadata", "method", "request", "span", "started")

    def __init__(
        self,
        method: Method,
        request: Any,
        context: Context,
        metadata: Mapping[str, str | bytes],
        facts: CallContext,
    ) -> None:
        self.method = method
        self.request = request
        """Bytes until the last layer makes a message of them; an asynchronous iterator where they are streamed."""
        self.context = context
        self.metadata = metadata
        self.facts = facts
        self.span: Span | None = None
        """What traces it, where anything does."""
        self.started = time.perf_counter()
        self.code = grpc.StatusCode.OK
        """How it ended, set by the errors layer; the layers above read it once the handler beneath them is through."""
        self.fault: Fault | None = None
        """Why it failed, where a fault says so."""


_F = TypeVar("_F", bound=Fault)


def refusal(
    kind: type[_F],
    reason: str,
    message: str,
    method: Method,
    *,
    retry_after: timedelta | None = None,
    violations: Iterable[Violation] = (),
    **facts: object,
) -> _F:
    """A fault whose reason is one that every service may give. Which method it was is always among its facts."""
    return kind(
        message,
        reason=reason,
        domain=DOMAIN,
        facts={"method": method.path, **facts},
        retry_after=retry_after,
        violations=violations,
    )


Handler: TypeAlias = Callable[[Call], Awaitable[Any]]
Layer: TypeAlias = Callable[[Method, Handler], Handler]
