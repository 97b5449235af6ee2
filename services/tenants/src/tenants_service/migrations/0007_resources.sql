-- What was made for tenants, and where it is: what should be there. What is gone is gone from here too; its events stay.
CREATE TABLE resources (
    tenant_id    uuid        NOT NULL,
    resource_id  uuid        NOT NULL,
    type         text        NOT NULL CHECK (type <> ''),
    provider     text        NOT NULL CHECK (provider <> ''),
    identifier   text        NOT NULL CHECK (char_length(identifier) BETWEEN 1 AND 512),
    uri          text        NOT NULL,
    metadata     jsonb       NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
    operation_id text        NOT NULL CHECK (operation_id <> ''),
    revision     bigint      NOT NULL,
    create_time  timestamptz NOT NULL,
    update_time  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, resource_id),
    CONSTRAINT resources_name UNIQUE (tenant_id, type, provider, identifier)
);
CREATE INDEX resources_in_order ON resources (tenant_id, type, resource_id);
CREATE INDEX resources_of_type ON resources (type, tenant_id, resource_id);
CREATE INDEX resources_of_operation ON resources (operation_id);
CALL isolate('resources');
GRANT SELECT, INSERT, UPDATE, DELETE ON resources TO :"application_role";
