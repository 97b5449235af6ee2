-- Tenants. What is read and written as a whole (contacts, address, branding, metadata) stands in the tenant's row as
-- JSON; what must be unique among tenants (keys, domains) is claimed in reference tables of its own.

-- Which state may follow which. The service has the same table in its model, and a test compares the two.
CREATE TABLE tenant_state_changes (
    from_state text NOT NULL,
    to_state   text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO tenant_state_changes (from_state, to_state) VALUES
    ('PENDING_PROVISION', 'PROVISIONING'),
    ('PENDING_PROVISION', 'CANCELLED'),
    ('PROVISIONING', 'ACTIVE'),
    ('PROVISIONING', 'PROVISION_FAILED'),
    ('PROVISIONING', 'CANCELLED'),
    ('PROVISION_FAILED', 'PROVISIONING'),
    ('PROVISION_FAILED', 'DEPROVISIONING'),
    ('ACTIVE', 'SUSPENDED'),
    ('ACTIVE', 'DEPROVISIONING'),
    ('SUSPENDED', 'ACTIVE'),
    ('SUSPENDED', 'DEPROVISIONING'),
    ('DEPROVISIONING', 'INACTIVE'),
    ('DEPROVISIONING', 'DEPROVISION_FAILED'),
    ('DEPROVISIONING', 'ACTIVE');
GRANT SELECT ON tenant_state_changes TO :"application_role";

CREATE TABLE tenants (
    tenant_id              uuid        PRIMARY KEY,
    key                    text        NOT NULL CHECK (key ~ '^[a-z][a-z0-9-]{1,29}[a-z0-9]$'),
    display_name           text        NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 200),
    state                  text        NOT NULL DEFAULT 'PENDING_PROVISION',
    tier                   text        NOT NULL CHECK (tier IN ('SILO', 'BRIDGE', 'POOLED')),
    parent_tenant_id       uuid        CHECK (parent_tenant_id <> tenant_id),
    lead_id                uuid,
    contacts               jsonb       NOT NULL,
    domains                text[]      NOT NULL CHECK (cardinality(domains) > 0),
    address                jsonb       NOT NULL,
    branding               jsonb       NOT NULL,
    metadata               jsonb       NOT NULL,
    tags                   text[]      NOT NULL DEFAULT '{}',
    protected              boolean     NOT NULL DEFAULT false,
    suspension_reason      text        NOT NULL DEFAULT '',
    failure                jsonb,
    operation_id           text        NOT NULL DEFAULT '',
    transitions            integer     NOT NULL DEFAULT 1,
    revision               bigint      NOT NULL DEFAULT 1,
    quarantine_expire_time timestamptz,
    create_time            timestamptz NOT NULL,
    update_time            timestamptz NOT NULL,
    activate_time          timestamptz,
    delete_time            timestamptz,
    CONSTRAINT tenants_one_primary_contact CHECK (
        jsonb_array_length(jsonb_path_query_array(contacts, '$[*] ? (@.primary == true)')) = 1
    ),
    CONSTRAINT tenants_suspension_reason CHECK ((state = 'SUSPENDED') = (suspension_reason <> '')),
    CONSTRAINT tenants_failure CHECK (
        failure IS NOT NULL OR state NOT IN ('PROVISION_FAILED', 'DEPROVISION_FAILED')
    ),
    CONSTRAINT tenants_protected CHECK (
        NOT protected OR state NOT IN ('DEPROVISIONING', 'DEPROVISION_FAILED', 'INACTIVE')
    ),
    CONSTRAINT tenants_quarantine CHECK ((state = 'INACTIVE') = (quarantine_expire_time IS NOT NULL)),
    CONSTRAINT tenants_deleted CHECK (delete_time IS NULL OR state IN ('CANCELLED', 'INACTIVE'))
);
-- Each index serves one order of ListTenants; the identifier tells equal rows apart.
CREATE INDEX tenants_create_time ON tenants (create_time, tenant_id);
CREATE INDEX tenants_update_time ON tenants (update_time, tenant_id);
CREATE INDEX tenants_key ON tenants (key, tenant_id);
CREATE INDEX tenants_display_name ON tenants (display_name, tenant_id);
CREATE INDEX tenants_state ON tenants (state, create_time, tenant_id);
CREATE INDEX tenants_parent ON tenants (parent_tenant_id) WHERE parent_tenant_id IS NOT NULL;
CREATE INDEX tenants_tags ON tenants USING gin (tags);
CALL isolate('tenants');
GRANT SELECT, INSERT, UPDATE ON tenants TO :"application_role";

CREATE FUNCTION guard_tenant_state() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = 'PENDING_PROVISION' THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.state = OLD.state
        OR EXISTS (SELECT FROM tenant_state_changes WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a tenant cannot become %', NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'tenants_state_change', TABLE = 'tenants';
END
$$;
CREATE TRIGGER guard_state BEFORE INSERT OR UPDATE OF state ON tenants
FOR EACH ROW EXECUTE FUNCTION guard_tenant_state();

-- Names no two tenants may share, and until when those rest that are given up. `name` is what schemas, buckets and
-- realms make of a key, so two keys that lead to one name are one key here.
CREATE TABLE tenant_keys (
    name      text PRIMARY KEY,
    key       text NOT NULL,
    tenant_id uuid NOT NULL,
    rest_time timestamptz
);
CREATE INDEX tenant_keys_of_tenant ON tenant_keys (tenant_id);
CALL isolate('tenant_keys');
CREATE POLICY mesh ON tenant_keys USING (nullif(current_setting('app.tenant_id', true), '') IS NULL);
GRANT SELECT, INSERT, UPDATE ON tenant_keys TO :"application_role";

CREATE TABLE tenant_domains (
    domain      text PRIMARY KEY CHECK (domain = lower(domain)),
    tenant_id   uuid NOT NULL,
    verify_time timestamptz,
    rest_time   timestamptz
);
CREATE INDEX tenant_domains_of_tenant ON tenant_domains (tenant_id);
CALL isolate('tenant_domains');
CREATE POLICY mesh ON tenant_domains USING (nullif(current_setting('app.tenant_id', true), '') IS NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_domains TO :"application_role";

-- How tenants came to their states: what their events say, kept ready to read.
CREATE TABLE tenant_transitions (
    tenant_id         uuid        NOT NULL,
    sequence          bigint      NOT NULL,
    from_state        text        NOT NULL,
    to_state          text        NOT NULL,
    reason            text        NOT NULL,
    suspension_reason text        NOT NULL,
    failure           jsonb,
    operation_id      text        NOT NULL,
    principal         text        NOT NULL,
    create_time       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
CALL isolate('tenant_transitions');
GRANT SELECT, INSERT ON tenant_transitions TO :"application_role";

CREATE FUNCTION project_tenant_transition(event domain_events) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO tenant_transitions (
        tenant_id, sequence, from_state, to_state, reason, suspension_reason, failure, operation_id, principal, create_time
    )
    SELECT
        event.tenant_id,
        (change ->> 'sequence')::bigint,
        coalesce(change ->> 'from_state', ''),
        change ->> 'to_state',
        coalesce(change ->> 'reason', ''),
        coalesce(change ->> 'suspension_reason', ''),
        nullif(change -> 'failure', 'null'),
        coalesce(change ->> 'operation_id', ''),
        coalesce(event.metadata ->> 'principal', ''),
        event.create_time
    FROM (SELECT event.event_data -> 'transition' AS change) AS data
    WHERE change IS NOT NULL
$$;
CREATE FUNCTION project_tenant_event() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM project_tenant_transition(NEW);
    RETURN NULL;
END
$$;
CREATE TRIGGER project_tenant AFTER INSERT ON domain_events
FOR EACH ROW WHEN (NEW.aggregate_type = 'tenant' AND NEW.event_data ? 'transition')
EXECUTE FUNCTION project_tenant_event();
