"""The layers that know who calls, and whether the contract of the method lets them."""

from __future__ import annotations

from typing import Any

from chassis.authentication import Authenticator
from chassis.interceptors.call import Call, Handler, Layer, Method, refusal
from chassis.permissions import PUBLIC
from chassis.principal import ANYBODY
from faults import Denied, Fault


def authenticate(callers: Authenticator) -> Layer:
    """Find out who calls.

    A public method serves anybody: credentials that are none, or are not believed, make the caller nobody and are no
    error. Whose are believed is known all the same, for what a handler shows to some only.
    """
    known = callers.known

    def layer(method: Method, proceed: Handler) -> Handler:
        async def nobody(call: Call) -> Any:
            call.facts.principal = ANYBODY
            return await proceed(call)

        async def anybody(call: Call) -> Any:
            try:
                call.facts.principal = known(call) or await callers.verified(call)
            except Fault:
                call.facts.principal = ANYBODY
            return await proceed(call)

        async def somebody(call: Call) -> Any:
            call.facts.principal = known(call) or await callers.verified(call)
            return await proceed(call)

        if method.permission != PUBLIC:
            return somebody
        return nobody if method.builtin else anybody

    return layer


def authorize(method: Method, proceed: Handler) -> Handler:
    """Refuse callers without the permission that the contract of the method names."""
    permission = method.permission
    if permission == PUBLIC:
        return proceed

    async def handle(call: Call) -> Any:
        principal = call.facts.principal
        if principal is None or permission not in principal.permissions:
            message, name = "The caller lacks the permission for this method.", principal.name if principal else ""
            raise refusal(Denied, "PERMISSION_MISSING", message, method, permission=permission, principal=name)
        return await proceed(call)

    return handle
