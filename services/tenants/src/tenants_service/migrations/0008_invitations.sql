-- Invitations of people to tenants. Of a token there is a digest; it is kept to the end, so that an old link is told why it
-- is refused.
CREATE TABLE invitations (
    tenant_id         uuid        NOT NULL,
    invitation_id     uuid        NOT NULL,
    email             text        NOT NULL CHECK (email = lower(email)),
    first_name        text        NOT NULL,
    last_name         text        NOT NULL,
    roles             text[]      NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 16),
    state             text        NOT NULL,
    operation_id      text        NOT NULL,
    principal         text        NOT NULL,
    token_digest      bytea       NOT NULL CHECK (octet_length(token_digest) = 32),
    token_create_time timestamptz NOT NULL,
    expire_time       timestamptz NOT NULL CHECK (expire_time > create_time),
    remind_time       timestamptz,
    reminder_time     timestamptz,
    resend_count      integer     NOT NULL CHECK (resend_count BETWEEN 0 AND 5),
    accept_time       timestamptz,
    revoke_time       timestamptz,
    revoke_reason     text        NOT NULL,
    revision          bigint      NOT NULL,
    create_time       timestamptz NOT NULL,
    update_time       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, invitation_id),
    CONSTRAINT invitations_accepted CHECK ((state = 'ACCEPTED') = (accept_time IS NOT NULL)),
    CONSTRAINT invitations_revoked CHECK ((state = 'REVOKED') = (revoke_time IS NOT NULL))
);
-- One that waits for an answer for each person.
CREATE UNIQUE INDEX invitations_pending ON invitations (tenant_id, email) WHERE state = 'PENDING';
CREATE INDEX invitations_create_time ON invitations (tenant_id, create_time, invitation_id);
CREATE INDEX invitations_token_digest ON invitations (token_digest);
CREATE INDEX invitations_expire_time ON invitations (expire_time) WHERE state = 'PENDING';
CREATE INDEX invitations_remind_time ON invitations (remind_time, invitation_id)
    WHERE state = 'PENDING' AND remind_time IS NOT NULL AND reminder_time IS NULL;
CALL isolate('invitations');
GRANT SELECT, INSERT, UPDATE ON invitations TO :"application_role";

CREATE FUNCTION guard_invitation_state() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = 'PENDING' THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.state = OLD.state OR (OLD.state = 'PENDING' AND NEW.state IN ('ACCEPTED', 'REVOKED', 'EXPIRED')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an invitation cannot become %', NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'invitations_state_change', TABLE = 'invitations';
END
$$;
CREATE TRIGGER guard_state BEFORE INSERT OR UPDATE OF state ON invitations
FOR EACH ROW EXECUTE FUNCTION guard_invitation_state();
