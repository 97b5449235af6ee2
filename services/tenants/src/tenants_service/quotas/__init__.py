"""Quotas: how much tenants may use, and how much they do."""
