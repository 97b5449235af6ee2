-- The delivery log, what may not be sent to whom, and who sees which rows.
--
-- Every row belongs to a tenant, and row-level security shows a transaction the rows of its own tenant. What is for no
-- tenant belongs to tenant 0, which a transaction of no tenant sees. Who sends for everybody, or lists what is
-- everybody's, takes the operator role for the length of a transaction.
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
        'CREATE POLICY own ON %s USING (tenant_id = coalesce('
        'nullif(current_setting(''app.tenant_id'', true), ''''), ''00000000-0000-0000-0000-000000000000'')::uuid)',
        target
    );
    EXECUTE format('CREATE POLICY operators ON %s TO :"operator_role" USING (true)', target);
    EXECUTE format('GRANT SELECT, UPDATE ON %s TO :"operator_role"', target);
END
$$;
REVOKE ALL ON PROCEDURE isolate FROM PUBLIC;

-- One row a request. What its messages are written from is sealed, and goes when the last one is done with.
CREATE TABLE deliveries (
    tenant_id     uuid        NOT NULL,
    delivery_id   uuid        NOT NULL,
    request_id    uuid        NOT NULL,
    digest        bytea       NOT NULL CHECK (octet_length(digest) = 32),
    operation_id  text        NOT NULL CHECK (char_length(operation_id) <= 128),
    template_id   text        NOT NULL CHECK (char_length(template_id) <= 64),
    optional      boolean     NOT NULL,
    state         text        NOT NULL CHECK (state IN ('SENDING', 'SENT', 'PARTLY_SENT', 'NOT_SENT')),
    counts        jsonb       NOT NULL,
    content       bytea,
    expire_time   timestamptz NOT NULL,
    create_time   timestamptz NOT NULL DEFAULT now(),
    complete_time timestamptz,
    revision      bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT deliveries_request UNIQUE (tenant_id, request_id)
);
CREATE INDEX deliveries_create_time ON deliveries (create_time DESC, delivery_id DESC);
CREATE INDEX deliveries_of_tenant ON deliveries (tenant_id, create_time DESC, delivery_id DESC);
CREATE INDEX deliveries_of_operation ON deliveries (operation_id, create_time DESC) WHERE operation_id <> '';
CREATE INDEX deliveries_with_content ON deliveries (expire_time) WHERE content IS NOT NULL;
CALL isolate('deliveries');
GRANT SELECT, INSERT, UPDATE, DELETE ON deliveries TO :"application_role";

-- One row a message. `claim` is whose it is while somebody sends it, until `due_time`: after that its sender is taken
-- for dead. `address_key` is what two ways of writing one address have in common. `asked` is the provider that may have taken it over without anybody having lived to say so.
CREATE TABLE recipients (
    tenant_id    uuid        NOT NULL,
    delivery_id  uuid        NOT NULL,
    position     integer     NOT NULL,
    email        text        NOT NULL CHECK (char_length(email) <= 320),
    address_key  text        NOT NULL,
    display_name text        NOT NULL CHECK (char_length(display_name) <= 200),
    language     text        NOT NULL CHECK (char_length(language) <= 35),
    content      bytea,
    state        text        NOT NULL CHECK (
        state IN ('QUEUED', 'SENT', 'DELIVERED', 'SKIPPED', 'FAILED', 'SUPPRESSED', 'CANCELLED')
    ),
    due_time     timestamptz NOT NULL DEFAULT now(),
    claim        uuid,
    asked        text        NOT NULL DEFAULT '',
    tries        integer     NOT NULL DEFAULT 0,
    attempts     integer     NOT NULL DEFAULT 0,
    provider     text        NOT NULL DEFAULT '' CHECK (char_length(provider) <= 32),
    message_id   text        NOT NULL DEFAULT '' CHECK (char_length(message_id) <= 998),
    failure      text        CHECK ((state = 'FAILED') = (failure IS NOT NULL)),
    detail       text        NOT NULL DEFAULT '' CHECK (char_length(detail) <= 512),
    send_time    timestamptz CHECK (state NOT IN ('SENT', 'DELIVERED') OR send_time IS NOT NULL),
    update_time  timestamptz NOT NULL DEFAULT now(),
    revision     bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, delivery_id, position),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES deliveries ON DELETE CASCADE
);
CREATE INDEX recipients_due ON recipients (due_time) WHERE state = 'QUEUED';
CREATE INDEX recipients_address ON recipients (address_key);
CALL isolate('recipients');
GRANT SELECT, INSERT, UPDATE, DELETE ON recipients TO :"application_role";

-- Addresses that are no longer sent everything, or what can be declined. Those of tenant 0 hold for every tenant.
CREATE TABLE suppressions (
    tenant_id      uuid        NOT NULL,
    email          text        NOT NULL CHECK (char_length(email) <= 320),
    suppression_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    scope          text        NOT NULL CHECK (scope IN ('EVERYTHING', 'OPTIONAL')),
    cause          text        NOT NULL CHECK (cause IN ('MANUAL', 'UNSUBSCRIBED', 'BOUNCED', 'COMPLAINED')),
    detail         text        NOT NULL CHECK (char_length(detail) <= 512),
    create_time    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, email),
    CONSTRAINT suppressions_id UNIQUE (tenant_id, suppression_id)
);
CREATE INDEX suppressions_email ON suppressions (email, suppression_id);
CALL isolate('suppressions');
GRANT SELECT, INSERT, UPDATE, DELETE ON suppressions TO :"application_role";
