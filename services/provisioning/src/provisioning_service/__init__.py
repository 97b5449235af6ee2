"""The provisioning process of tenantmesh."""
