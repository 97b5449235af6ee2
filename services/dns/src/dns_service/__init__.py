"""DNS records of tenants: made, verified and removed at any provider."""
