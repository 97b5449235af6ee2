"""The deployments process of tenantmesh."""
