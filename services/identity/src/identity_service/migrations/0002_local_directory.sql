-- The local directory: organizations, clients and people that no other provider holds.
--
-- `shared` tells the organization of a pooled tenant from one of the tenant's own: while it changes its tier, it has both.

-- Which tenant has a name. It is unique across tenants, so it stands apart from their rows.
CREATE TABLE local_names (
    name      text    NOT NULL CHECK (char_length(name) <= 253),
    shared    boolean NOT NULL,
    tenant_id uuid    NOT NULL,
    PRIMARY KEY (name, shared)
);
GRANT SELECT, INSERT, DELETE ON local_names TO :"application_role";

CREATE TABLE local_organizations (
    tenant_id    uuid        NOT NULL,
    shared       boolean     NOT NULL,
    provider_id  uuid        NOT NULL DEFAULT gen_random_uuid(),
    name         text        NOT NULL,
    tenant_key   text        NOT NULL,
    tier         text        NOT NULL CHECK (tier IN ('silo', 'bridge', 'pooled')),
    display_name text        NOT NULL CHECK (char_length(display_name) <= 200),
    domains      text[]      NOT NULL,
    enabled      boolean     NOT NULL,
    settings     jsonb,
    operation_id text        NOT NULL,
    stamp_time   timestamptz NOT NULL,
    create_time  timestamptz NOT NULL,
    update_time  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, shared)
);
CALL isolate('local_organizations');

CREATE TABLE local_clients (
    tenant_id                   uuid        NOT NULL,
    shared                      boolean     NOT NULL,
    provider_id                 uuid        NOT NULL DEFAULT gen_random_uuid(),
    name                        text        NOT NULL,
    client_id                   text        NOT NULL,
    display_name                text        NOT NULL CHECK (char_length(display_name) <= 200),
    type                        text        NOT NULL CHECK (type IN ('confidential', 'public')),
    redirect_uris               text[]      NOT NULL,
    web_origins                 text[]      NOT NULL,
    enabled                     boolean     NOT NULL,
    secret_digest               bytea       CHECK (octet_length(secret_digest) = 32),
    secret_create_time          timestamptz,
    previous_secret_digest      bytea       CHECK (octet_length(previous_secret_digest) = 32),
    previous_secret_expire_time timestamptz,
    operation_id                text        NOT NULL,
    stamp_time                  timestamptz NOT NULL,
    create_time                 timestamptz NOT NULL,
    update_time                 timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, shared, name),
    CONSTRAINT local_clients_home FOREIGN KEY (tenant_id, shared) REFERENCES local_organizations ON DELETE CASCADE
);
CALL isolate('local_clients');

-- `failures` counts wrong passwords since the last right one; `locked_until` is when the next try is let in.
CREATE TABLE local_users (
    tenant_id                uuid        NOT NULL,
    shared                   boolean     NOT NULL,
    user_id                  uuid        NOT NULL DEFAULT gen_random_uuid(),
    email                    text        NOT NULL CHECK (char_length(email) <= 320),
    given_name               text        NOT NULL,
    family_name              text        NOT NULL,
    language                 text        NOT NULL,
    email_verified           boolean     NOT NULL,
    enabled                  boolean     NOT NULL,
    password_change_required boolean     NOT NULL,
    password_hash            text        NOT NULL,
    roles                    text[]      NOT NULL DEFAULT '{}',
    failures                 integer     NOT NULL DEFAULT 0,
    failure_time             timestamptz,
    locked_until             timestamptz,
    operation_id             text        NOT NULL,
    stamp_time               timestamptz NOT NULL,
    create_time              timestamptz NOT NULL,
    update_time              timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, shared, email),
    CONSTRAINT local_users_id UNIQUE (tenant_id, user_id),
    CONSTRAINT local_users_home FOREIGN KEY (tenant_id, shared) REFERENCES local_organizations ON DELETE CASCADE
);
CALL isolate('local_users');
