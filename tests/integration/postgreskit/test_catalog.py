import asyncpg
import pytest

from postgreskit.catalog import tenancy_violations

TENANT_POLICY = "USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)"


def table(name, columns):
    return f"""
        CREATE TABLE {name} ({columns});
        ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {name} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON {name} {TENANT_POLICY};
    """


GOOD = (
    "CREATE TABLE countries (code text PRIMARY KEY, name text UNIQUE);"
    "CREATE TABLE schema_migrations (version int PRIMARY KEY);"
    + table(
        "leads", "tenant_id uuid, lead_id uuid, email text, PRIMARY KEY (tenant_id, lead_id), UNIQUE (tenant_id, email)"
    )
    + table(
        "contacts",
        "tenant_id uuid, id uuid, lead_id uuid, country text REFERENCES countries, PRIMARY KEY (tenant_id, id),"
        " FOREIGN KEY (tenant_id, lead_id) REFERENCES leads",
    )
    + "CREATE VIEW emails WITH (security_invoker) AS SELECT email FROM leads;"
)


@pytest.fixture
async def violations(admin, role):
    await admin.execute(GOOD + f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")

    async def violations(change="", **options):
        if change:
            await admin.execute(change.replace("ROLE_NAME", role))
        found = await tenancy_violations(admin, role=role, **({"reference_tables": {"countries"}} | options))
        return [each.replace(role, "ROLE_NAME") for each in found]

    return violations


async def test_a_schema_that_keeps_the_rules(violations):
    assert await violations() == []


BROKEN = {
    "CREATE UNIQUE INDEX by_email ON leads (email)": "leads: by_email does not begin with tenant_id",
    "CREATE UNIQUE INDEX by_lower ON leads (lower(email))": "leads: by_lower does not begin with tenant_id",
    "CREATE UNIQUE INDEX later ON leads (lead_id, tenant_id)": "leads: later does not begin with tenant_id",
    "ALTER TABLE contacts DROP CONSTRAINT contacts_pkey": "contacts: has no primary key",
    "ALTER TABLE leads DISABLE ROW LEVEL SECURITY": "leads: row-level security is off",
    "ALTER TABLE leads NO FORCE ROW LEVEL SECURITY": "leads: row-level security is not forced",
    "DROP POLICY tenant ON leads": "leads: row-level security is without a policy",
    "CREATE VIEW everyone AS SELECT email FROM leads": (
        "everyone: a view without security_invoker reads with the rights of its owner"
    ),
    "CREATE VIEW everyone WITH (security_invoker = false) AS SELECT email FROM leads": (
        "everyone: a view without security_invoker reads with the rights of its owner"
    ),
    "CREATE MATERIALIZED VIEW copied AS SELECT email FROM leads": (
        "copied: a materialized view knows no row-level security"
    ),
    "ALTER ROLE ROLE_NAME BYPASSRLS": "role ROLE_NAME: has BYPASSRLS",
    "ALTER ROLE ROLE_NAME CREATEROLE": "role ROLE_NAME: has CREATEROLE",
    "GRANT CREATE ON SCHEMA public TO ROLE_NAME": "role ROLE_NAME: may create in the schema",
    "ALTER TABLE leads OWNER TO ROLE_NAME": "role ROLE_NAME: owns table leads",
    "CREATE FUNCTION f() RETURNS int RETURN 1; ALTER FUNCTION f OWNER TO ROLE_NAME": (
        "role ROLE_NAME: owns function f()"
    ),
    "GRANT TRUNCATE ON leads TO ROLE_NAME": (
        "leads: role ROLE_NAME may TRUNCATE, which row-level security does not see"
    ),
    "GRANT REFERENCES ON leads TO PUBLIC": (
        "leads: role ROLE_NAME may REFERENCES, which row-level security does not see"
    ),
}


@pytest.mark.parametrize(("change", "violation"), BROKEN.items())
async def test_each_broken_rule_is_named(violations, change, violation):
    assert violation in await violations(change)


async def test_a_foreign_key_that_begins_with_something_else(violations):
    found = await violations("""
        ALTER TABLE leads ADD CONSTRAINT odd_key UNIQUE (lead_id, tenant_id);
        ALTER TABLE contacts ADD CONSTRAINT odd
            FOREIGN KEY (lead_id, tenant_id) REFERENCES leads (lead_id, tenant_id)""")
    assert found == [
        "contacts: foreign key odd does not begin with tenant_id on both sides",
        "leads: odd_key does not begin with tenant_id",
    ]


async def test_a_new_table_is_a_tenants_table(violations):
    assert await violations("CREATE TABLE forgotten (id int PRIMARY KEY)") == [
        "forgotten: forgotten_pkey does not begin with tenant_id",
        "forgotten: row-level security is not forced",
        "forgotten: row-level security is off",
        "forgotten: row-level security is without a policy",
    ]


async def test_a_reference_table_is_one_only_when_it_is_said(violations):
    assert len(await violations(reference_tables=())) == 6


async def test_what_a_role_may_become_counts(violations, admin, role):
    await admin.execute(f"CREATE ROLE power_{role} BYPASSRLS; GRANT power_{role} TO {role}")
    assert await violations() == ["role power_ROLE_NAME: has BYPASSRLS"]


async def test_a_superuser_keeps_no_rule(admin):
    assert "role postgres: is a superuser" in await tenancy_violations(admin, role="postgres")


async def test_other_schemas_are_not_looked_at(violations, admin):
    await admin.execute('CREATE SCHEMA "Other"; CREATE TABLE "Other".loose (id int)')
    assert await violations() == []
    assert "loose: has no primary key" in await violations(schema="Other")


async def test_looking_in_the_wrong_place_is_no_success(violations):
    with pytest.raises(asyncpg.InvalidSchemaNameError):
        await violations(schema="nowhere")
    assert await violations("CREATE SCHEMA bare", schema="bare") == ["schema bare: has no tables"]
