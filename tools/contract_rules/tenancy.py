"""The rule that a request names its tenant, and the requests that have none to name."""

from __future__ import annotations

from collections.abc import Iterator

from .reading import Contracts

# The RPCs whose requests are about no tenant, each with the reason. Everything else carries tenant_id.
WITHOUT_TENANT: dict[str, str] = {
    "tenantmesh.identity.v1.IdentityService.ClaimCredential": "the claim token alone says whose it is",
    "tenantmesh.identity.v1.IdentityService.ListShards": "shards belong to the operators",
    "tenantmesh.notifications.v1.NotificationService.GetTemplate": "templates belong to the operators",
    "tenantmesh.notifications.v1.NotificationService.ListTemplates": "templates belong to the operators",
    "tenantmesh.notifications.v1.NotificationService.ReportDelivery": "a provider does not know whose its messages are",
    "tenantmesh.notifications.v1.NotificationService.Unsubscribe": "the token alone says whose it is",
    "tenantmesh.storage.v1.BucketService.ClaimCredentials": "the claim token alone says whose it is",
    "tenantmesh.storage.v1.SchemaService.ClaimSchemaPassword": "the claim token alone says whose it is",
    "tenantmesh.storage.v1.SchemaService.ListDatabaseServers": "servers belong to the operators",
    "tenantmesh.provisioning.v1.ProvisioningService.GetHealth": "health is the mesh's, not a tenant's",
    "tenantmesh.tenants.v1.CatalogService.ArchivePlan": "plans belong to the operators",
    "tenantmesh.tenants.v1.CatalogService.CreatePlan": "plans belong to the operators",
    "tenantmesh.tenants.v1.CatalogService.GetPlan": "plans belong to the operators",
    "tenantmesh.tenants.v1.CatalogService.ListPlans": "plans belong to the operators",
    "tenantmesh.tenants.v1.CatalogService.UpdatePlan": "plans belong to the operators",
    "tenantmesh.tenants.v1.InvitationService.AcceptInvitation": "the token alone says whose it is",
    "tenantmesh.tenants.v1.InvitationService.ValidateInvitation": "the token alone says whose it is",
    "tenantmesh.tenants.v1.LeadService.ConvertLead": "a lead comes before its tenant",
    "tenantmesh.tenants.v1.LeadService.CreateLead": "a lead comes before its tenant",
    "tenantmesh.tenants.v1.LeadService.GetLead": "a lead comes before its tenant",
    "tenantmesh.tenants.v1.LeadService.GetSigningKeys": "the keys are the service's",
    "tenantmesh.tenants.v1.LeadService.ListLeads": "a lead comes before its tenant",
    "tenantmesh.tenants.v1.LeadService.ResendLeadKey": "a lead comes before its tenant",
    "tenantmesh.tenants.v1.LeadService.VerifyLead": "a lead comes before its tenant",
    "tenantmesh.tenants.v1.OutboxService.ClaimOutboxEntries": "a dispatcher takes what is due, whoever's it is",
    "tenantmesh.tenants.v1.TenantService.CheckTenantKey": "asks about a key that has no tenant yet",
    "tenantmesh.tenants.v1.TenantService.GetTenantByDomain": "finds out which tenant it is about",
    "tenantmesh.tenants.v1.TenantService.GetTenantByKey": "finds out which tenant it is about",
    "tenantmesh.tenants.v1.TenantService.ListTenants": "lists every tenant, which only an operator may",
}


def request_names_its_tenant(contracts: Contracts) -> Iterator[str]:
    """A request carries tenant_id, so that one interceptor can check whose it is."""
    methods = {method.name: method for method in contracts.methods}
    for name, method in methods.items():
        carries = "tenant_id" in contracts.request_of(method)
        if name in WITHOUT_TENANT and carries:
            yield f"{name}: carries tenant_id and stands in WITHOUT_TENANT all the same"
        elif name not in WITHOUT_TENANT and not carries:
            yield f"{name}: its request has no tenant_id; if it is about no tenant, say why in WITHOUT_TENANT"
    packages = {file.package for file in contracts.files}
    for name in WITHOUT_TENANT.keys() - methods.keys():
        if name.rpartition(".")[0].rpartition(".")[0] in packages:
            yield f"{name}: stands in WITHOUT_TENANT and is no RPC"
