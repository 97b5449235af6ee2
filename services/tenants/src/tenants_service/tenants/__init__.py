"""Tenants: who they are, how they stand, and what they are called everywhere."""
