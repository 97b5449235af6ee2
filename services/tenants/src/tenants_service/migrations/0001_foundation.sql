-- Who may see what, the requests that were answered, and the events every change leaves.
--
-- Every row belongs to a tenant, and row-level security shows a transaction the rows of its own tenant. What belongs to
-- no tenant (leads, limits, keys) belongs to the mesh itself, which is tenant 0: a transaction of no tenant sees that.
-- Who may read everybody's rows takes the operator role for the length of a transaction; it can write nothing.
DO $$
BEGIN
    IF to_regrole(':"operator_role"') IS NULL THEN
        BEGIN
            CREATE ROLE :"operator_role" NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- roles are shared by all databases of a server, and another one was faster
        END;
    END IF;
    -- Not inherited: its policies hold only for who says SET ROLE.
    IF NOT pg_has_role(to_regrole(':"application_role"'), to_regrole(':"operator_role"'), 'SET') THEN
        GRANT :"operator_role" TO :"application_role" WITH INHERIT FALSE, SET TRUE;
    END IF;
END
$$;

-- Shows a table's rows to their own tenant, and to operators to read unless they have no business there.
CREATE PROCEDURE isolate(target regclass, operators boolean DEFAULT true)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY own ON %s USING (tenant_id = coalesce('
        'nullif(current_setting(''app.tenant_id'', true), ''''), ''00000000-0000-0000-0000-000000000000'')::uuid)',
        target
    );
    IF operators THEN
        EXECUTE format('CREATE POLICY operators_read ON %s FOR SELECT TO :"operator_role" USING (true)', target);
        EXECUTE format('GRANT SELECT ON %s TO :"operator_role"', target);
    END IF;
END
$$;
REVOKE ALL ON PROCEDURE isolate FROM PUBLIC;

-- What postgreskit keeps to answer a repeated request.
CREATE TABLE idempotent_requests (
    tenant_id  uuid        NOT NULL,
    caller     text        NOT NULL CHECK (octet_length(caller) <= 2048),
    method     text        NOT NULL CHECK (octet_length(method) <= 256),
    request_id uuid        NOT NULL,
    digest     bytea       NOT NULL CHECK (octet_length(digest) = 32),
    response   bytea       CHECK (octet_length(response) <= 1048576),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, caller, method, request_id)
);
CREATE INDEX idempotent_requests_expires_at ON idempotent_requests (expires_at);
CALL isolate('idempotent_requests', operators => false);
-- A session of no tenant sees what has expired, of every tenant, to sweep it away; a tenant's session never does.
CREATE POLICY sweep_sees ON idempotent_requests FOR SELECT USING (
    nullif(current_setting('app.tenant_id', true), '') IS NULL AND expires_at <= now()
);
CREATE POLICY sweep_deletes ON idempotent_requests FOR DELETE USING (
    nullif(current_setting('app.tenant_id', true), '') IS NULL AND expires_at <= now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_requests TO :"application_role";

-- What happened, once and for ever: nobody is granted to change or remove a row.
--
-- Transactions commit in another order than they take positions in. A reader that must not skip one goes only as far as
-- no transaction that is still writing events may have taken a position: see tenants_service.watching.
CREATE TABLE domain_events (
    tenant_id      uuid        NOT NULL,
    event_id       uuid        NOT NULL,
    position       bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    event_type     text        NOT NULL CHECK (event_type <> '' AND char_length(event_type) <= 128),
    aggregate_type text        NOT NULL CHECK (aggregate_type <> '' AND char_length(aggregate_type) <= 63),
    aggregate_id   text        NOT NULL CHECK (aggregate_id <> '' AND char_length(aggregate_id) <= 128),
    event_data     jsonb       NOT NULL CHECK (jsonb_typeof(event_data) = 'object'),
    metadata       jsonb       NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
    create_time    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX domain_events_position ON domain_events (position);
CREATE INDEX domain_events_of_tenant ON domain_events (tenant_id, position);
CREATE INDEX domain_events_of_aggregate ON domain_events (aggregate_id, aggregate_type, position);
CREATE INDEX domain_events_of_type ON domain_events (event_type, position);
CREATE INDEX domain_events_of_workflow ON domain_events ((metadata ->> 'workflow_id'), position)
    WHERE metadata ->> 'workflow_id' IS NOT NULL;
CREATE INDEX domain_events_create_time ON domain_events (create_time);
CALL isolate('domain_events');
GRANT SELECT, INSERT ON domain_events TO :"application_role";
