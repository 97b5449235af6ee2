"""Subscriptions: what tenants have taken of the catalogue, and for how long."""
