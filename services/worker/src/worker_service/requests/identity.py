"""Requests to the identity service."""

from __future__ import annotations

from tenantmesh.identity.v1 import client_pb2 as clients
from tenantmesh.identity.v1 import organization_pb2 as organizations
from tenantmesh.identity.v1 import user_pb2 as users
from tenantmesh.provisioning.v1.provisioned_resource_pb2 import SYSTEM_IDENTITY
from worker_service.operation.run import Run

_CLIENT = "app"
_MOST_LETTERS = 100  # of a person's name, at the identity service


def organization(run: Run) -> organizations.EnsureOrganizationRequest:
    """A place to sign in."""
    return organizations.EnsureOrganizationRequest(
        **run.owned, display_name=run.tenant.display_name, domains=run.tenant.domains
    )


def keep_organization(run: Run, answer: organizations.EnsureOrganizationResponse) -> None:
    """Know the realm or organization."""
    made = answer.organization
    run.made.idp_provider = made.provider
    run.made.idp_organization_id = made.provider_organization_id or made.name
    run.record(SYSTEM_IDENTITY, "organization", made.provider, made.name, issuer=made.issuer, shard=made.shard)


def read_organization(run: Run) -> organizations.GetOrganizationRequest:
    """How it stands."""
    return organizations.GetOrganizationRequest(**run.identified)


def remove_organization(run: Run) -> organizations.DeleteOrganizationRequest:
    """None of this operation's."""
    return organizations.DeleteOrganizationRequest(**run.owned)


def let_in(run: Run) -> organizations.SetOrganizationEnabledRequest:
    """The tenant's people may sign in."""
    return organizations.SetOrganizationEnabledRequest(**run.identified, enabled=True)


def shut_out(run: Run) -> organizations.SetOrganizationEnabledRequest:
    """The tenant's people may not sign in."""
    return organizations.SetOrganizationEnabledRequest(**run.identified, enabled=False)


def client(run: Run) -> clients.EnsureClientRequest:
    """What the tenant's application signs people in with."""
    return clients.EnsureClientRequest(**run.owned, name=_CLIENT, domains=run.made.hostnames)


def keep_client(run: Run, answer: clients.EnsureClientResponse) -> None:
    """Know the client."""
    made = answer.client
    run.made.idp_client_id = made.client_id
    run.record(SYSTEM_IDENTITY, "client", made.provider, made.client_id, credential_id=answer.credential_id)


def read_client(run: Run) -> clients.GetClientRequest:
    """How it stands."""
    return clients.GetClientRequest(**run.identified, name=_CLIENT)


def remove_client(run: Run) -> clients.DeleteClientRequest:
    """None of this operation's."""
    return clients.DeleteClientRequest(**run.owned, name=_CLIENT)


def admin(run: Run) -> users.EnsureUserRequest:
    """The first administrator, with the staged password, or with one that waits to be claimed."""
    person = run.primary
    staged = run.input.admin_credential_id
    password = {"credential_id": staged} if staged else {"handover": users.PASSWORD_HANDOVER_CLAIM}
    return users.EnsureUserRequest(
        **run.owned,
        email=person.email,
        given_name=person.first_name[:_MOST_LETTERS],
        family_name=person.last_name[:_MOST_LETTERS],
        client_name=_CLIENT,
        **password,
    )


def keep_admin(run: Run, answer: users.EnsureUserResponse) -> None:
    """Know the administrator, and the credential that waits to be claimed."""
    made = answer.user
    run.made.admin_user_id = made.user_id
    run.record(SYSTEM_IDENTITY, "user", made.provider, made.user_id, credential_id=answer.credential_id)


def read_admin(run: Run) -> users.GetUserRequest:
    """How the administrator stands."""
    return users.GetUserRequest(**run.identified, email=run.primary.email)


def remove_admin(run: Run) -> users.DeleteUserRequest:
    """None of this operation's."""
    return users.DeleteUserRequest(**run.owned, email=run.primary.email)


def admin_role(run: Run) -> users.AssignRoleRequest:
    """The administrator administers."""
    return users.AssignRoleRequest(**run.owned, user_id=run.made.admin_user_id, role=run.installation.admin_role)
