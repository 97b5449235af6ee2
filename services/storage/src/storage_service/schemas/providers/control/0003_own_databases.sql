-- The databases that were made for one tenant each. A row is written before its database is made, so a database of that
-- name without a row is somebody else's, and one with a row is ours to complete or to remove.
CREATE TABLE own_databases (
    name         text        PRIMARY KEY,
    tenant_id    uuid        NOT NULL,
    operation_id text        NOT NULL,
    removing     boolean     NOT NULL DEFAULT false, -- nothing is in it any more, and nothing may be
    create_time  timestamptz NOT NULL DEFAULT now()
);
