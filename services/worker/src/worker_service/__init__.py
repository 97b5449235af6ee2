"""The worker process of tenantmesh."""
