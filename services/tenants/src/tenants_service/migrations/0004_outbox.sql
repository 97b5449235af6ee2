-- Accepted requests to work on tenants, until they are started. Done ones stay: they say what was asked for, and when.
CREATE TABLE outbox_entries (
    tenant_id       uuid        NOT NULL,
    outbox_entry_id uuid        NOT NULL,
    operation_type  text        NOT NULL,
    operation_id    text        NOT NULL,
    payload_type    text        NOT NULL,
    payload         bytea       NOT NULL CHECK (octet_length(payload) <= 262144),
    principal       text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('WAITING', 'CLAIMED', 'STARTED', 'PARKED', 'CANCELLED')),
    due_time        timestamptz,
    claim_id        uuid,
    attempts        integer     NOT NULL,
    last_error      text        NOT NULL,
    start_time      timestamptz,
    revision        bigint      NOT NULL,
    create_time     timestamptz NOT NULL,
    update_time     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, outbox_entry_id),
    CONSTRAINT outbox_entries_due CHECK ((due_time IS NOT NULL) = (state IN ('WAITING', 'CLAIMED'))),
    CONSTRAINT outbox_entries_claim CHECK ((claim_id IS NOT NULL) = (state = 'CLAIMED')),
    CONSTRAINT outbox_entries_started CHECK ((start_time IS NOT NULL) = (state = 'STARTED'))
);
-- An operation waits once.
CREATE UNIQUE INDEX outbox_entries_undone ON outbox_entries (tenant_id, operation_id)
    WHERE state IN ('WAITING', 'CLAIMED', 'PARKED');
CREATE INDEX outbox_entries_due_time ON outbox_entries (due_time, outbox_entry_id)
    WHERE state IN ('WAITING', 'CLAIMED');
CREATE INDEX outbox_entries_claim_id ON outbox_entries (claim_id) WHERE claim_id IS NOT NULL;
CREATE INDEX outbox_entries_create_time ON outbox_entries (create_time, outbox_entry_id);
CREATE INDEX outbox_entries_state ON outbox_entries (state, create_time, outbox_entry_id);
CALL isolate('outbox_entries');
-- Dispatchers claim what is due, of every tenant, in a session of no tenant; a tenant's session never sees it.
CREATE POLICY dispatch ON outbox_entries USING (nullif(current_setting('app.tenant_id', true), '') IS NULL);
GRANT SELECT, INSERT, UPDATE ON outbox_entries TO :"application_role";
