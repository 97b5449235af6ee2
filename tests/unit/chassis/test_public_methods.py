"""A public method serves anybody, and knows those it can believe."""

from types import SimpleNamespace

import pytest

from chassis.context import CallContext
from chassis.interceptors.access import authenticate
from chassis.permissions import Permissions
from chassis.principal import ANYBODY, Principal
from faults import Unauthenticated, Unavailable

SOMEBODY = Principal("gateway", Permissions(("tenants.lead_keys.read",)))


class Callers:
    """Credentials of one call: known at once, found out, or a fault."""

    def __init__(self, known=None, verified=None):
        self._known = known
        self._verified = verified

    def known(self, _):
        return self._answer(self._known)

    async def verified(self, _):
        return self._answer(self._verified)

    @staticmethod
    def _answer(one):
        if isinstance(one, Exception):
            raise one
        return one


async def principal_of(callers, *, permission="public", builtin=False):
    call = SimpleNamespace(facts=CallContext())

    async def handle(call):
        return call.facts.principal

    method = SimpleNamespace(permission=permission, builtin=builtin)
    return await authenticate(callers)(method, handle)(call)


@pytest.mark.parametrize("callers", [Callers(known=SOMEBODY), Callers(verified=SOMEBODY)])
async def test_whose_credentials_are_believed_is_known(callers):
    assert await principal_of(callers) is SOMEBODY


@pytest.mark.parametrize(
    "fault",
    [Unauthenticated("no", reason="TOKEN_INVALID"), Unavailable("away", reason="DEPENDENCY_UNAVAILABLE")],
)
@pytest.mark.parametrize("place", ["known", "verified"])
async def test_whose_credentials_are_not_believed_is_nobody(fault, place):
    assert await principal_of(Callers(**{place: fault})) is ANYBODY
    with pytest.raises(type(fault)):
        await principal_of(Callers(**{place: fault}), permission="tenants.leads.read")


async def test_health_checks_ask_nobody():
    assert await principal_of(Callers(known=AssertionError()), builtin=True) is ANYBODY
