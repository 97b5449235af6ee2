"""The storage process of tenantmesh."""
