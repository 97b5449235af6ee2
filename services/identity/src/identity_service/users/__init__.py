"""The people of tenants, and their roles."""
