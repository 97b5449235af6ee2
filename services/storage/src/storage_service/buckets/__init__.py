"""The places of tenants' objects: a bucket of its own, or a prefix in the shared one."""
