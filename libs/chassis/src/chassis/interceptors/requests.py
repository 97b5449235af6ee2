"""The layer that looks at what was asked: bytes become a message, whose tenant and whose fields are then checked.

Three steps, in this order, for each request, whether one comes or a stream of them. They are one layer because they
have nothing to do after the call: wrapping it three times would cost more than they do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from protovalidate import Validator
from protovalidate import Violation as Found

from chassis.context import identifier
from chassis.interceptors.call import Call, Handler, Layer, Method, refusal
from chassis.permissions import PUBLIC
from chassis.principal import Principal
from faults import Denied, Exhausted, Invalid, Violation

Check: TypeAlias = Callable[[Call, bytes], Any]
"""Makes a message of the bytes of a request, or refuses it."""

_SAID = 5
_engine = Validator()  # keeps the compiled rules of every message type, and nothing of any message


def check_requests(limit: int) -> Layer:
    """Hand the handler messages that are its contract's, about the caller's tenant, and within their bounds.

    Args:
        limit: the most bytes a message may have.
    """

    def layer(method: Method, proceed: Handler) -> Handler:
        check = _checking(method, limit)

        async def one(call: Call) -> Any:
            call.request = check(call, call.request)
            try:
                return await proceed(call)
            except Invalid as fault:
                if fault.reason == "REQUEST_INVALID" and not fault.violations:
                    fault.violations = tuple(_zeros(call.request))
                raise

        async def stream(call: Call) -> Any:
            call.request = _checked(call, call.request, check)
            return await proceed(call)

        return stream if method.request_streaming else one

    return layer


async def _checked(call: Call, requests: AsyncIterator[bytes], check: Check) -> AsyncIterator[Any]:
    async for request in requests:
        yield check(call, request)


def _checking(method: Method, limit: int) -> Check:
    """Three steps in one function, as each call of a function costs every call of the method."""
    parse, violations_of, named = method.decode, _rules(method), method.names_tenant
    of_tenants = not method.builtin and (named or method.permission != PUBLIC)

    def check(call: Call, request: bytes) -> Any:
        # This late, so that nothing a stranger sends is parsed.
        if len(request) > limit:
            raise refusal(Exhausted, "MESSAGE_TOO_LARGE", "The request is too large.", method, limit_bytes=limit)
        try:
            message = parse(request)
        except DecodeError:
            what = "The bytes of the request are not a message of this method's type."
            raise refusal(Invalid, "REQUEST_MALFORMED", what, method) from None
        if of_tenants:
            # A caller who acts for one tenant asks about no other, and from here on it is known whom the call is about.
            facts, tenant = call.facts, message.tenant_id if named else ""
            if facts.principal is not None and facts.principal.tenant_id not in {"", tenant}:
                raise _of_another(method, tenant, facts.principal)
            if tenant:
                facts.tenant_id = identifier(tenant)
        if found := violations_of(message):
            violations = [_violation(one) for one in found]
            raise refusal(Invalid, "REQUEST_INVALID", _summary(violations), method, violations=violations)
        return message

    return check


def _rules(method: Method) -> Callable[[Any], Sequence[Found]]:
    """What finds the bounds of the contract that a message of this method breaks."""
    if method.builtin:
        return lambda _: ()
    _engine.collect_violations(method.decode(b""))  # compiles them now, so that a broken contract fails the start
    return _engine.collect_violations


def _of_another(method: Method, tenant: str, principal: Principal) -> Denied:
    message = "The caller acts for another tenant."
    return refusal(Denied, "TENANT_MISMATCH", message, method, tenant_id=tenant, principal=principal.name)


def _zeros(request: Message) -> Iterator[Violation]:
    """The texts with the character zero, the one that databases keep in none.

    A database that refuses it cannot say where it stood, and to look for it in every request would cost all callers
    something for the few who send it: so this is asked only about a request that was refused without a word why.
    """
    return (Violation(field, "must not hold the character zero") for field in _with_zero(request, ""))


def _with_zero(message: Message, path: str) -> Iterator[str]:
    for field, value in message.ListFields():
        for subscript, one in _values(field, value):
            name = f"{path}{field.name}{subscript}"
            if isinstance(one, Message):
                yield from _with_zero(one, f"{name}.")
            elif isinstance(one, str) and "\0" in one:
                yield name


def _values(field: FieldDescriptor, value: Any) -> Iterable[tuple[str, Any]]:
    """The values of a field, each with what stands behind the field's name in its path."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        # A key is part of the path and stands for itself, unless it is to blame.
        return [(f"[{key!r}]", key if "\0" in str(key) else value[key]) for key in value]
    return [(f"[{place}]", one) for place, one in enumerate(value)] if field.is_repeated else [("", value)]


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
