"""What the catalogue of a database says against the rules of tenancy. For the tests of services.

    assert await tenancy_violations(connection, role="tenants_app", reference_tables={"tenant_keys"}) == []

A table belongs to tenants unless it is named a reference table. Its primary key, unique indexes and foreign keys begin
with `tenant_id` (a distributed PostgreSQL needs that), row-level security is on, forced and has a policy, and the
application role can neither own nor go around any of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import asyncpg

from postgreskit.database import Transaction
from postgreskit.identifiers import quote
from postgreskit.migrations import TABLE

_VIOLATIONS: Final = """
WITH tables AS (
    SELECT * FROM pg_class
    WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relname = ANY ($2::name[])
),
roles AS (  -- through SET ROLE, whatever a role is a member of counts as its own
    SELECT * FROM pg_roles WHERE pg_has_role($3, oid, 'MEMBER')
)
SELECT format('%I: %I does not begin with tenant_id', t.relname, i.indexrelid::regclass)
FROM tables AS t JOIN pg_index AS i ON i.indrelid = t.oid AND i.indisunique
LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
WHERE a.attname IS DISTINCT FROM 'tenant_id'
UNION ALL
SELECT format('%I: has no primary key', relname)
FROM tables WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = tables.oid AND indisprimary)
UNION ALL
SELECT format('%I: foreign key %I does not begin with tenant_id on both sides', t.relname, f.conname)
FROM tables AS t JOIN pg_constraint AS f ON f.conrelid = t.oid AND f.contype = 'f'
JOIN pg_class AS other ON other.oid = f.confrelid
JOIN pg_attribute AS here ON here.attrelid = f.conrelid AND here.attnum = f.conkey[1]
JOIN pg_attribute AS there ON there.attrelid = f.confrelid AND there.attnum = f.confkey[1]
WHERE NOT other.relname = ANY ($2::name[]) AND (here.attname <> 'tenant_id' OR there.attname <> 'tenant_id')
UNION ALL
SELECT format('%I: row-level security is %s', relname, problem)
FROM tables, LATERAL (VALUES
    (NOT relrowsecurity, 'off'),
    (NOT relforcerowsecurity, 'not forced'),
    (NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = tables.oid), 'without a policy')
) AS checks (broken, problem) WHERE broken
UNION ALL
SELECT format('%I: a view without security_invoker reads with the rights of its owner', relname)
FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'v' AND NOT relname = ANY ($2::name[])
AND NOT EXISTS (SELECT FROM pg_options_to_table(reloptions)
                WHERE option_name = 'security_invoker' AND option_value::boolean)
UNION ALL
SELECT format('%I: a materialized view knows no row-level security', relname)
FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'm' AND NOT relname = ANY ($2::name[])
UNION ALL
SELECT format('role %I: %s', rolname, problem)
FROM roles, LATERAL (VALUES
    (rolsuper, 'is a superuser'),
    (rolbypassrls, 'has BYPASSRLS'),
    (rolcreaterole, 'has CREATEROLE'),
    (has_schema_privilege(roles.oid, $1::regnamespace, 'CREATE'), 'may create in the schema')
) AS checks (broken, problem) WHERE broken
UNION ALL
SELECT format('role %I: owns %s', r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid))
FROM roles AS r JOIN pg_shdepend AS d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'
WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT format('%I: role %I may %s, which row-level security does not see', relname, $3::name, privilege)
FROM tables, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
WHERE has_table_privilege($3, tables.oid, privilege)
UNION ALL
SELECT format('schema %s: has no tables', $1::regnamespace) WHERE NOT EXISTS (SELECT FROM tables)
ORDER BY 1"""


async def tenancy_violations(
    connection: asyncpg.Connection[asyncpg.Record] | Transaction,
    *,
    role: str,
    schema: str = "public",
    reference_tables: Collection[str] = (),
) -> list[str]:
    """Each way in which the schema breaks the rules, in words; empty when it keeps them.

    Args:
        connection: of a role that may read the catalogue, which every role may.
        role: the application role.
        schema: the one to look at.
        reference_tables: what belongs to no tenant and is the same for all.
    """
    exempt = [TABLE, *reference_tables]
    rows = await connection.fetch(_VIOLATIONS, quote(schema), exempt, role)
    return [row[0] for row in rows]
