"""The identity process of tenantmesh."""
