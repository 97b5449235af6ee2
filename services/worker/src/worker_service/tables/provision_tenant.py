"""The steps of ProvisionTenant."""

from __future__ import annotations

from typing import Any, Final

from tenantmesh.provisioning.v1.provisioned_resource_pb2 import (
    SYSTEM_DEPLOYMENTS,
    SYSTEM_DNS,
    SYSTEM_IDENTITY,
    SYSTEM_INFRASTRUCTURE,
    SYSTEM_STORAGE,
    SYSTEM_TENANTS,
)
from worker_service.activities.deployments import Deployments
from worker_service.activities.dns import Dns
from worker_service.activities.identity import Identity
from worker_service.activities.infrastructure import Infrastructure
from worker_service.activities.notifications import Notifications
from worker_service.activities.storage import Storage
from worker_service.activities.tenants import Tenants
from worker_service.operation.integrations import (
    DEPLOYMENTS,
    DNS,
    IDENTITY,
    INFRASTRUCTURE,
    NOTIFICATIONS,
    PROPAGATION,
    STORAGE,
    TENANTS,
)
from worker_service.operation.run import Run
from worker_service.operation.steps import Step
from worker_service.requests import identity, platform, storage, tenants


def _key(run: Run) -> str:
    return run.tenant.key


def _hosts(run: Run) -> str:
    return ", ".join(run.made.hostnames)


def _read(run: Run, answer: Any) -> None:
    tenants.keep_tenant(run, answer)
    platform.name_hosts(run)


def _without_infrastructure(run: Run) -> str:
    return "" if run.input.infrastructure else "Neither tier nor plan ask for infrastructure."


def _without_approval(run: Run) -> str:
    return _without_infrastructure(run) or ("" if run.input.require_approval else "Nobody has to approve it.")


def _without_app(run: Run) -> str:
    return "" if run.installation.app else "No application is deployed here."


def _without_name(run: Run) -> str:
    named = run.made.hostnames and run.installation.dns_targets
    return "" if named else "No names are made here."


STEPS: Final = (
    Step("validate", TENANTS.call(Tenants.get_tenant, tenants.get), keep=_read, always=True),
    Step(
        "mark_provisioning",
        TENANTS.call(Tenants.transition_tenant, tenants.begin),
        after=("validate",),
        keep=tenants.keep_tenant,
        undo=(TENANTS.undo(Tenants.transition_tenant, tenants.give_up),),
        thing=(SYSTEM_TENANTS, "tenant"), called=_key, always=True,
    ),
    Step(
        "organization",
        IDENTITY.call(Identity.ensure_organization, identity.organization),
        after=("mark_provisioning",),
        keep=identity.keep_organization,
        undo=(IDENTITY.undo(Identity.delete_organization, identity.remove_organization),),
        back=IDENTITY.undo(Identity.get_organization, identity.read_organization),
        thing=(SYSTEM_IDENTITY, "organization"), called=_key,
    ),
    Step(
        "client",
        IDENTITY.call(Identity.ensure_client, identity.client),
        after=("organization",),
        keep=identity.keep_client,
        undo=(IDENTITY.undo(Identity.delete_client, identity.remove_client),),
        back=IDENTITY.undo(Identity.get_client, identity.read_client),
        thing=(SYSTEM_IDENTITY, "client"), called=_key,
    ),
    Step(
        "admin_user",
        IDENTITY.call(Identity.ensure_user, identity.admin),
        after=("client",),
        keep=identity.keep_admin,
        undo=(IDENTITY.undo(Identity.delete_user, identity.remove_admin),),
        back=IDENTITY.undo(Identity.get_user, identity.read_admin),
        thing=(SYSTEM_IDENTITY, "user"), called=_key,
    ),
    Step(
        "admin_role",
        IDENTITY.call(Identity.assign_role, identity.admin_role),
        after=("admin_user",),
        goes_with="admin_user",
    ),
    Step(
        "schema",
        STORAGE.call(Storage.ensure_schema, storage.schema),
        after=("mark_provisioning",),
        keep=storage.keep_schema,
        undo=(STORAGE.undo(Storage.delete_schema, storage.remove_schema),),
        back=STORAGE.undo(Storage.get_schema, storage.read_schema),
        thing=(SYSTEM_STORAGE, "schema"), called=_key,
    ),
    Step(
        "seed",
        STORAGE.call(Storage.seed_schema, storage.seed),
        after=("schema",),
        goes_with="schema",
    ),
    Step(
        "bucket",
        STORAGE.call(Storage.ensure_bucket, storage.bucket),
        after=("mark_provisioning",),
        keep=storage.keep_bucket,
        undo=(
            STORAGE.undo(Storage.empty_bucket, storage.empty_bucket),
            STORAGE.undo(Storage.delete_bucket, storage.remove_bucket),
        ),
        back=STORAGE.undo(Storage.get_bucket, storage.read_bucket),
        thing=(SYSTEM_STORAGE, "bucket"), called=_key,
    ),
    Step("approval", None, after=("mark_provisioning",), needless=_without_approval),
    Step(
        "infrastructure",
        INFRASTRUCTURE.call(Infrastructure.ensure_stack, platform.stack),
        after=("approval",),
        keep=platform.keep_stack,
        undo=(INFRASTRUCTURE.undo(Infrastructure.delete_stack, platform.remove_stack),),
        back=INFRASTRUCTURE.undo(Infrastructure.get_stack, platform.read_stack),
        thing=(SYSTEM_INFRASTRUCTURE, "stack"), called=platform.stack_name, needless=_without_infrastructure,
    ),
    Step(
        "deployment",
        DEPLOYMENTS.call(Deployments.ensure_deployment, platform.deployment),
        after=("admin_role", "seed", "bucket", "infrastructure"),
        keep=platform.keep_deployment,
        undo=(DEPLOYMENTS.undo(Deployments.delete_deployment, platform.remove_deployment),),
        back=DEPLOYMENTS.undo(Deployments.get_deployment, platform.read_deployment),
        thing=(SYSTEM_DEPLOYMENTS, "deployment"), called=_key, needless=_without_app,
    ),
    Step(
        "dns_record",
        DNS.call(Dns.ensure_record, platform.records),
        after=("deployment",),
        keep=platform.keep_record,
        undo=(DNS.undo(Dns.delete_record, platform.remove_records),),
        back=DNS.undo(Dns.get_record, platform.read_records),
        thing=(SYSTEM_DNS, "dns_record"), called=_hosts, needless=_without_name,
    ),
    Step(
        "dns_verified",
        DNS.call(Dns.verify_record, platform.verify_records, preset=PROPAGATION),
        after=("dns_record",),
        goes_with="dns_record", needless=_without_name,
    ),
    Step(
        "resource_records",
        TENANTS.call(Tenants.record_resources, tenants.record),
        after=("dns_verified",),
        undo=(TENANTS.undo(Tenants.remove_resources, tenants.forget),),
        thing=(SYSTEM_TENANTS, "records"), called=_key,
    ),
    Step(
        "activate",
        TENANTS.call(Tenants.transition_tenant, tenants.activate),
        after=("resource_records",),
        back=TENANTS.undo(Tenants.get_tenant, tenants.get), stands=tenants.is_active,
        final=True,
    ),
    Step(
        "welcome",
        NOTIFICATIONS.call(Notifications.send_notification, platform.welcome),
        after=("activate",),
        keep=platform.keep_message,
        optional=True,
    ),
)  # fmt: skip

REGRET: Final = NOTIFICATIONS.call(Notifications.send_notification, platform.regret)
