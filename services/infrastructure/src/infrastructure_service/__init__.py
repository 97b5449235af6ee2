"""The infrastructure process of tenantmesh."""
