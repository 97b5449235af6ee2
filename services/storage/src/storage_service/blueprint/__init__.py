"""What a tenant's schema is made of: its migrations, and the templates it is first filled from."""
