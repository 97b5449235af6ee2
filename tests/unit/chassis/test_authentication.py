import json

import grpc
import pytest
from tests.fixtures.identities import Authority, Issuer
from tests.fixtures.worlds import TENANT, refused, serving

from chassis import AuthSettings, Mode, TlsSettings
from chassis.authentication import DEVELOPMENT, Authenticator, identity_of
from chassis.interceptors.call import Call
from chassis.policy import Policy
from faults import Kind, Unauthenticated

OTHER_TENANT = "0199a0b0-0000-7000-8000-000000000002"
WORKER, AGENT, GATEWAY = "spiffe://tenantmesh/worker", "spiffe://tenantmesh/agent", "spiffe://tenantmesh/gateway"


class Files:
    """Everything a server of production needs, in a folder."""

    def __init__(self, folder):
        self.folder, self.issuer, self.authority = folder, Issuer(), Authority()
        (folder / "jwks.json").write_bytes(self.issuer.jwks())
        (folder / "ca.crt").write_bytes(self.authority.certificate)
        entries = [
            {"identity": WORKER, "permissions": ["dns.*"]},
            {"identity": AGENT, "permissions": ["dns.records.read"], "tenant_id": TENANT},
            {"identity": "by-name", "permissions": ["dns.records.read"]},
            {"identity": GATEWAY, "permissions": []},
        ]
        (folder / "policy.json").write_text(json.dumps({"identities": entries}))
        cert, key = self.authority.issue("dns").write(folder)
        self.tls = TlsSettings(cert_file=cert, key_file=key, client_ca_file=folder / "ca.crt")
        self.tokens = {
            "jwks": str(folder / "jwks.json"),
            "issuer": Issuer.issuer,
            "audience": Issuer.audience,
        }

    def client(self, name, uri=""):
        identity = self.authority.issue(name, uri=uri, hosts=())
        return grpc.ssl_channel_credentials(self.authority.certificate, identity.key, identity.certificate)

    def by_certificate(self, credentials, **auth):
        settings = AuthSettings(policy_file=self.folder / "policy.json", **auth)
        return serving(mode=Mode.PRODUCTION, tls=self.tls, auth=settings, credentials=credentials)

    def by_token(self):
        return serving(mode=Mode.PRODUCTION, auth=AuthSettings(**self.tokens))

    def bearer(self, **claims):
        return [("authorization", f"Bearer {self.issuer.token(**{'scope': 'dns.*', **claims})}")]


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


async def test_a_certificate_says_who_calls(files):
    async with files.by_certificate(files.client("worker", WORKER)) as world:
        await world.get()
        await world.get()
        assert {facts.principal.name for facts in world.handlers.facts} == {WORKER}


async def test_without_a_spiffe_id_its_common_name_does(files):
    async with files.by_certificate(files.client("by-name")) as world:
        await world.get()
        assert world.handlers.facts[0].principal.name == "by-name"


async def test_an_identity_the_policy_does_not_name_is_refused(files):
    async with files.by_certificate(files.client("stranger", "spiffe://tenantmesh/stranger")) as world:
        fault = await refused(world.get())
    assert (fault.kind, fault.reason) == (Kind.UNAUTHENTICATED, "IDENTITY_UNKNOWN")
    assert fault.facts["identity"] == "spiffe://tenantmesh/stranger"


async def test_without_a_certificate_there_is_no_connection(files):
    async with files.by_certificate(grpc.ssl_channel_credentials(files.authority.certificate)) as world:
        assert (await refused(world.get(timeout=5))).kind is Kind.UNAVAILABLE


async def test_nor_with_one_of_another_authority(files):
    identity = Authority().issue("worker", uri=WORKER)
    forged = grpc.ssl_channel_credentials(files.authority.certificate, identity.key, identity.certificate)
    async with files.by_certificate(forged) as world:
        assert (await refused(world.get(timeout=5))).kind is Kind.UNAVAILABLE


async def test_a_token_says_who_calls(files):
    async with files.by_token() as world:
        await world.get(metadata=files.bearer(sub="alice"))
        assert world.handlers.facts[0].principal.name == "alice"


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ([], "CREDENTIALS_MISSING"),
        ([("authorization", "Basic YTpi")], "CREDENTIALS_MISSING"),
        ([("authorization", "")], "CREDENTIALS_MISSING"),
        ([("authorization", "Bearer ")], "TOKEN_INVALID"),
        ([("authorization", "bearer nonsense")], "TOKEN_INVALID"),
        ([("authorization-bin", b"\xff")], "CREDENTIALS_MISSING"),
    ],
)
async def test_without_a_good_one_the_call_is_refused(files, credentials, reason):
    async with files.by_token() as world:
        fault = await refused(world.get(metadata=credentials))
    assert (fault.kind, fault.reason, fault.domain) == (Kind.UNAUTHENTICATED, reason, "tenantmesh")
    assert not world.handlers.requests


async def test_an_expired_one_is_told_so(files):
    async with files.by_token() as world:
        assert (await refused(world.get(metadata=files.bearer(exp=1)))).reason == "TOKEN_EXPIRED"


async def test_a_token_wins_over_the_certificate_it_came_through(files):
    async with files.by_certificate(files.client("gateway", GATEWAY), **files.tokens) as world:
        await world.get(metadata=files.bearer(sub="alice"))
        assert world.handlers.facts[0].principal.name == "alice"
        assert (await refused(world.get())).reason == "PERMISSION_MISSING"  # the gateway's own
        assert (await refused(world.get(metadata=[("authorization", "Bearer x")]))).reason == "TOKEN_INVALID"


async def test_development_lets_in_who_shows_nothing_and_believes_no_wrong_token(files):
    auth = AuthSettings(**files.tokens, development=True)
    async with serving(auth=auth) as world:
        await world.get()
        assert world.handlers.facts[0].principal is DEVELOPMENT
        assert (await refused(world.get(metadata=[("authorization", "Bearer x")]))).reason == "TOKEN_INVALID"


async def test_in_development_an_unknown_certificate_is_no_obstacle(files):
    settings = AuthSettings(policy_file=files.folder / "policy.json", development=True)
    credentials = files.client("stranger")
    async with serving(tls=files.tls, auth=settings, credentials=credentials) as world:
        await world.get()
        assert world.handlers.facts[0].principal is DEVELOPMENT


async def test_a_tenant_s_agent_may_ask_about_its_tenant_alone(files):
    async with files.by_certificate(files.client("agent", AGENT)) as world:
        await world.get()
        fault = await refused(world.get(tenant=OTHER_TENANT))
    assert (fault.kind, fault.reason) == (Kind.DENIED, "TENANT_MISMATCH")
    assert fault.facts == {
        "method": "/tenantmesh.dns.v1.DnsService/GetRecord",
        "tenant_id": OTHER_TENANT,
        "principal": AGENT,
    }


class Connection:
    """A context of a connection that shows these names."""

    def __init__(self, peer, names, **facts):
        self._peer, self._names, self._facts, self.described = peer, names, facts, 0

    def peer(self):
        return self._peer

    def peer_identities(self):
        return self._names

    def auth_context(self):
        self.described += 1
        return {name: [value] for name, value in self._facts.items()}


def test_a_connection_is_described_once_and_many_fill_no_memory(method):
    policy = type("Fixed", (), {"value": lambda _: Policy({"identities": [{"identity": "*", "permissions": ["*"]}]})})()
    callers = Authenticator(policy=policy)
    one = Connection("ipv4:1.2.3.4:5", [b"a"], x509_common_name=b"a")
    for _ in range(3):
        assert callers.known(Call(method, b"", one, {}, None)).name == "a"
    assert one.described == 1
    for number in range(5000):
        other = Connection(f"ipv4:1.2.3.4:{number}", [b"b"], x509_common_name=b"b")
        assert callers.known(Call(method, b"", other, {}, None)).name == "b"
    assert len(callers._identities) <= 4096


def test_a_connection_that_shows_nothing_is_nobody(method):
    assert identity_of(Connection("unix:", None)) == ""
    policy = type("Fixed", (), {"value": lambda _: Policy({"identities": []})})()
    with pytest.raises(Unauthenticated):
        Authenticator(policy=policy).known(Call(method, b"", Connection("unix:", None), {}, None))
