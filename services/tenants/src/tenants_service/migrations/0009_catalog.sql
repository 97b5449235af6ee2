-- What tenants can subscribe to, and what they have subscribed to.

-- Plans are the same for everybody: each session reads them, and only one of no tenant makes or changes them.
CREATE TABLE plans (
    plan_id                  uuid        PRIMARY KEY,
    key                      text        NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
    display_name             text        NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 200),
    description              text        NOT NULL CHECK (char_length(description) <= 2000),
    tier                     text        NOT NULL CHECK (tier IN ('SILO', 'BRIDGE', 'POOLED')),
    price_minor_units        bigint      NOT NULL CHECK (price_minor_units >= 0),
    currency                 text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    billing_cycle            text        NOT NULL CHECK (billing_cycle IN ('ONCE', 'MONTHLY', 'QUARTERLY', 'YEARLY')),
    trial_period             interval    NOT NULL CHECK (trial_period >= interval '0'),
    features                 jsonb       NOT NULL CHECK (jsonb_typeof(features) = 'object'),
    quotas                   jsonb       NOT NULL CHECK (jsonb_typeof(quotas) = 'array'),
    dedicated_infrastructure boolean     NOT NULL,
    approval_required        boolean     NOT NULL,
    archive_time             timestamptz,
    revision                 bigint      NOT NULL,
    create_time              timestamptz NOT NULL,
    update_time              timestamptz NOT NULL,
    CONSTRAINT plans_key UNIQUE (key)
);
ALTER TABLE plans ENABLE ROW LEVEL SECURITY;
ALTER TABLE plans FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody_reads ON plans FOR SELECT USING (true);
CREATE POLICY mesh ON plans USING (nullif(current_setting('app.tenant_id', true), '') IS NULL);
GRANT SELECT, INSERT, UPDATE ON plans TO :"application_role";

CREATE TABLE subscriptions (
    tenant_id          uuid        NOT NULL,
    subscription_id    uuid        NOT NULL,
    plan_id            uuid        NOT NULL REFERENCES plans,
    tier               text        NOT NULL CHECK (tier IN ('SILO', 'BRIDGE', 'POOLED')),
    state              text        NOT NULL,
    start_time         timestamptz NOT NULL,
    end_time           timestamptz NOT NULL,
    price_minor_units  bigint      NOT NULL CHECK (price_minor_units >= 0),
    currency           text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    billing_cycle      text        NOT NULL CHECK (billing_cycle IN ('ONCE', 'MONTHLY', 'QUARTERLY', 'YEARLY')),
    external_reference text        NOT NULL CHECK (char_length(external_reference) <= 128),
    reason             text        NOT NULL CHECK (char_length(reason) <= 512),
    expiry_notice_time timestamptz,
    revision           bigint      NOT NULL,
    create_time        timestamptz NOT NULL,
    update_time        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id),
    CONSTRAINT subscriptions_period CHECK (end_time > start_time)
);
-- A tenant has at most one that is not over.
CREATE UNIQUE INDEX subscriptions_current ON subscriptions (tenant_id) WHERE state IN ('PENDING', 'ACTIVE', 'INACTIVE');
-- The orders of ListSubscriptions, and what schedules look for.
CREATE INDEX subscriptions_create_time ON subscriptions (create_time, subscription_id);
CREATE INDEX subscriptions_of_tenant ON subscriptions (tenant_id, create_time, subscription_id);
CREATE INDEX subscriptions_of_plan ON subscriptions (plan_id, create_time, subscription_id);
CREATE INDEX subscriptions_state ON subscriptions (state, create_time, subscription_id);
CREATE INDEX subscriptions_due ON subscriptions (end_time, subscription_id) WHERE state IN ('ACTIVE', 'INACTIVE');
CREATE INDEX subscriptions_untold ON subscriptions (end_time, subscription_id)
    WHERE state = 'ACTIVE' AND expiry_notice_time IS NULL;
CALL isolate('subscriptions');
GRANT SELECT, INSERT, UPDATE ON subscriptions TO :"application_role";

-- Which state may follow which. The service has the same table in its model, and a test compares the two.
CREATE FUNCTION guard_subscription_state() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = 'PENDING' THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.state = OLD.state OR (OLD.state, NEW.state) IN (
        ('PENDING', 'ACTIVE'), ('PENDING', 'CANCELLED'),
        ('ACTIVE', 'INACTIVE'), ('ACTIVE', 'CANCELLED'), ('ACTIVE', 'EXPIRED'),
        ('INACTIVE', 'ACTIVE'), ('INACTIVE', 'CANCELLED'), ('INACTIVE', 'EXPIRED')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a subscription cannot become %', NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'subscriptions_state_change', TABLE = 'subscriptions';
END
$$;
CREATE TRIGGER guard_state BEFORE INSERT OR UPDATE OF state ON subscriptions
FOR EACH ROW EXECUTE FUNCTION guard_subscription_state();
