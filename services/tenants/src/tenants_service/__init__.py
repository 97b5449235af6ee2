"""The system of record: leads, tenants, plans, subscriptions, invitations, resources and events, in PostgreSQL."""
