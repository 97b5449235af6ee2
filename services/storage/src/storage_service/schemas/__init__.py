"""Places for the rows of tenants: schemas with roles of their own, and rows in the shared schema."""
