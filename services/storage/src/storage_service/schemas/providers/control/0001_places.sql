-- One row a tenant's place: what the catalogue of the database cannot say.
CREATE TABLE places (
    schema_name       text        NOT NULL,
    tenant_id         uuid        NOT NULL,
    tenant_key        text        NOT NULL,
    tier              text        NOT NULL CHECK (tier IN ('silo', 'bridge', 'pooled')),
    operation_id      text        NOT NULL,
    max_connections   integer     NOT NULL,
    statement_timeout interval    NOT NULL,
    idle_timeout      interval    NOT NULL,
    access_enabled    boolean     NOT NULL,
    seed              jsonb,
    hand_over         jsonb       NOT NULL,
    create_time       timestamptz NOT NULL,
    update_time       timestamptz NOT NULL,
    PRIMARY KEY (schema_name, tenant_id)
);
CREATE INDEX places_of_tenant ON places (tenant_id);
-- A schema of its own belongs to one tenant.
CREATE UNIQUE INDEX places_own ON places (schema_name) WHERE tier <> 'pooled';

CREATE TABLE applied_migrations (
    schema_name text        NOT NULL,
    version     integer     NOT NULL,
    file        text        NOT NULL,
    sha256      text        NOT NULL,
    apply_time  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schema_name, version)
);

-- Whose rows a transaction in the shared schema sees: those of app.tenant_id, unless that tenant is suspended or gone.
CREATE FUNCTION current_tenant() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$
    SELECT tenant_id FROM tenantmesh.places
    WHERE tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid AND tier = 'pooled' AND access_enabled;
$$;
REVOKE EXECUTE ON FUNCTION current_tenant() FROM public;

-- Fence every table of the shared schema that is not fenced yet. Nobody has to remember it in a migration.
CREATE PROCEDURE fence(shared name)
LANGUAGE plpgsql SET search_path = pg_catalog
AS $$
DECLARE
    unfenced name;
BEGIN
    FOR unfenced IN
        SELECT relname FROM pg_class
        WHERE relnamespace = quote_ident(shared)::regnamespace AND relkind IN ('r', 'p')
        AND NOT (relrowsecurity AND relforcerowsecurity)
        -- What has no tenant cannot be fenced; the service finds it, and refuses the migration.
        AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id'
                    AND atttypid = 'uuid'::regtype AND NOT attisdropped)
    LOOP
        EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', shared, unfenced);
        EXECUTE format('ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY', shared, unfenced);
        EXECUTE format(
            'CREATE POLICY tenant ON %I.%I USING (tenant_id = (SELECT tenantmesh.current_tenant()))', shared, unfenced
        );
        -- The mesh itself owns the tables, and is fenced out of them as well where it is no superuser.
        EXECUTE format('CREATE POLICY mesh ON %I.%I TO CURRENT_USER USING (true)', shared, unfenced);
    END LOOP;
END
$$;
REVOKE EXECUTE ON PROCEDURE fence(name) FROM public;

GRANT USAGE ON SCHEMA tenantmesh TO :"pooled_role";
GRANT EXECUTE ON FUNCTION current_tenant() TO :"pooled_role";
