"""Invitations of people to tenants."""
