import logging
from contextlib import asynccontextmanager

import grpc
import pytest
from tests.fixtures.identities import Authority
from tests.fixtures.worlds import Mode, World, connected, refused, serving

from chassis import AuthSettings, ServerSettings, StartFailed, TlsSettings
from chassis.server import running
from chassis.tls import server_credentials
from faults import Kind


class Site:
    """A server's certificate on disk, and the authority that signs it."""

    def __init__(self, folder):
        self.folder, self.authority = folder, Authority()
        self.rotate()
        self.settings = TlsSettings(cert_file=folder / "tls.crt", key_file=folder / "tls.key")

    def rotate(self, authority=None):
        (authority or self.authority).issue("dns").write(self.folder)

    def trusting(self, authority=None):
        return grpc.ssl_channel_credentials((authority or self.authority).certificate)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
async def world(site):
    async with serving(tls=site.settings, credentials=site.trusting()) as made:
        yield made


@asynccontextmanager
async def reconnected(world, credentials):
    async with connected(world.server.address, credentials) as channel:
        yield World(world.server, world.handlers, channel)


async def test_a_rotated_certificate_serves_the_next_connection_and_the_old_one_goes_on(world, site):
    await world.get()
    new = Authority("another")
    site.rotate(new)
    async with reconnected(world, site.trusting(new)) as next_one:
        await next_one.get()
    await world.get()  # over the connection it had
    async with reconnected(world, site.trusting()) as left_behind:
        assert (await refused(left_behind.get(timeout=2))).kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key"])
async def test_broken_files_leave_the_certificate_there_is(world, site, caplog, broken):
    (site.folder / broken).write_text("-----BEGIN nonsense")
    async with reconnected(world, site.trusting()) as next_one:
        await next_one.get()
    async with reconnected(world, site.trusting()) as next_one:
        await next_one.get()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "no certificate with its key" in errors[0].cause
    site.rotate()
    async with reconnected(world, site.trusting()) as next_one:
        await next_one.get()


async def test_a_certificate_whose_key_is_not_there_yet_waits_for_it(world, site):
    identity = site.authority.issue("dns")
    (site.folder / "tls.crt").write_bytes(identity.certificate)
    async with reconnected(world, site.trusting()) as next_one:
        await next_one.get()  # with the old one
    (site.folder / "tls.key").write_bytes(identity.key)
    async with reconnected(world, site.trusting()) as next_one:
        await next_one.get()


async def test_the_authorities_of_callers_rotate_too(tmp_path):
    site, theirs = Site(tmp_path), Authority("first")
    (tmp_path / "ca.crt").write_bytes(theirs.certificate)
    (tmp_path / "policy.json").write_text('{"identities": [{"identity": "worker", "permissions": ["*"]}]}')
    tls = TlsSettings(cert_file=tmp_path / "tls.crt", key_file=tmp_path / "tls.key", client_ca_file=tmp_path / "ca.crt")

    def client(authority):
        identity = authority.issue("worker", hosts=())
        return grpc.ssl_channel_credentials(site.authority.certificate, identity.key, identity.certificate)

    auth = AuthSettings(policy_file=tmp_path / "policy.json")
    async with serving(tls=tls, auth=auth, mode=Mode.PRODUCTION, credentials=client(theirs)) as world:
        await world.get()
        others = Authority("second")
        (tmp_path / "ca.crt").write_bytes(others.certificate)
        async with reconnected(world, client(others)) as next_one:
            await next_one.get()
        async with reconnected(world, client(theirs)) as left_behind:
            assert (await refused(left_behind.get(timeout=2))).kind is Kind.UNAVAILABLE


def test_without_a_certificate_it_is_plain_text():
    assert server_credentials(TlsSettings()) is None


async def test_a_start_with_a_broken_certificate_says_so(site):
    (site.folder / "tls.key").write_text("nonsense")
    settings = ServerSettings(mode=Mode.DEVELOPMENT, tls=site.settings)
    with pytest.raises(StartFailed, match="no certificate with its key"):
        async with running("dns", servicers=[], settings=settings):
            pytest.fail("started")
