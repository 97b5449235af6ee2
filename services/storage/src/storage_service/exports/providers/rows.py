"""The rows of a tenant's tables: counted, told from any others, and copied from one place to another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

from postgreskit import Transaction
from postgreskit.identifiers import quote
from storage_service.exports.model import Table
from storage_service.schemas.providers.catalog import tables
from storage_service.schemas.providers.scripts import at_once

# The same value is the same text in every session and on every server.
SETTINGS = {"datestyle": "ISO", "intervalstyle": "iso_8601", "timezone": "UTC", "extra_float_digits": "1"}
_NAME_LIMIT = 63
_IN_MEMORY = 8 << 20
LONG = 86_400.0
"""How long a copy may take, in seconds."""

_COLUMNS = """
SELECT a.attname AS name, a.attname = 'tenant_id' AND a.atttypid = 'uuid'::regtype AS tenant,
       a.attgenerated <> '' AS made, a.attnum = ANY (coalesce(i.indkey::smallint[], '{}')) AS key
FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = format('%I.%I', $1::text, $2::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum"""
_SEQUENCES = """
SELECT c.relname, pg_sequence_last_value(c.oid) FROM pg_class AS c
WHERE c.relkind = 'S' AND c.relnamespace = quote_ident($1)::regnamespace"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    tenant: bool
    """Whether it says whose row it is."""
    made: bool
    """Whether the database makes its values of others'."""
    key: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one tenant in one schema; all rows there, where no tenant is given."""

    connection: Any
    schema: str
    tenant_id: str = ""

    async def names(self) -> list[str]:
        """The tables, each behind those it points to."""
        return [name for group in await self.groups() for name in group]

    async def groups(self) -> list[tuple[str, ...]]:
        """The same, and those together that point at each other."""
        return await tables(self.connection, self.schema)

    async def columns(self, table: str) -> list[Column]:
        """The columns of a table."""
        return [Column(**row) for row in await self.connection.fetch(_COLUMNS, self.schema, table)]

    async def table(self, name: str) -> Table:
        """How many rows a table has, and what tells them from others: in the order of their key, whoever's they are."""
        columns = await self.columns(name)
        told = [quote(one.name) for one in columns if not one.tenant]
        keys = [quote(one.name) for one in columns if one.key and not one.tenant] or told
        order = ", ".join(f'{key}::text COLLATE "C"' for key in keys)
        digest = hashlib.sha256()

        async def update(data: bytes) -> None:
            digest.update(data)

        status = await self.connection.copy_from_query(
            f"SELECT {', '.join(told)} FROM {self._from(name, columns)} {f'ORDER BY {order}' if order else ''}",  # noqa: S608 - quoted
            output=update,
            timeout=LONG,
        )
        return Table(name, int(status.removeprefix("COPY ")), digest.hexdigest())

    async def any_row(self) -> str:
        """A table that has a row; empty where none has."""
        for name in await self.names():
            found = f"SELECT 1 FROM {self._from(name, await self.columns(name))} LIMIT 1"  # noqa: S608 - quoted
            if await self.connection.fetchval(found):
                return name
        return ""

    async def copy_to(self, other: Rows, names: Sequence[str], tenant_id: str) -> None:
        """Copy the rows of tables that point at each other into the same tables elsewhere, as those of that tenant."""
        passed = [await self._pass(other, name, tenant_id) for name in names]
        inserts = at_once(
            f"INSERT INTO {quote(other.schema)}.{quote(name)} ({listed}) OVERRIDING SYSTEM VALUE"  # noqa: S608 - quoted
            f" SELECT {listed} FROM {quote(passing)}"
            for name, (passing, listed) in zip(names, passed, strict=True)
        )
        drop = ", ".join(quote(passing) for passing, _ in passed)
        await other.connection.execute(f"{inserts}; DROP TABLE {drop}", timeout=LONG)

    async def _pass(self, other: Rows, name: str, tenant_id: str) -> tuple[str, str]:
        """Copy a table's rows beside the same table elsewhere; answer where they are, and their columns."""
        there = {one.name for one in await other.columns(name)}
        columns = [one for one in await self.columns(name) if not one.made and one.name in there]
        values = ", ".join(f"'{tenant_id}'::uuid" if one.tenant else quote(one.name) for one in columns)
        listed, passing = ", ".join(quote(one.name) for one in columns), f"passing_{name}"[:_NAME_LIMIT]
        target = f"{quote(other.schema)}.{quote(name)}"
        # Row-level security does not know COPY, but it knows INSERT.
        await other.connection.execute(
            f"CREATE TEMP TABLE {quote(passing)} ON COMMIT DROP AS SELECT {listed} FROM {target} WITH NO DATA"  # noqa: S608 - quoted
        )
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as rows:
            query = f"SELECT {values} FROM {self._from(name, columns)}"  # noqa: S608 - quoted
            await self.connection.copy_from_query(query, output=rows, timeout=LONG)
            rows.seek(0)
            names = [one.name for one in columns]
            await other.connection.copy_to_table(passing, source=rows, columns=names, timeout=LONG)
        return passing, listed

    async def continue_sequences(self, other: Rows) -> None:
        """Let sequences elsewhere go on behind where they stand here."""
        for name, last in await self.connection.fetch(_SEQUENCES, self.schema):
            if last is not None:
                await other.connection.execute(
                    "SELECT setval(c.oid, greatest($3, coalesce(pg_sequence_last_value(c.oid), $3)))"
                    " FROM pg_class AS c"
                    " WHERE c.relkind = 'S' AND c.relnamespace = quote_ident($1)::regnamespace AND c.relname = $2",
                    other.schema,
                    name,
                    last,
                )

    def _from(self, name: str, columns: Sequence[Column]) -> str:
        """The table, and of a shared one the tenant's rows only."""
        table = f"{quote(self.schema)}.{quote(name)}"
        narrow = self.tenant_id and any(one.tenant for one in columns)
        return f"{table} WHERE tenant_id = '{self.tenant_id}'" if narrow else table


async def settle(tx: Transaction) -> None:
    """Let a transaction write values the same way as every other."""
    await tx.execute(";".join(f"SET LOCAL {name} = '{value}'" for name, value in SETTINGS.items()))
