INSERT INTO billing_plans (plan, display_name, price, currency, period, is_default)
VALUES (
    current_setting('seed.plan'),
    initcap(current_setting('seed.plan')),
    0,
    current_setting('seed.currency'),
    'month',
    true
);
