"""Buckets and database schemas of tenants, isolated by tier."""
