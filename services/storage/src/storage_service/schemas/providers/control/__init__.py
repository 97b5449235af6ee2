"""Tables of the mesh in each database that holds tenants' places."""
