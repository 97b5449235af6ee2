"""Where operations run, Temporal; and where tenants are on record, the tenants service."""
