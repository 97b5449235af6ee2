INSERT INTO preferences (preference, value) VALUES
    ('locale', to_jsonb(current_setting('seed.locale'))),
    ('time_zone', to_jsonb(current_setting('seed.time_zone'))),
    ('week_starts_on', '"monday"'),
    ('email_notifications', 'true');
