"""Deployments of the product for tenants (Kubernetes, any CI/CD by webhook)."""
