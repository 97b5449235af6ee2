"""A database for each service that owns tables: its role may use them, and the superuser makes and migrates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from localstack.servers import postgres
from localstack.site import Site

_ROLE = "SELECT true FROM pg_roles WHERE rolname = $1"
_DATABASE = "SELECT true FROM pg_database WHERE datname = $1"


@dataclass(frozen=True, slots=True)
class Database:
    """The database of a site: it and its role are called like the site."""

    address: str
    name: str
    password: str

    @property
    def role(self) -> str:
        """Who uses it."""
        return self.name


def of(site: Site) -> Database:
    """The database of this site."""
    return Database(_server(site).address("sql"), site.name, site.secret("database"))


def addresses(site: Site) -> Mapping[str, str]:
    """Where the service of this site finds its database, as itself and as who migrates."""
    own = of(site)
    prefix = own.name.upper()
    return {
        f"{prefix}_DATABASE_URL": f"postgresql://{own.role}:{own.password}@{own.address}/{own.name}",
        f"{prefix}_ADMIN_DATABASE_URL": postgres.dsn(_server(site), own.name),
    }


async def provide(site: Site, *, owner: bool = False) -> None:
    """Make the database and the role, both called like the site, unless they are there.

    Args:
        site: whose database it is.
        owner: whether the role owns it, for a server that makes its tables itself.
    """
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
        if owner:
            await connection.execute(f"ALTER DATABASE {name} OWNER TO {name}")
    finally:
        await connection.close()


def _server(site: Site) -> Site:
    return replace(site, name="postgres", ports=site.neighbours["postgres"])
