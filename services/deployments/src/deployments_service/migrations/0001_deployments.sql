-- Deployments that a pipeline makes: what was asked for, how it stands, and what has to be done next.
--
-- Every row belongs to a tenant, and row-level security shows a transaction the rows of its own tenant. Who looks after
-- everybody's rollouts, or lists everybody's deployments, takes the operator role for the length of a transaction.
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

-- `claim` is whose a rollout is while somebody looks after it, until `due_time`: after that he is taken for dead. When
-- `deadline_time` has passed, the rollout has failed.
CREATE TABLE deployments (
    tenant_id              uuid        NOT NULL,
    app                    text        NOT NULL CHECK (char_length(app) <= 40),
    spec                   jsonb       NOT NULL,
    previous               jsonb,
    operation_id           text        NOT NULL CHECK (char_length(operation_id) <= 128),
    stamp_time             timestamptz NOT NULL,
    rollout_id             text        NOT NULL CHECK (char_length(rollout_id) <= 64),
    action                 text        NOT NULL CHECK (action IN ('DEPLOY', 'ROLLBACK', 'REMOVE')),
    rollout_operation_id   text        NOT NULL CHECK (char_length(rollout_operation_id) <= 128),
    undone                 text        NOT NULL,
    state                  text        NOT NULL CHECK (
        state IN ('PENDING', 'ROLLING_OUT', 'READY', 'FAILED', 'ROLLING_BACK', 'DELETING')
    ),
    percent                integer     NOT NULL CHECK (percent BETWEEN 0 AND 100),
    failure                jsonb       CHECK ((state = 'FAILED') = (failure IS NOT NULL)),
    app_url                text        NOT NULL CHECK (char_length(app_url) <= 2048),
    admin_url              text        NOT NULL CHECK (char_length(admin_url) <= 2048),
    provider_deployment_id text        NOT NULL CHECK (char_length(provider_deployment_id) <= 256),
    web_url                text        NOT NULL CHECK (char_length(web_url) <= 2048),
    create_time            timestamptz NOT NULL,
    update_time            timestamptz NOT NULL,
    revision               bigint      NOT NULL DEFAULT 0,
    called                 boolean     NOT NULL DEFAULT false,
    status_url             text        NOT NULL DEFAULT '' CHECK (char_length(status_url) <= 2048),
    attempts               integer     NOT NULL DEFAULT 0,
    claim                  uuid,
    due_time               timestamptz CHECK ((due_time IS NULL) = (state IN ('READY', 'FAILED'))),
    deadline_time          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, app)
);
CREATE INDEX deployments_due ON deployments (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX deployments_of_operation ON deployments (operation_id);

-- What was reported and is not to be believed again, until its timestamp is too old anyway.
CREATE TABLE seen_reports (
    tenant_id   uuid        NOT NULL,
    digest      bytea       NOT NULL CHECK (octet_length(digest) = 32),
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);

DO $$
DECLARE
    target regclass;
BEGIN
    FOREACH target IN ARRAY ARRAY['deployments', 'seen_reports']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
        EXECUTE format(
            'CREATE POLICY own ON %s USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
            target
        );
    END LOOP;
END
$$;
CREATE POLICY operators ON deployments TO :"operator_role" USING (true);
GRANT SELECT, UPDATE, DELETE ON deployments TO :"operator_role";
GRANT SELECT, INSERT, UPDATE, DELETE ON deployments, seen_reports TO :"application_role";

-- Which deployment serves under which name: one of all tenants' together, so each finds the others'.
CREATE TABLE hostnames (
    hostname  text NOT NULL PRIMARY KEY CHECK (char_length(hostname) <= 253),
    tenant_id uuid NOT NULL,
    app       text NOT NULL,
    FOREIGN KEY (tenant_id, app) REFERENCES deployments ON DELETE CASCADE
);
CREATE INDEX hostnames_of_deployment ON hostnames (tenant_id, app);
GRANT SELECT, INSERT, DELETE ON hostnames TO :"application_role";
