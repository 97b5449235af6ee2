-- Leads belong to nobody yet, so they are the mesh's own. Keys and tokens are never in here: a digest of the key is, and
-- the signing keys are sealed.
CREATE TABLE leads (
    tenant_id           uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
                                    CHECK (tenant_id = '00000000-0000-0000-0000-000000000000'),
    lead_id             uuid        NOT NULL DEFAULT uuidv7(),
    email               text        NOT NULL CHECK (email = lower(email)),
    first_name          text        NOT NULL,
    last_name           text        NOT NULL,
    company_name        text        NOT NULL,
    address             jsonb       NOT NULL,
    state               text        NOT NULL DEFAULT 'NEW' CHECK (state IN ('NEW', 'VERIFIED', 'CONVERTED')),
    key_digest          bytea       CHECK (octet_length(key_digest) = 32),
    key_expire_time     timestamptz,
    converted_tenant_id uuid,
    revision            bigint      NOT NULL DEFAULT 1,
    create_time         timestamptz NOT NULL,
    update_time         timestamptz NOT NULL,
    verify_time         timestamptz,
    convert_time        timestamptz,
    PRIMARY KEY (tenant_id, lead_id),
    CONSTRAINT leads_key CHECK ((key_digest IS NULL) = (key_expire_time IS NULL)),
    CONSTRAINT leads_verified CHECK ((state = 'NEW') = (verify_time IS NULL)),
    CONSTRAINT leads_converted CHECK (
        (state = 'CONVERTED') = (convert_time IS NOT NULL) AND (state = 'CONVERTED') = (converted_tenant_id IS NOT NULL)
    )
);
CREATE UNIQUE INDEX leads_verified_email ON leads (tenant_id, email) WHERE state <> 'NEW';
CREATE UNIQUE INDEX leads_one_tenant ON leads (tenant_id, converted_tenant_id) WHERE converted_tenant_id IS NOT NULL;
CREATE INDEX leads_create_time ON leads (tenant_id, create_time, lead_id);
CREATE INDEX leads_email ON leads (tenant_id, email);
CALL isolate('leads');
GRANT SELECT, INSERT, UPDATE ON leads TO :"application_role";

CREATE FUNCTION guard_lead_state() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = OLD.state OR (OLD.state, NEW.state) IN (('NEW', 'VERIFIED'), ('VERIFIED', 'CONVERTED')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a lead cannot go from % to %', OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'leads_state_change', TABLE = 'leads';
END
$$;
CREATE TRIGGER guard_state BEFORE UPDATE OF state ON leads FOR EACH ROW EXECUTE FUNCTION guard_lead_state();

-- How often somebody may ask. `free_time` is when the last of the calls so far is paid off; who is too far ahead waits.
CREATE TABLE rate_limits (
    tenant_id uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
                          CHECK (tenant_id = '00000000-0000-0000-0000-000000000000'),
    name      text        NOT NULL,
    subject   bytea       NOT NULL CHECK (octet_length(subject) = 32),
    free_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name, subject)
);
CREATE INDEX rate_limits_free_time ON rate_limits (free_time);
CALL isolate('rate_limits', operators => false);
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits TO :"application_role";

-- The keys lead tokens are signed with, one after the other. The private halves are sealed by the service's own key.
CREATE TABLE signing_keys (
    tenant_id   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
                            CHECK (tenant_id = '00000000-0000-0000-0000-000000000000'),
    sequence    bigint      NOT NULL CHECK (sequence > 0),
    key_id      text        NOT NULL,
    public_key  bytea       NOT NULL,
    sealed_key  bytea       NOT NULL,
    sign_time   timestamptz NOT NULL,
    retire_time timestamptz NOT NULL CHECK (retire_time > sign_time),
    PRIMARY KEY (tenant_id, sequence)
);
CALL isolate('signing_keys', operators => false);
GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO :"application_role";
