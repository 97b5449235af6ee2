"""Where the people of tenants sign in."""
