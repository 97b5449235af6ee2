"""Visitors who want to become tenants."""
