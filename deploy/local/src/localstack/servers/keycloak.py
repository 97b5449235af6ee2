"""Keycloak: declared, not yet built. It joins with the identity service."""

from __future__ import annotations

from localstack.component import Absent, Component, Profile
from localstack.site import Site

REASON = "joins with the identity service; until then there is no identity provider here"


async def prepare(_: Site) -> str | None:
    """Say that it is not here yet."""
    raise Absent(REASON)


def command(_: Site) -> list[str]:
    """There is nothing to run yet."""
    raise Absent(REASON)


async def ready(_: Site) -> None:
    """It is never ready yet."""
    raise Absent(REASON)


KEYCLOAK = Component(
    name="keycloak",
    summary="identity provider",
    profile=Profile.FULL,
    ports={"http": 8081, "management": 9000},
    needs=("postgres",),
    prepare=prepare,
    command=command,
    ready=ready,
)
