"""Plans: what tenants can subscribe to."""
