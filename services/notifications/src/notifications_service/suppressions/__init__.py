"""Addresses that are no longer sent everything."""
