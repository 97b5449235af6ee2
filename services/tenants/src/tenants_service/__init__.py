"""The tenants process of tenantmesh."""
