"""What was made for tenants, and where it is."""
