"""By what the people of tenants are signed in."""
