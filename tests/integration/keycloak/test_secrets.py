"""Everything a run leaves behind is searched for what only the hand-over may tell."""

import logging

import grpc
import pytest
from tests.fixtures.httpgateway import gateway_before
from tests.fixtures.identity import environment, made, serving
from tests.integration.keycloak.conftest import OPERATION, TIERS, Patient, claimed, keycloak_environment, somewhere

from tenantmesh.identity.v1 import organization_pb2, user_pb2

NEW_PASSWORD = "Another-horse-8-battery"


class Heard(logging.Handler):
    """Every record of every logger, with all that is attached to it."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []

    def emit(self, record):
        self.texts.append(f"{record.getMessage()} {vars(record)!r} {record.exc_text or ''}")


@pytest.fixture
def heard():
    root, handler = logging.getLogger(), Heard()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.texts
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("tier", TIERS)
async def test_no_secret_is_told_but_by_the_hand_over(postgres, keycloak, heard, tier):
    told, secrets = heard, {keycloak.client_secret}
    async with gateway_before(keycloak.url) as gateway:
        environ = await environment(postgres, **keycloak_environment(keycloak, KEYCLOAK_URL=gateway.url))
        async with serving(environ) as identity:
            where = somewhere(tier)
            email = f"ada@{where['tenant_key']}.example"
            calls = zip(
                ("EnsureOrganization", "EnsureClient", "EnsureUser"), made(where, email, OPERATION), strict=True
            )
            credentials = {}
            for name, request in calls:
                gateway.then("POST", "/organizations" if name == "EnsureOrganization" else "/clients", "lost")
                gateway.then("POST", "/users", "lost")
                for _ in range(3):  # until nothing is lost any more
                    try:
                        answer = await getattr(Patient(identity.stub), name)(request)
                    except grpc.aio.AioRpcError as error:
                        told.append(f"{error!r} {error.details()} {error.trailing_metadata()!r}")
                    else:
                        told.append(str(answer))
                        credentials[name] = getattr(answer, "credential_id", "")
                gateway.faults.clear()
            role = user_pb2.AssignRoleRequest(**where, operation_id=OPERATION, email=email, role="admin")
            told.append(str(await identity.stub.AssignRole(role)))
            lists = organization_pb2.ListOrganizationsRequest(page_size=500)
            told.append(str(await identity.stub.ListOrganizations(lists)))
            for name in ("EnsureClient", "EnsureUser"):
                secrets.add(await claimed(identity.stub, where, credentials[name]))
            secrets |= gateway.tokens
    told.append(keycloak.log.read_text())
    assert len(secrets) >= 4, "the admin's, the client's, the password, and a token at least"
    assert all(len(secret) >= 24 for secret in secrets)
    everything = "\n".join(told)
    assert where["tenant_key"] in everything, "it was heard"
    assert [len(secret) for secret in secrets if secret in everything] == []
