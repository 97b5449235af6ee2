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

    async def __call__(self, call: Call) -> Principal:
        """The principal of a call.

        A token wins over the certificate: a gateway that speaks for somebody forwards that somebody's token over its
        own connection, and must not lend its own permissions.

        Raises:
            Unauthenticated: when nothing says who calls, or what says so is not believed.
        """
        if self._tokens is not None:
            credentials = call.metadata.get("authorization")
            if isinstance(credentials, str) and credentials[:7].lower() == "bearer ":
                return await self._tokens.principal(credentials[7:].strip(), call.method)
        if self._policy is not None:
            return self._by_certificate(self._policy.value(), call)
        if self._open_to_all:
            return DEVELOPMENT
        raise refusal(Unauthenticated, "CREDENTIALS_MISSING", "The call carries no credentials.", call.method)

    def _by_certificate(self, policy: Policy, call: Call) -> Principal:
        identity = identity_of(call.context)
        principal = policy.principal(identity)
        if principal is not None:
            return principal
        if self._open_to_all:
            return DEVELOPMENT
        message = "The client certificate carries no identity this service knows."
        raise refusal(Unauthenticated, "IDENTITY_UNKNOWN", message, call.method, identity=identity)


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
