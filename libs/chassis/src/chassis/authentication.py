"""Who calls: a bearer token decides where one is sent, else the client's certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chassis.interceptors.call import Call, Context, refusal
from chassis.permissions import Permissions
from chassis.policy import Policy, policy_in
from chassis.principal import Principal
from chassis.reloading import Reloading
from chassis.settings import ServerSettings
from faults import Unauthenticated

if TYPE_CHECKING:
    from chassis.tokens import Tokens

_BEARER = "bearer "
_REMEMBERED = 4096
DEVELOPMENT = Principal("development", Permissions(("*",)))
"""The caller without credentials, where the settings let everybody in."""


class Authenticator:
    """Finds the principal of a call by whatever the settings accept."""

    def __init__(
        self, *, tokens: Tokens | None = None, policy: Reloading[Policy] | None = None, open_to_all: bool = False
    ) -> None:
        self._tokens = tokens
        self._policy = policy
        self._open_to_all = open_to_all
        self._identities: dict[tuple[object, ...], str] = {}

    def known(self, call: Call) -> Principal | None:
        """The principal of a call, or None where only `verified` can tell.

        A token wins over the certificate: a gateway that speaks for somebody forwards that somebody's token over its
        own connection, and must not lend its own permissions.

        Raises:
            Unauthenticated: when nothing says who calls, or what says so is not believed.
        """
        if self._tokens is not None:
            credentials = call.metadata.get("authorization")
            if isinstance(credentials, str) and credentials[:7].lower() == _BEARER:
                return self._tokens.known(credentials)
        principal = self._by_certificate(self._policy.value(), call) if self._policy is not None else None
        if principal is not None:
            return principal
        if self._open_to_all:
            return DEVELOPMENT
        raise refusal(Unauthenticated, "CREDENTIALS_MISSING", "The call carries no credentials.", call.method)

    async def verified(self, call: Call) -> Principal:
        """The principal of a token that is seen for the first time.

        Raises:
            Unauthenticated: when the token is not believed.
        """
        assert self._tokens is not None  # noqa: S101 - for the type checker: `known` answers None only for a token
        return await self._tokens.verified(str(call.metadata["authorization"]), call.method)

    def _by_certificate(self, policy: Policy, call: Call) -> Principal | None:
        identity = self._identity(call.context)
        principal = policy.principal(identity)
        if principal is None and not self._open_to_all:
            message = "The client certificate carries no identity this service knows."
            raise refusal(Unauthenticated, "IDENTITY_UNKNOWN", message, call.method, identity=identity)
        return principal

    def _identity(self, context: Context) -> str:
        """The identity of the other end, found out once for each connection: gRPC takes 10 us to describe a peer."""
        connection = context.peer(), *(context.peer_identities() or ())
        identity = self._identities.get(connection)
        if identity is None:
            if len(self._identities) >= _REMEMBERED:
                self._identities.clear()
            identity = self._identities[connection] = identity_of(context)
        return identity


def authenticator(settings: ServerSettings) -> Authenticator:
    """What the settings say about callers. The token library is loaded only where tokens are accepted."""
    tokens = None
    if settings.auth.jwks:
        from chassis.tokens import tokens_of

        tokens = tokens_of(settings.auth)
    policy = policy_in(settings.auth.policy_file) if settings.auth.policy_file else None
    return Authenticator(tokens=tokens, policy=policy, open_to_all=settings.open_to_all)


def identity_of(context: Context) -> str:
    """The SPIFFE id of the client's certificate, else its common name, else nothing."""
    facts = context.auth_context()
    for key in ("peer_spiffe_id", "x509_common_name"):
        values = facts.get(key)
        if values:
            return values[0].decode(errors="replace")
    return ""
