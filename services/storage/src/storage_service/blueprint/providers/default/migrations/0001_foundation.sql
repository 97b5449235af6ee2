-- What every tenant has. The same tables serve a schema of a tenant's own and the shared schema, so each begins with
-- tenant_id; row-level security in the shared schema is switched on by the storage service, for every table.
-- `app.tenant_id` is what the product sets in each transaction, whatever the tier.
CREATE TABLE companies (
    tenant_id  uuid        NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    company_id uuid        NOT NULL DEFAULT uuidv7(),
    name       text        NOT NULL CHECK (name <> ''),
    country    text        NOT NULL DEFAULT '' CHECK (country ~ '^([A-Z]{2})?$'),
    is_default boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, company_id)
);
CREATE UNIQUE INDEX companies_default ON companies (tenant_id) WHERE is_default;

CREATE TABLE permissions (
    tenant_id   uuid NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    permission  text NOT NULL CHECK (permission ~ '^[a-z_]+\.[a-z_]+$'),
    description text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, permission)
);

CREATE TABLE roles (
    tenant_id    uuid    NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    role         text    NOT NULL CHECK (role ~ '^[a-z][a-z0-9_]*$'),
    display_name text    NOT NULL,
    is_system    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, role)
);

CREATE TABLE role_permissions (
    tenant_id  uuid NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    role       text NOT NULL,
    permission text NOT NULL,
    PRIMARY KEY (tenant_id, role, permission),
    FOREIGN KEY (tenant_id, role) REFERENCES roles ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, permission) REFERENCES permissions ON DELETE CASCADE
);

CREATE TABLE statuses (
    tenant_id    uuid     NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    subject      text     NOT NULL,
    status       text     NOT NULL,
    display_name text     NOT NULL,
    position     smallint NOT NULL,
    is_final     boolean  NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, subject, status)
);

CREATE TABLE billing_plans (
    tenant_id    uuid    NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    plan         text    NOT NULL,
    display_name text    NOT NULL,
    price        numeric NOT NULL CHECK (price >= 0),
    currency     text    NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    period       text    NOT NULL CHECK (period IN ('month', 'year')),
    is_default   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, plan)
);

CREATE TABLE preferences (
    tenant_id  uuid  NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    preference text  NOT NULL,
    value      jsonb NOT NULL,
    PRIMARY KEY (tenant_id, preference)
);
