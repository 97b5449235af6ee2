"""A database for each service that owns tables: its role may use them, and the superuser makes and migrates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from localstack.servers import postgres
from localstack.site import Site

_ROLE = "SELECT true FROM pg_roles WHERE rolname = $1"
_DATABASE = "SELECT true FROM pg_database WHERE datname = $1"


def addresses(site: Site) -> Mapping[str, str]:
    """Where the service of this site finds its database, as itself and as who migrates."""
    name, server = site.name, _server(site)
    prefix = name.upper()
    own = f"postgresql://{name}:{site.secret('database')}@{server.address('sql')}/{name}"
    return {f"{prefix}_DATABASE_URL": own, f"{prefix}_ADMIN_DATABASE_URL": postgres.dsn(server, name)}


async def provide(site: Site) -> None:
    """Make the database and the role, both called like the service, unless they are there."""
    import asyncpg

    name = site.name
    connection = await asyncpg.connect(postgres.dsn(_server(site)))
    try:
        # Names and passwords are ours: letters, digits and nothing that needs quoting.
        if not await connection.fetchval(_ROLE, name):
            await connection.execute(f"CREATE ROLE {name} LOGIN")
        await connection.execute(f"ALTER ROLE {name} PASSWORD '{site.secret('database')}'")
        if not await connection.fetchval(_DATABASE, name):
            await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


def _server(site: Site) -> Site:
    return replace(site, name="postgres", ports=site.neighbours["postgres"])
