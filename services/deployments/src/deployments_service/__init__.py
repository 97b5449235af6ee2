"""Deployments of the product for tenants, by any CI/CD that takes a signed call."""
