"""PostgreSQL for services, on asyncpg: pool, transactions, migrations, idempotency, pages, wake-ups.

async with Database(settings.database) as database:
    async with database.tenant(tenant_id).transaction() as tx:
        await tx.execute("INSERT INTO leads ...")

`postgreskit.seal` hides what is kept in rows. `postgreskit.catalog` is for the tests of services.
"""

from postgreskit.database import Database, Isolation, Session, TenantDatabase, Transaction
from postgreskit.errors import Constraints, constraint_faults
from postgreskit.idempotency import RequestKey, answered, once, request_key, sweep
from postgreskit.keyset import Column, Order, parse_order
from postgreskit.listener import Listener
from postgreskit.migration_files import Migration, Newer, load_migrations
from postgreskit.migrations import MigrationReport, Target, migrate, migrate_on
from postgreskit.pages import OpenPage, Page, Pages
from postgreskit.pool import PoolStats
from postgreskit.retry import retrying
from postgreskit.schema import Schema
from postgreskit.settings import DatabaseSettings

__all__ = [
    "Column",
    "Constraints",
    "Database",
    "DatabaseSettings",
    "Isolation",
    "Listener",
    "Migration",
    "MigrationReport",
    "Newer",
    "OpenPage",
    "Order",
    "Page",
    "Pages",
    "PoolStats",
    "RequestKey",
    "Schema",
    "Session",
    "Target",
    "TenantDatabase",
    "Transaction",
    "answered",
    "constraint_faults",
    "load_migrations",
    "migrate",
    "migrate_on",
    "once",
    "parse_order",
    "request_key",
    "retrying",
    "sweep",
]
