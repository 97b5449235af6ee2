-- Secrets that wait for their one use, and who sees which rows.
--
-- Every row belongs to a tenant, and row-level security shows a transaction the rows of its own tenant. Who lists what
-- is everybody's, or forgets what is due, takes the operator role for the length of a transaction.
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

CREATE PROCEDURE isolate(target regclass)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY own ON %s USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
        target
    );
    EXECUTE format('CREATE POLICY operators ON %s TO :"operator_role" USING (true)', target);
    EXECUTE format('GRANT SELECT ON %s TO :"operator_role"', target);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO :"application_role"', target);
END
$$;
REVOKE ALL ON PROCEDURE isolate FROM PUBLIC;

-- One row a credential. The secret is sealed and goes when it is used or its time is over; the row stays for a while, so
-- that a repeat of the call that asked for it (`source`) is told the same.
CREATE TABLE credentials (
    tenant_id     uuid        NOT NULL,
    credential_id uuid        NOT NULL,
    kind          text        NOT NULL CHECK (kind IN ('password', 'client_secret', 'sso_client_secret')),
    source        text        NOT NULL CHECK (char_length(source) <= 600),
    generated     boolean     NOT NULL,
    subject       text        NOT NULL CHECK (char_length(subject) <= 320),
    issuer        text        NOT NULL CHECK (char_length(issuer) <= 2048),
    place         text        NOT NULL CHECK (char_length(place) <= 320),
    sealed        bytea,
    claim_digest  bytea       NOT NULL,
    create_time   timestamptz NOT NULL,
    expire_time   timestamptz NOT NULL,
    spend_time    timestamptz,
    PRIMARY KEY (tenant_id, credential_id),
    CONSTRAINT credentials_source UNIQUE (tenant_id, source),
    CONSTRAINT credentials_spent CHECK (spend_time IS NULL OR sealed IS NULL)
);
CREATE INDEX credentials_expire_time ON credentials (expire_time);
CALL isolate('credentials');
GRANT UPDATE (sealed), DELETE ON credentials TO :"operator_role";
