"""Starts, follows, cancels and explains the provisioning of tenants; Temporal is its store."""
