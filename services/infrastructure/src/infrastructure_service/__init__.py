"""Infrastructure stacks of tenants (HCP Terraform, OpenTofu)."""
