-- How many leads came, proved their address and became tenants, day by day (UTC). Leads are people and may be forgotten;
-- these numbers stay. A day has several rows, or everybody who signs up would wait for everybody else.
CREATE TABLE lead_days (
    tenant_id uuid     NOT NULL CHECK (tenant_id = '00000000-0000-0000-0000-000000000000'),
    day       date     NOT NULL,
    slot      smallint NOT NULL CHECK (slot BETWEEN 0 AND 15),
    created   bigint   NOT NULL,
    verified  bigint   NOT NULL,
    converted bigint   NOT NULL,
    PRIMARY KEY (tenant_id, day, slot)
);
CALL isolate('lead_days');
GRANT SELECT, INSERT, UPDATE ON lead_days TO :"application_role";

CREATE VIEW lead_funnel WITH (security_invoker) AS
SELECT day, sum(created)::bigint AS created, sum(verified)::bigint AS verified, sum(converted)::bigint AS converted
FROM lead_days GROUP BY day;
GRANT SELECT ON lead_funnel TO :"application_role", :"operator_role";

CREATE FUNCTION project_lead_day(event domain_events) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO lead_days AS counted (tenant_id, day, slot, created, verified, converted)
    SELECT
        event.tenant_id,
        (event.create_time AT TIME ZONE 'UTC')::date,
        get_byte(uuid_send(event.event_id), 15) % 16,  -- of the event itself, so that a rebuild makes the same rows
        (event.event_type = 'lead.created')::integer,
        (event.event_type = 'lead.verified')::integer,
        (event.event_type = 'lead.converted')::integer
    WHERE event.event_type IN ('lead.created', 'lead.verified', 'lead.converted')
    ON CONFLICT (tenant_id, day, slot) DO UPDATE SET
        created = counted.created + excluded.created,
        verified = counted.verified + excluded.verified,
        converted = counted.converted + excluded.converted
$$;
CREATE FUNCTION project_lead_event() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM project_lead_day(NEW);
    RETURN NULL;
END
$$;
CREATE TRIGGER project_lead AFTER INSERT ON domain_events
FOR EACH ROW WHEN (NEW.aggregate_type = 'lead')
EXECUTE FUNCTION project_lead_event();
