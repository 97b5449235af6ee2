-- How much tenants have used of what their plans limit, and since when that is counted: what is from before the period in
-- hand is forgotten when it is next read or written.
CREATE TABLE quota_counts (
    tenant_id uuid        NOT NULL,
    name      text        NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    used      bigint      NOT NULL CHECK (used >= 0),
    since     timestamptz NOT NULL,
    revision  bigint      NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITH (fillfactor = 50);  -- a row that is written often has room beside it for its next version
CALL isolate('quota_counts');
GRANT SELECT, INSERT, UPDATE ON quota_counts TO :"application_role";
