-- What `postgreskit.once` keeps: one row a request, its response for a day. Copy it into a migration of the service.
-- Requests that belong to no tenant are those of the tenant 0.
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

ALTER TABLE idempotent_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotent_requests FORCE ROW LEVEL SECURITY;

CREATE POLICY own ON idempotent_requests USING (
    tenant_id
    = coalesce(nullif(current_setting('app.tenant_id', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
);

-- A session of no tenant sees what has expired, of every tenant, to sweep it away; a tenant's session never does.
CREATE POLICY sweep_sees ON idempotent_requests FOR SELECT USING (
    nullif(current_setting('app.tenant_id', true), '') IS NULL AND expires_at <= now()
);

CREATE POLICY sweep_deletes ON idempotent_requests FOR DELETE USING (
    nullif(current_setting('app.tenant_id', true), '') IS NULL AND expires_at <= now()
);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_requests TO :"application_role";
