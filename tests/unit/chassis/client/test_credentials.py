import asyncio
import logging

import grpc
import pytest
from tests.fixtures.identities import Authority

from chassis import reloading
from chassis.client import ClientSettings, ClientTlsSettings, credentials, open_channel
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

WORKER, STORAGE = "spiffe://tenantmesh/worker", "spiffe://tenantmesh/storage"


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.crt"
    path.write_bytes(authority.certificate)
    return path


@pytest.fixture
def serve_tls(serve, authority):
    async def serve_one(*, mutual=False):
        identity = authority.issue("dns")
        return await serve(
            credentials=grpc.ssl_server_credentials(
                [(identity.key, identity.certificate)],
                root_certificates=authority.certificate if mutual else None,
                require_client_auth=mutual,
            )
        )

    return serve_one


def get(channel, name=""):
    return rpc.DnsServiceStub(channel).GetRecord(pb.GetRecordRequest(name=name))


def tls(**kwargs):
    return ClientSettings(attempts=1, tls=ClientTlsSettings(server_name="localhost", **kwargs))


async def unavailable(channel):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(channel)
    return caught.value.code() is grpc.StatusCode.UNAVAILABLE


# -------------------------------------------------------------------------------------------------------- certificates


async def test_a_server_is_believed_when_our_authority_issued_its_certificate(serve_tls, ca_file):
    server = await serve_tls()
    async with open_channel(server.address, settings=tls(ca_file=ca_file)) as channel:
        assert await get(channel) == pb.GetRecordResponse()


async def test_and_not_when_another_did(serve_tls, tmp_path):
    server = await serve_tls()
    other = tmp_path / "other.crt"
    other.write_bytes(Authority().certificate)
    async with open_channel(server.address, settings=tls(ca_file=other)) as channel:
        assert await unavailable(channel)
    assert not server.servicer.calls


async def test_nor_when_it_is_for_another_name(serve_tls, ca_file):
    server = await serve_tls()
    settings = ClientSettings(attempts=1, tls=ClientTlsSettings(ca_file=ca_file, server_name="elsewhere"))
    async with open_channel(server.address, settings=settings) as channel:
        assert await unavailable(channel)


async def test_nor_by_the_system_s_authorities(serve_tls):
    server = await serve_tls()
    async with open_channel(server.address, settings=tls(enabled=True)) as channel:
        assert await unavailable(channel)


async def test_a_server_that_asks_who_we_are_is_told(serve_tls, authority, ca_file, tmp_path):
    server = await serve_tls(mutual=True)
    cert, key = authority.issue("worker", uri=WORKER).write(tmp_path / "worker")
    async with open_channel(server.address, settings=tls(ca_file=ca_file, cert_file=cert, key_file=key)) as channel:
        await get(channel)
    async with open_channel(server.address, settings=tls(ca_file=ca_file)) as channel:
        assert await unavailable(channel)


async def test_files_that_do_not_belong_together_are_refused_at_once(authority, ca_file, tmp_path):
    cert, _ = authority.issue("worker").write(tmp_path / "one")
    _, key = authority.issue("worker").write(tmp_path / "two")
    with pytest.raises(ValueError, match="belong together"):
        async with open_channel("localhost:1", settings=tls(ca_file=ca_file, cert_file=cert, key_file=key)):
            pass


class Watched:
    """A server that notes who called, and lets a test look at once at files that changed."""

    def __init__(self, server):
        self.server, self.address, self.callers = server, server.address, []
        note = server.servicer._note

        def noted(context):
            note(context)
            self.callers += [each.decode() for each in context.auth_context().get("peer_spiffe_id", [])]

        server.servicer._note = noted


@pytest.fixture
def no_pause(monkeypatch):
    """Changed files are seen at the next call, not within a second."""
    monkeypatch.setattr(reloading.Reloading.__init__, "__kwdefaults__", {"pause": 0})


@pytest.mark.usefixtures("no_pause")
async def test_a_new_certificate_is_shown_to_the_next_connection_and_calls_over_the_old_one_finish(
    serve_tls, authority, ca_file, tmp_path
):
    watched = Watched(await serve_tls(mutual=True))
    servicer = watched.server.servicer
    cert, key = authority.issue("worker", uri=WORKER).write(tmp_path / "me")
    async with open_channel(watched.address, settings=tls(ca_file=ca_file, cert_file=cert, key_file=key)) as channel:
        stub = rpc.DnsServiceStub(channel)
        slow = stub.GetRecord(pb.GetRecordRequest(name="slow"))
        await servicer.waiting.wait()
        authority.issue("storage", uri=STORAGE).write(tmp_path / "me")
        await stub.GetRecord(pb.GetRecordRequest())
        await stub.GetRecord(pb.GetRecordRequest())
        servicer.go.set()
        assert await slow == pb.GetRecordResponse()
    assert watched.callers == [WORKER, STORAGE, STORAGE]
    assert len({call["peer"] for call in servicer.calls}) == 2


@pytest.mark.usefixtures("no_pause")
async def test_files_that_are_broken_change_nothing(serve_tls, authority, ca_file, tmp_path, caplog):
    server = await serve_tls(mutual=True)
    cert, key = authority.issue("worker").write(tmp_path / "me")
    async with open_channel(server.address, settings=tls(ca_file=ca_file, cert_file=cert, key_file=key)) as channel:
        await get(channel)
        cert.write_bytes(b"half a certif")
        with caplog.at_level(logging.CRITICAL):
            await get(channel)
    assert len({call["peer"] for call in server.servicer.calls}) == 1


# --------------------------------------------------------------------------------------------------------------- tokens


def sent(server):
    return [call["metadata"].get("authorization") for call in server.servicer.calls]


@pytest.mark.usefixtures("no_pause")
async def test_the_token_of_a_file_is_sent_and_so_is_the_next_one(server, tmp_path):
    path = tmp_path / "token"
    path.write_text("first\n")
    async with open_channel(server.address, settings=ClientSettings(token_file=path)) as channel:
        await get(channel)
        path.write_text("second, longer\n")
        await get(channel)
    assert sent(server) == ["Bearer first", "Bearer second, longer"]


async def test_a_provider_is_asked_before_the_first_call_and_now_and_then(server, monkeypatch):
    monkeypatch.setattr(credentials, "_REFRESH", 0.01)
    asked = asyncio.Queue()

    async def token():
        await asked.put(None)
        return f"token-{asked.qsize()}"

    async with open_channel(server.address, token=token) as channel:
        await get(channel)
        async with asyncio.timeout(5):
            while asked.qsize() < 3:  # noqa: ASYNC110 - the queue only counts
                await asyncio.sleep(0.01)
        await get(channel)
    first, second = sent(server)
    assert first.startswith("Bearer token-")
    assert first != second


async def test_a_provider_that_fails_later_costs_nothing_yet(server, monkeypatch, caplog):
    monkeypatch.setattr(credentials, "_REFRESH", 0.01)
    asked = []

    async def token():
        asked.append(None)
        if len(asked) > 1:
            msg = "the issuer said: secret"
            raise OSError(msg)
        return "token"

    async with open_channel(server.address, token=token) as channel:
        async with asyncio.timeout(5):
            while len(asked) < 3:  # noqa: ASYNC110 - the list only counts
                await asyncio.sleep(0.01)
        await get(channel)
    assert sent(server) == ["Bearer token"]
    assert "secret" not in caplog.text
    assert "no new token" in caplog.text


async def test_a_provider_that_fails_at_first_is_a_channel_that_does_not_open(server):
    async def token():
        msg = "the issuer is away"
        raise OSError(msg)

    with pytest.raises(OSError, match="away"):
        async with open_channel(server.address, token=token):
            pass


@pytest.mark.parametrize("target", ["dns:7104", "10.0.0.1:7104", "dns:///dns:7104"])
async def test_a_token_does_not_cross_a_network_in_plain_text(target, tmp_path):
    async def token():
        return "token"

    for settings, provider in ((ClientSettings(), token), (ClientSettings(token_file=tmp_path / "token"), None)):
        with pytest.raises(ValueError, match="RPC_TLS"):
            async with open_channel(target, settings=settings, token=provider):
                pass


async def test_over_tls_it_goes_anywhere(serve_tls, ca_file):
    server = await serve_tls()
    port = server.address.split(":")[1]

    async def token():
        return "token"

    async with open_channel(f"ipv4:127.0.0.1:{port}", settings=tls(ca_file=ca_file), token=token) as channel:
        await get(channel)
    assert sent(server) == ["Bearer token"]
