"""Organizations, clients, users and roles of tenants at an identity provider (Keycloak, Auth0, a local directory)."""
