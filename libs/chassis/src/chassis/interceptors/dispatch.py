"""How a call finds its handler: every method is composed once, when its service is registered.

A `grpc.aio.ServerInterceptor` would be asked for the handler anew on every call. Here the composed handlers stand in
one dictionary, which gRPC reads through a single generic handler. Two more things follow from that: gRPC waits for one
next call instead of one per method (it walks all of those on every call), and the metadata it parsed to look the
handler up is used again.

gRPC is given neither serialiser: it carries bytes, and the layers make messages of them, where an error still is an
answer. Left to gRPC, bytes that are no message, or a handler's reply of the wrong type, would be answered UNKNOWN, with
the text of the exception.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from random import getrandbits
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from chassis import context as current
from chassis.context import CallContext, identifier
from chassis.interceptors.call import Call, Context, Handler, Layer, Method, refusal
from chassis.permissions import INTROSPECTION, PUBLIC
from faults import Unimplemented
from tenantmesh.common.v1 import permission_pb2

_BUILTIN = {
    "grpc.health.v1.Health": PUBLIC,
    "grpc.reflection.v1alpha.ServerReflection": INTROSPECTION,
    "grpc.channelz.v1.Channelz": INTROSPECTION,
}
"""The permissions of services whose contracts are not ours."""

_UNKNOWN = Method(
    path="unknown",  # and not what was asked for: anybody could fill the metrics with names
    service="",
    name="unknown",
    permission=PUBLIC,
    names_tenant=False,
    request_streaming=True,
    response_streaming=True,
    builtin=True,
    decode=bytes,
)
"""Stands for every method that nobody registered."""
_metadata: ContextVar[Sequence[tuple[str, str | bytes]]] = ContextVar("chassis_metadata")


class Dispatcher(grpc.GenericRpcHandler):
    """Collects services as their generated `add_..._to_server` functions register them, and finds a call's handler."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._unknown = _composed(_UNKNOWN, grpc.stream_stream_rpc_method_handler(_unknown), layers)
        self.services: list[str] = []

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Nothing: generated code registers the same handlers both ways."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Compose every method of a service.

        Raises:
            ValueError: when the contract of a method names no permission.
            TypeError: when a handler is not asynchronous.
        """
        self.services.append(service_name)
        for name, handler in method_handlers.items():
            method = describe(service_name, name, handler)
            self._handlers[method.path] = _composed(method, handler, self._layers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """The composed handler of a call."""
        _metadata.set(handler_call_details.invocation_metadata)
        return self._handlers.get(handler_call_details.method, self._unknown)


def describe(service: str, name: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Method:
    """Read what the contract says about a method."""
    descriptor: MethodDescriptor = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
    permission = _BUILTIN.get(service) or descriptor.GetOptions().Extensions[permission_pb2.required_permission]
    if not permission:
        msg = f"{service}.{name} names no required_permission in its contract"
        raise ValueError(msg)
    return Method(
        path=f"/{service}/{name}",
        service=service,
        name=name,
        permission=permission,
        names_tenant="tenant_id" in descriptor.input_type.fields_by_name,
        request_streaming=handler.request_streaming,
        response_streaming=handler.response_streaming,
        builtin=service in _BUILTIN,
        decode=handler.request_deserializer or bytes,
    )


def _composed(
    method: Method, handler: grpc.RpcMethodHandler[Any, Any], layers: Sequence[Layer]
) -> grpc.RpcMethodHandler[Any, Any]:
    proceed = _innermost(method, handler)
    for layer in reversed(layers):
        proceed = layer(method, proceed)
    make = _KINDS[handler.request_streaming, handler.response_streaming]
    # Responses that are streamed are serialised where they are written, which is inside the layers.
    serialize = handler.response_serializer if handler.response_streaming else None
    return make(_entrance(method, proceed), response_serializer=serialize)


def _entrance(method: Method, chain: Handler) -> Callable[[Any, Any], Coroutine[Any, Any, Any]]:
    """What gRPC calls: the one place where a call comes into being."""

    async def enter(request: Any, context: Context) -> Any:
        metadata = dict(_metadata.get())
        sent = metadata.get
        facts = CallContext(
            method.path,
            identifier(sent(current.REQUEST_ID)) or f"{getrandbits(128):032x}",
            identifier(sent(current.TENANT_ID)),
            identifier(sent(current.WORKFLOW_ID)),
        )
        current.enter(facts)
        return await chain(Call(method, request, context, metadata, facts))

    return enter


def _innermost(method: Method, handler: grpc.RpcMethodHandler[Any, Any]) -> Handler:
    behaviour = getattr(handler, _ATTRIBUTES[method.request_streaming, method.response_streaming])
    if inspect.isasyncgenfunction(behaviour):
        return _generating(behaviour)
    if inspect.iscoroutinefunction(behaviour):
        return (
            _writing(behaviour)
            if method.response_streaming
            else _answering(behaviour, handler.response_serializer or bytes)
        )
    if behaviour.__module__.endswith("_pb2_grpc"):  # what the generated base class has for a method nobody wrote
        return _missing
    msg = f"{method.service}.{method.name} is not asynchronous: it would stop every other call while it runs"
    raise TypeError(msg)


def _answering(behaviour: Callable[..., Any], serialize: Callable[[Any], bytes]) -> Handler:
    async def handle(call: Call) -> bytes:
        return serialize(await behaviour(call.request, call.context))

    return handle


def _writing(behaviour: Callable[..., Any]) -> Handler:
    async def handle(call: Call) -> None:
        await behaviour(call.request, call.context)

    return handle


def _generating(behaviour: Callable[..., Any]) -> Handler:
    async def handle(call: Call) -> None:
        write = call.context.write
        async with aclosing(behaviour(call.request, call.context)) as responses:
            async for response in responses:
                await write(response)

    return handle


async def _unknown(_requests: object, _context: object) -> None:
    raise refusal(Unimplemented, "NOT_IMPLEMENTED", "This service has no such method.", _UNKNOWN)


async def _missing(call: Call) -> None:
    raise refusal(Unimplemented, "NOT_IMPLEMENTED", "This release does not serve the method yet.", call.method)


_KINDS: dict[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler[Any, Any]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
_ATTRIBUTES = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
