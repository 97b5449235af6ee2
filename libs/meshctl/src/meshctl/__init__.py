"""The command line and the typed Python client of tenantmesh."""
