"""Requests to the services that a tenant's application stands on: infrastructure, deployments, dns, notifications."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from tenantmesh.deployments.v1 import deployment_service_pb2 as deployments
from tenantmesh.dns.v1 import dns_service_pb2 as dns
from tenantmesh.dns.v1 import record_pb2
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2 as infrastructure
from tenantmesh.notifications.v1 import delivery_pb2 as notifications
from tenantmesh.notifications.v1 import recipient_pb2
from tenantmesh.provisioning.v1.provisioned_resource_pb2 import SYSTEM_DEPLOYMENTS, SYSTEM_DNS, SYSTEM_INFRASTRUCTURE
from worker_service.operation.run import Run


def stack_name(run: Run) -> str:
    """What a tenant's stack is called."""
    return f"tenant-{run.tenant.key}"


def stack(run: Run) -> infrastructure.EnsureStackRequest:
    """What the application runs on."""
    return infrastructure.EnsureStackRequest(
        tenant_id=run.tenant.tenant_id,
        operation_id=run.operation_id,
        name=stack_name(run),
        tier=run.tenant.tier,
        variables={"tenant_key": run.tenant.key},
    )


def keep_stack(run: Run, answer: infrastructure.EnsureStackResponse) -> None:
    """Know the stack."""
    made = answer.stack
    run.made.stack_name = made.name
    run.record(SYSTEM_INFRASTRUCTURE, "stack", made.provider, made.name, template=made.template)


def read_stack(run: Run) -> infrastructure.GetStackRequest:
    """How it stands."""
    return infrastructure.GetStackRequest(tenant_id=run.tenant.tenant_id, name=stack_name(run))


def remove_stack(run: Run) -> infrastructure.DeleteStackRequest:
    """None of this operation's."""
    return infrastructure.DeleteStackRequest(
        tenant_id=run.tenant.tenant_id, name=stack_name(run), operation_id=run.operation_id
    )


def deployment(run: Run) -> deployments.EnsureDeploymentRequest:
    """The application, told where its things are."""
    made = run.made
    known = {
        "TENANT_ID": run.tenant.tenant_id,
        "TENANT_KEY": run.tenant.key,
        "IDP_CLIENT_ID": made.idp_client_id,
        "DATABASE_SCHEMA": made.schema_name,
        "STORAGE_BUCKET": made.storage_bucket,
        "STORAGE_PREFIX": made.storage_prefix,
    }
    return deployments.EnsureDeploymentRequest(
        tenant_id=run.tenant.tenant_id,
        operation_id=run.operation_id,
        app=run.installation.app,
        tier=run.tenant.tier,
        hostnames=made.hostnames,
        settings={name: value for name, value in known.items() if value},
    )


def keep_deployment(run: Run, answer: deployments.EnsureDeploymentResponse) -> None:
    """Know where the application serves."""
    made = answer.deployment
    run.made.app, run.made.version = made.app, made.version
    run.made.app_plane_url = made.app_url or run.made.app_plane_url
    run.made.admin_portal_url = made.admin_url or run.made.admin_portal_url
    run.record(SYSTEM_DEPLOYMENTS, "deployment", made.provider, made.app, version=made.version, url=made.app_url)


def read_deployment(run: Run) -> deployments.GetDeploymentRequest:
    """How it stands."""
    return deployments.GetDeploymentRequest(tenant_id=run.tenant.tenant_id, app=run.installation.app)


def remove_deployment(run: Run) -> deployments.DeleteDeploymentRequest:
    """None of this operation's."""
    return deployments.DeleteDeploymentRequest(
        tenant_id=run.tenant.tenant_id, app=run.installation.app, operation_id=run.operation_id
    )


def name_hosts(run: Run) -> None:
    """Settle the names the tenant will be found by, unless they were given."""
    if run.installation.zone and not run.made.hostnames:
        run.made.hostnames.append(f"{run.tenant.key}.{run.installation.zone}")
    for host in list(run.made.hostnames)[:1]:
        run.made.app_plane_url = f"https://{host}"
        run.made.admin_portal_url = f"https://{host}/admin"


def records(run: Run) -> Sequence[dns.EnsureRecordRequest]:
    """The names, pointing to where tenants are served."""
    return _pointing(run, run.installation.dns_targets)


def suspended_records(run: Run) -> Sequence[dns.EnsureRecordRequest]:
    """The names, pointing to where it is said that the tenant is suspended."""
    return _pointing(run, run.installation.suspended_targets)


def keep_record(run: Run, answer: dns.EnsureRecordResponse) -> None:
    """Know a name."""
    made = answer.record
    run.record(SYSTEM_DNS, "dns_record", made.provider, made.name, zone=made.zone)


def read_records(run: Run) -> Sequence[dns.GetRecordRequest]:
    """How the names stand."""
    return [dns.GetRecordRequest(tenant_id=run.tenant.tenant_id, name=name, type=_type(run)) for name in _names(run)]


def remove_records(run: Run) -> Sequence[dns.DeleteRecordRequest]:
    """None of this operation's."""
    return [
        dns.DeleteRecordRequest(
            tenant_id=run.tenant.tenant_id, name=name, type=_type(run), operation_id=run.operation_id
        )
        for name in _names(run)
    ]


def verify_records(run: Run) -> Sequence[dns.VerifyRecordRequest]:
    """Every server answers the names."""
    return [
        dns.VerifyRecordRequest(
            tenant_id=run.tenant.tenant_id, name=name, type=_type(run), patience=run.installation.dns_patience
        )
        for name in _names(run)
    ]


def welcome(run: Run) -> notifications.SendNotificationRequest:
    """Tell the administrator where to sign in."""
    return message(
        run, "welcome", tenant_name=run.tenant.display_name, login_url=run.made.app_plane_url,
        admin_email=run.primary.email,
    )  # fmt: skip


def regret(run: Run) -> notifications.SendNotificationRequest:
    """Tell the administrator that it did not work."""
    return message(
        run, "provisioning-failed", tenant_name=run.tenant.display_name, failed_step=run.failed_step.replace("_", " "),
        reference=run.operation_id,
    )  # fmt: skip


def message(run: Run, template: str, **variables: str) -> notifications.SendNotificationRequest:
    """A message to whoever administers the tenant."""
    person = run.primary
    return notifications.SendNotificationRequest(
        tenant_id=run.tenant.tenant_id,
        request_id=run.request_id(template),
        operation_id=run.operation_id,
        template_id=template,
        recipients=[
            recipient_pb2.Recipient(email=person.email, display_name=f"{person.first_name} {person.last_name}"[:200])
        ],
        variables={"first_name": person.first_name, **{name: value for name, value in variables.items() if value}},
    )


def keep_message(run: Run, answer: notifications.SendNotificationResponse) -> None:
    """Know whether it was handed over."""
    run.found["delivery_id"] = answer.delivery.delivery_id
    run.found["delivered"] = any(recipient.delivered for recipient in answer.recipients)


def _names(run: Run) -> Sequence[str]:
    return list(run.made.hostnames)


def _pointing(run: Run, targets: Iterable[str]) -> Sequence[dns.EnsureRecordRequest]:
    return [
        dns.EnsureRecordRequest(
            tenant_id=run.tenant.tenant_id,
            operation_id=run.operation_id,
            name=name,
            type=_type(run),
            values=list(targets),
        )
        for name in _names(run)
    ]


def _type(run: Run) -> record_pb2.RecordType.ValueType:
    """The kind of record that leads to where tenants are served."""
    try:
        version = ipaddress.ip_address(run.installation.dns_targets[0]).version
    except ValueError:
        return record_pb2.RECORD_TYPE_CNAME
    return record_pb2.RECORD_TYPE_A if version == 4 else record_pb2.RECORD_TYPE_AAAA  # noqa: PLR2004 - the protocol's
