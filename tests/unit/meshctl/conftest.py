"""A mesh on a real server, whose provisioning and tenants answer what a test tells them."""

import asyncio
from collections import deque
from contextlib import asynccontextmanager

import pytest

from chassis import Mode, ServerSettings, Servicer, running
from chassis.client import ClientSettings
from faults import NotFound, Unavailable
from meshctl import MeshSettings, open_mesh
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import (
    deprovision_requests_pb2,
    examination_requests_pb2,
    health_pb2,
    operation_pb2,
    operation_state_pb2,
    root_cause_pb2,
    step_pb2,
    tenant_requests_pb2,
)
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1 import provisioning_service_pb2_grpc as rpc
from tenantmesh.tenants.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    lead_pb2,
    lead_service_pb2,
    lead_service_pb2_grpc,
    plan_pb2,
    subscription_pb2,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
    tenant_pb2,
)
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc

TENANT = "0199a0b0-0000-7000-8000-000000000001"
OPERATION = f"provision-tenant-{TENANT}"
RUN = "0199a0b0-0000-7000-8000-00000000aaaa"
NEXT_RUN = "0199a0b0-0000-7000-8000-00000000bbbb"
STATES = operation_state_pb2.OperationState


def operation(state="RUNNING", percent=0, **more):
    return operation_pb2.Operation(
        **{
            "operation_id": OPERATION,
            "run_id": RUN,
            "kind": operation_pb2.OPERATION_KIND_PROVISION_TENANT,
            "tenant_id": TENANT,
            "tenant_key": "acme",
            "tier": tier_pb2.TIER_POOLED,
            "state": STATES.Value(f"OPERATION_STATE_{state}"),
            "percent": percent,
            **more,
        }
    )


def step(name, state, **more):
    return step_pb2.Step(name=name, state=step_pb2.Step.State.Value(f"STATE_{state}"), **more)


CAUSE = root_cause_pb2.RootCause(
    kind=root_cause_pb2.RootCause.KIND_DENIED,
    reason="ZONE_REFUSED",
    domain="dns.tenantmesh",
    message="the zone refuses changes",
    facts={"zone": "example"},
)
FAILED = operation(
    "FAILED",
    60,
    failed_step="dns_record",
    root_cause=CAUSE,
    steps=[
        step("schema", "UNDONE"),
        step("dns_record", "FAILED", attempt=3, cause=CAUSE),
        step("bucket", "LEFT_BEHIND", location="s3 bucket tenantmesh-acme", undo=step_pb2.Step.UNDO_LEFT_BEHIND),
    ],
)
SUCCEEDED = operation("SUCCEEDED", 100, steps=[step("schema", "DONE"), step("activate", "DONE", attempt=1)])
SUCCEEDED.provision_tenant.success = True
SUCCEEDED.provision_tenant.app_plane_url = "https://acme.example"


class Provisioning(rpc.ProvisioningServiceServicer):
    """Answers `now`, and streams `script`: operations, exceptions to break with, Events to wait for."""

    def __init__(self):
        self.requests = []
        self.now = operation()
        self.started = True
        self.script = deque()
        self.refusal = None
        self.pages = []

    def heard(self, request):
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        return request

    async def ProvisionTenant(self, request, _context):  # noqa: N802 - the contract's names, here and below
        self.heard(request)
        if request.validate_only:
            answer = tenant_requests_pb2.ProvisionTenantResponse()
            answer.plan.acceptable = True
            answer.plan.steps.add(name="schema", after=["validate"])
            return answer
        return tenant_requests_pb2.ProvisionTenantResponse(operation=self.now, started=self.started)

    async def SuspendTenant(self, request, _context):  # noqa: N802
        return tenant_requests_pb2.SuspendTenantResponse(operation=self.heard(request) and self.now, started=True)

    async def ExportTenant(self, request, _context):  # noqa: N802
        return tenant_requests_pb2.ExportTenantResponse(operation=self.heard(request) and self.now, started=True)

    async def DeployTenant(self, request, _context):  # noqa: N802
        return tenant_requests_pb2.DeployTenantResponse(operation=self.heard(request) and self.now, started=True)

    async def ResumeTenant(self, request, _context):  # noqa: N802
        return tenant_requests_pb2.ResumeTenantResponse(operation=self.heard(request) and self.now, started=True)

    async def DeprovisionTenant(self, request, _context):  # noqa: N802
        self.heard(request)
        return deprovision_requests_pb2.DeprovisionTenantResponse(operation=self.now, started=True)

    async def ConfirmDeprovision(self, request, _context):  # noqa: N802
        return deprovision_requests_pb2.ConfirmDeprovisionResponse(operation=self.heard(request) and self.now)

    async def UndoDeprovision(self, request, _context):  # noqa: N802
        return deprovision_requests_pb2.UndoDeprovisionResponse(operation=self.heard(request) and self.now)

    async def GetOperation(self, request, _context):  # noqa: N802
        return pb.GetOperationResponse(operation=self.heard(request) and self.now)

    async def ListOperations(self, request, _context):  # noqa: N802
        self.heard(request)
        number = int(request.page_token or 0)
        more = str(number + 1) if number + 1 < len(self.pages) else ""
        return pb.ListOperationsResponse(operations=self.pages[number], next_page_token=more)

    async def WatchOperation(self, request, _context):  # noqa: N802
        self.heard(request)
        while self.script:
            act = self.script.popleft()
            if isinstance(act, Exception):
                raise act
            if isinstance(act, asyncio.Event):
                await act.wait()
            elif act is None:
                yield pb.WatchOperationResponse(resume_token="alive")
            else:
                yield pb.WatchOperationResponse(operation=act, resume_token=f"after-{act.percent}")

    async def CancelOperation(self, request, _context):  # noqa: N802
        return pb.CancelOperationResponse(operation=self.heard(request) and self.now)

    async def RetryOperation(self, request, _context):  # noqa: N802
        self.heard(request)
        return pb.RetryOperationResponse(operation=operation(run_id=NEXT_RUN), started=True)

    async def ApproveOperation(self, request, _context):  # noqa: N802
        return pb.ApproveOperationResponse(operation=self.heard(request) and self.now)

    async def AmendOperation(self, request, _context):  # noqa: N802
        return pb.AmendOperationResponse(operation=self.heard(request) and self.now)

    async def ExplainTenant(self, request, _context):  # noqa: N802
        self.heard(request)
        answer = examination_requests_pb2.ExplainTenantResponse()
        answer.explanation.tenant_id = TENANT
        answer.explanation.tenant_key = "acme"
        answer.explanation.tenant_state = "PROVISION_FAILED"
        answer.explanation.headline = "It stopped at dns_record: the zone refuses changes"
        answer.explanation.operations.add().CopyFrom(FAILED)
        answer.explanation.advice.add(sentence="Let the zone take changes", command=f"meshctl ops retry {OPERATION}")
        return answer

    async def GetHealth(self, request, _context):  # noqa: N802
        self.heard(request)
        health = health_pb2.Health(status=health_pb2.Health.STATUS_DEGRADED, details="no worker on one queue")
        health.queues.add(name="identity", workers=0, backlog=3)
        health.dependencies.add(name="temporal", reachable=True)
        health.switches.add(name="ENABLE_PROVISIONING", enabled=False)
        return examination_requests_pb2.GetHealthResponse(health=health)


class Tenants(tenant_rpc.TenantServiceServicer):
    """Knows one tenant, `acme`."""

    def __init__(self):
        self.requests = []
        self.acme = tenant_pb2.Tenant(
            tenant_id=TENANT,
            key="acme",
            display_name="Acme \x1b[2J",
            state=tenant_pb2.TENANT_STATE_ACTIVE,
            tier=tier_pb2.TIER_POOLED,
            domains=["acme.example"],
        )

    def found(self, request, *, known):
        self.requests.append(request)
        if not known:
            message = "there is no tenant of that key"
            raise NotFound(message, reason="TENANT_NOT_FOUND", domain="tenants.tenantmesh")
        return self.acme

    async def GetTenant(self, request, _context):  # noqa: N802
        return tenant_pb.GetTenantResponse(tenant=self.found(request, known=request.tenant_id == TENANT))

    async def GetTenantByKey(self, request, _context):  # noqa: N802
        return tenant_pb.GetTenantByKeyResponse(tenant=self.found(request, known=request.key == "acme"))

    async def ListTenants(self, request, _context):  # noqa: N802
        self.requests.append(request)
        more = "" if request.page_token else "second"
        return tenant_pb.ListTenantsResponse(tenants=[self.acme], next_page_token=more)

    async def CreateTenant(self, request, _context):  # noqa: N802
        return tenant_pb.CreateTenantResponse(tenant=self.found(request, known=True))

    async def CheckTenantKey(self, request, _context):  # noqa: N802
        if request.key == "free":
            return tenant_pb.CheckTenantKeyResponse(available=True)
        taken = tenant_pb.CheckTenantKeyResponse.OBSTACLE_TAKEN
        return tenant_pb.CheckTenantKeyResponse(obstacle=taken, suggestions=["acme-2"])


class Plans(catalog_service_pb2_grpc.CatalogServiceServicer, subscription_service_pb2_grpc.SubscriptionServiceServicer):
    """Sells one plan, on two pages."""

    def __init__(self):
        self.requests = []

    async def ListPlans(self, request, _context):  # noqa: N802
        if not request.page_token:
            return catalog_service_pb2.ListPlansResponse(next_page_token="second")
        plan = plan_pb2.Plan(plan_id=TENANT, key="standard", display_name="Standard", tier=tier_pb2.TIER_POOLED)
        return catalog_service_pb2.ListPlansResponse(plans=[plan])

    async def CreateSubscription(self, request, _context):  # noqa: N802
        self.requests.append(request)
        made = subscription_pb2.Subscription(state=subscription_pb2.Subscription.STATE_ACTIVE)
        return subscription_service_pb2.CreateSubscriptionResponse(subscription=made)


class Leads(lead_service_pb2_grpc.LeadServiceServicer):
    """Takes in whoever comes."""

    def __init__(self, tenants):
        self.requests = []
        self.tenants = tenants

    async def CreateLead(self, request, _context):  # noqa: N802
        self.requests.append(request)
        return lead_service_pb2.CreateLeadResponse(lead_id=TENANT)

    async def VerifyLead(self, request, _context):  # noqa: N802
        self.requests.append(request)
        return lead_service_pb2.VerifyLeadResponse(lead_id=TENANT, token="the-token")

    async def ConvertLead(self, request, _context):  # noqa: N802
        self.requests.append(request)
        return lead_service_pb2.ConvertLeadResponse(tenant_id=TENANT, key="acme", tenant=self.tenants.acme)

    async def GetLead(self, request, _context):  # noqa: N802
        self.requests.append(request)
        lead = lead_pb2.Lead(lead_id=TENANT, email="ada@acme.example", state=lead_pb2.Lead.STATE_VERIFIED)
        return lead_service_pb2.GetLeadResponse(lead=lead)


class FakeMesh:
    def __init__(self):
        self.provisioning = Provisioning()
        self.tenants = Tenants()
        self.leads = Leads(self.tenants)
        self.plans = Plans()
        self.address = ""

    @asynccontextmanager
    async def served(self):
        servicers = [
            Servicer(rpc.add_ProvisioningServiceServicer_to_server, self.provisioning),
            Servicer(tenant_rpc.add_TenantServiceServicer_to_server, self.tenants),
            Servicer(lead_service_pb2_grpc.add_LeadServiceServicer_to_server, self.leads),
            Servicer(catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server, self.plans),
            Servicer(subscription_service_pb2_grpc.add_SubscriptionServiceServicer_to_server, self.plans),
        ]
        settings = ServerSettings(mode=Mode.DEVELOPMENT, host="127.0.0.1")
        async with running("mesh", servicers=servicers, resources=[], settings=settings) as server:
            self.address = server.address
            yield self

    @property
    def settings(self):
        return MeshSettings(address=self.address, client=ClientSettings(attempts=1))


@pytest.fixture
async def mesh():
    async with FakeMesh().served() as served:
        yield served


@pytest.fixture
async def client(mesh):
    async with open_mesh(mesh.settings) as client:
        yield client


@pytest.fixture
def away():
    return Unavailable("it restarts", reason="SHUTTING_DOWN", domain="tenantmesh")
