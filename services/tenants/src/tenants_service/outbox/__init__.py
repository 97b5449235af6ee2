"""Accepted requests to work on tenants, kept until they are started: none is lost while the workflow engine is away."""
