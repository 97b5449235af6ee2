"""The notifications process of tenantmesh."""
