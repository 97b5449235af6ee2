"""The layer that looks at what was asked: bytes become a message, whose tenant and whose fields are then checked.

Three steps, in this order, for each request, whether one comes or a stream of them. They are one layer because they
have nothing to do after the call: wrapping it three times would cost more than they do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError
from protovalidate import Validator
from protovalidate import Violation as Found

from chassis.context import identifier
from chassis.interceptors.call import Call, Handler, Layer, Method, refusal
from chassis.permissions import PUBLIC
from faults import Denied, Exhausted, Invalid, Violation

Step: TypeAlias = Callable[[Call, Any], Any]
"""Takes a request, and answers what takes its place."""

_SAID = 5
_engine = Validator()  # keeps the compiled rules of every message type, and nothing of any message


def check_requests(limit: int) -> Layer:
    """Hand the handler messages that are its contract's, about the caller's tenant, and within their bounds.

    Args:
        limit: the most bytes a message may have.
    """

    def layer(method: Method, proceed: Handler) -> Handler:
        steps = _decoding(method, limit), _tenancy(method), _validation(method)
        return _stepping(method, tuple(step for step in steps if step), proceed)

    return layer


def _stepping(method: Method, steps: tuple[Step, ...], proceed: Handler) -> Handler:
    async def one(call: Call) -> Any:
        request = call.request
        for step in steps:
            request = step(call, request)
        call.request = request
        return await proceed(call)

    async def stream(call: Call) -> Any:
        call.request = _checked(call, call.request, steps)
        return await proceed(call)

    return stream if method.request_streaming else one


async def _checked(call: Call, requests: AsyncIterator[Any], steps: tuple[Step, ...]) -> AsyncIterator[Any]:
    async for request in requests:
        for step in steps:
            request = step(call, request)  # noqa: PLW2901 - each step's answer is the next one's request
        yield request


def _decoding(method: Method, limit: int) -> Step:
    """Make messages of bytes. This late, so that nothing a stranger sends is parsed."""
    parse = method.decode

    def decode(_: Call, request: bytes) -> Any:
        if len(request) > limit:
            raise refusal(Exhausted, "MESSAGE_TOO_LARGE", "The request is too large.", method, limit_bytes=limit)
        try:
            return parse(request)
        except DecodeError:
            message = "The bytes of the request are not a message of this method's type."
            raise refusal(Invalid, "REQUEST_MALFORMED", message, method) from None

    return decode


def _tenancy(method: Method) -> Step | None:
    """Let a caller who acts for one tenant ask about no other, and know from here on whom the call is about."""
    named = method.names_tenant
    if method.builtin or (method.permission == PUBLIC and not named):
        return None

    def check(call: Call, request: Any) -> Any:
        tenant = request.tenant_id if named else ""
        principal = call.facts.principal
        if principal is not None and principal.tenant_id and principal.tenant_id != tenant:
            message = "The caller acts for another tenant."
            raise refusal(Denied, "TENANT_MISMATCH", message, method, tenant_id=tenant, principal=principal.name)
        if tenant:
            call.facts.tenant_id = identifier(tenant)
        return request

    return check


def _validation(method: Method) -> Step | None:
    """Hold requests to the bounds their contract states."""
    if method.builtin:
        return None
    violations_of = _engine.collect_violations
    violations_of(method.decode(b""))  # compiles the rules now, so that a broken contract fails the start

    def validate(_: Call, request: Any) -> Any:
        found = violations_of(request)
        if found:
            violations = [_violation(one) for one in found]
            raise refusal(Invalid, "REQUEST_INVALID", _summary(violations), method, violations=violations)
        return request

    return validate


def _summary(violations: list[Violation]) -> str:
    """The first few in words, for whoever reads the message and not the details: many tools show nothing else."""
    said = [f"{one.field}: {one.description}" if one.field else one.description for one in violations[:_SAID]]
    more = [f"and {len(violations) - _SAID} more"] if len(violations) > _SAID else []
    return f"The request breaks the bounds its contract states: {'; '.join(said + more)}."


def _violation(found: Found) -> Violation:
    proto = found.proto
    path = ""
    for element in proto.field.elements if proto.field else ():
        subscript = f"[{element.subscript.value!r}]" if element.subscript else ""
        path += f".{element.field_name}{subscript}"
    return Violation(path.removeprefix("."), proto.message, proto.rule_id)
