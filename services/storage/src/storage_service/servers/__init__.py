"""The database servers that hold tenants' places, and who lies on which."""
