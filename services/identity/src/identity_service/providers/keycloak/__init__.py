"""Keycloak: a realm for each silo or bridge tenant, an Organization in the shared realm for each pooled one."""

from identity_service.providers.keycloak.provider import KeycloakProvider

__all__ = ["KeycloakProvider"]
