"""Bringing tenants' schemas to a version, many at a time."""
