"""The layers that know who calls, and whether the contract of the method lets them."""

from __future__ import annotations

from typing import Any

from chassis.authentication import Authenticator
from chassis.interceptors.call import Call, Handler, Layer, Method, refusal
from chassis.permissions import PUBLIC
from chassis.principal import ANYBODY
from faults import Denied


def authenticate(callers: Authenticator) -> Layer:
    """Find out who calls. For a public method nobody asks: what came with the call is not even looked at."""
    known = callers.known

    def layer(method: Method, proceed: Handler) -> Handler:
        async def anybody(call: Call) -> Any:
            call.facts.principal = ANYBODY
            return await proceed(call)

        async def somebody(call: Call) -> Any:
            call.facts.principal = known(call) or await callers.verified(call)
            return await proceed(call)

        return anybody if method.permission == PUBLIC else somebody

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
