"""Killed at any point, cut, slowed and refused: a repeat completes, and nothing is left behind."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from tests.fixtures.faultproxy import fault_proxy
from tests.fixtures.stores import Server, open_s3
from tests.fixtures.vendors import serving

from faults import Conflict, Exhausted, Fault, NotFound, Timeout, Unavailable
from storage_service.buckets.model import Tier

TIERS = [Tier.SILO, Tier.POOLED]
QUICK = {"attempts": 1, "patience": timedelta(seconds=5)}


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """A client that dies when its n-th request had its effect, which is before the one after it."""

    def __init__(self, client):
        self.client, self.left = client, None

    def __getattr__(self, name):
        found = getattr(self.client, name)
        if name == "get_paginator" or not callable(found):
            return found
        return self._mortal(found)

    def _mortal(self, method):
        async def call(**request):
            if self.left is None:
                return await method(**request)
            self.left -= 1
            if self.left < 0:
                raise Killed
            answer = await method(**request)
            if self.left == 0:
                raise Killed
            return answer

        return call

    async def until_dead(self, requests, call):
        """Whether the call was killed before it ended."""
        self.left = requests
        try:
            await call
        except Killed:
            return True
        finally:
            self.left = None
        return False


@asynccontextmanager
async def mortal(server):
    async with open_s3(server) as world:
        client = Mortal(world.store.buckets._s3.client)
        world.store.buckets._s3.client = client
        yield world, client


async def empty(world, tenant):
    async for _ in world.objects.empty(tenant, validate_only=False):
        pass


@pytest.mark.chaos
@pytest.mark.parametrize("tier", TIERS)
async def test_killed_at_each_request_of_ensure_a_repeat_completes(seaweedfs, tier):
    async with mortal(seaweedfs) as (world, client):
        before = await world.inventory()
        for requests in itertools.count(1):
            # A key of its own each time: moto gives a new bucket the tags of the one before.
            tenant, rival = (world.tenant(f"acme-{requests}", tier=tier) for _ in range(2))
            how = {"operation_id": "op-1", "domains": ["acme.example"]}
            killed = await client.until_dead(requests, world.places.ensure(tenant, **how))
            made, _ = await world.places.ensure(tenant, **how)
            assert (await world.places.get(tenant)) == made
            assert await world.keys(made.record.place) == ["documents/", "uploads/"]
            assert (await world.places.ensure(tenant, **how))[1] is False
            with pytest.raises(Fault) as refused:
                await world.places.ensure(rival, **how)
            assert refused.value.reason == "BUCKET_NOT_OWNED"
            assert await world.places.delete(tenant, operation_id="op-1")
            assert await world.inventory() == before
            if not killed:
                break
        assert requests > (6 if tier is Tier.POOLED else 12)


@pytest.mark.chaos
@pytest.mark.parametrize("tier", TIERS)
async def test_killed_at_each_request_of_ensure_a_delete_alone_leaves_nothing(seaweedfs, tier):
    async with mortal(seaweedfs) as (world, client):
        before = await world.inventory()
        for requests in itertools.count(1):
            tenant = world.tenant(f"acme-{requests}", tier=tier)
            ensure = world.places.ensure(tenant, operation_id="op-1")
            killed = await client.until_dead(requests, ensure)
            await world.places.delete(tenant, operation_id="op-1")
            assert await world.inventory() == before
            if not killed:
                break


@pytest.mark.chaos
async def test_killed_at_each_request_of_delete_a_repeat_completes(seaweedfs):
    async with mortal(seaweedfs) as (world, client):
        before = await world.inventory()
        for requests in itertools.count(1):
            tenant = world.tenant(f"acme-{requests}")
            await world.places.ensure(tenant, operation_id="op-1")
            await world.claimed(tenant)
            killed = await client.until_dead(requests, world.places.delete(tenant))
            await world.places.delete(tenant)
            assert await world.inventory() == before
            if not killed:
                break
        assert requests > 4


@pytest.mark.chaos
async def test_killed_at_each_request_of_a_claim_nothing_escapes_a_revoke(seaweedfs):
    """The requests to IAM are what a claim makes beside its records."""
    async with open_s3(seaweedfs) as world:
        client = world.store.identities._iam.client = Mortal(world.store.identities._iam.client)
        tenant = world.tenant("acme")
        await world.places.ensure(tenant, operation_id="op-1")
        before = await world.inventory()
        for requests in itertools.count(1):
            issued = await world.issue(tenant, f"op-{requests}")
            token, _ = await world.issuer.issue_claim(tenant, issued.credentials_id)
            killed = await client.until_dead(requests, world.issuer.claim(token))
            await world.issuer.revoke(tenant, credentials_id="", operation_id="")
            assert await world.inventory() == before
            if not killed:
                break
        assert requests > 3


@pytest.mark.chaos
@pytest.mark.parametrize("tier", TIERS)
async def test_the_connection_cut_at_any_byte_is_a_fault_and_a_repeat_completes(seaweedfs, tier):
    host = seaweedfs.endpoint.removeprefix("http://")
    async with (
        fault_proxy(host) as proxy,
        open_s3(seaweedfs) as seen,
        open_s3(Server(f"http://{proxy.address}", seaweedfs.key_id, seaweedfs.key), names=seen.names, **QUICK) as world,
    ):
        before = await seen.inventory()
        tenant = seen.tenant("acme", tier=tier)
        for passed in (0, 1, 100, 700, 1500, 2500, 4000, 6000, 8000):
            proxy.cut_after = passed
            try:
                await world.places.ensure(tenant, operation_id="op-1")
            except Fault as fault:
                assert fault.reason in {"PROVIDER_UNAVAILABLE", "PROVIDER_TIMED_OUT"}, fault
            await proxy.heal()
        _, created = await seen.places.ensure(tenant, operation_id="op-1")
        assert isinstance(created, bool)
        assert await seen.places.delete(tenant)
        assert await seen.inventory() == before


@pytest.mark.chaos
async def test_a_store_that_lost_the_answer_is_asked_again(seaweedfs):
    host = seaweedfs.endpoint.removeprefix("http://")
    async with (
        fault_proxy(host) as proxy,
        open_s3(Server(f"http://{proxy.address}", seaweedfs.key_id, seaweedfs.key), **QUICK) as world,
    ):
        tenant = world.tenant("acme")
        proxy.drop_reply = True
        with pytest.raises(Unavailable):
            await world.places.ensure(tenant, operation_id="op-1")
        await proxy.heal()
        made, _ = await world.places.ensure(tenant, operation_id="op-1")
        assert made.record.complete


@pytest.mark.chaos
async def test_a_store_that_says_nothing_is_given_up_in_time(moto):
    host = moto.endpoint.removeprefix("http://")
    async with (
        fault_proxy(host) as proxy,
        open_s3(
            Server(f"http://{proxy.address}", moto.key_id, moto.key),
            opened=False,
            attempts=1,
            patience=timedelta(milliseconds=300),
        ) as world,
    ):
        proxy.blackhole = True
        tenant = world.tenant("acme")
        async with asyncio.timeout(60):
            for call in (
                world.places.ensure(tenant, operation_id="op-1"),
                world.places.get(tenant),
                world.places.list(tenant_id="", operation_id="", after=None, size=1),
                world.store.check(),
            ):
                with pytest.raises(Timeout) as silent:
                    await call
                assert silent.value.reason == "PROVIDER_TIMED_OUT"


@pytest.mark.chaos
async def test_a_slow_store_is_waited_for(seaweedfs):
    host = seaweedfs.endpoint.removeprefix("http://")
    async with (
        fault_proxy(host) as proxy,
        open_s3(Server(f"http://{proxy.address}", seaweedfs.key_id, seaweedfs.key)) as world,
    ):
        proxy.delay = 0.05
        tenant = world.tenant("acme")
        assert (await world.places.ensure(tenant, operation_id="op-1"))[1]
        assert await world.places.delete(tenant)


def answering(status, code, headers=None):
    async def handle(_):
        text = f"<Error><Code>{code}</Code><Message>internal detail</Message></Error>"
        return web.Response(status=status, text=text, content_type="application/xml", headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    return serving(application)


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (503, "SlowDown", Exhausted, "PROVIDER_RATE_LIMITED"),
        (503, "ServiceUnavailable", Unavailable, "PROVIDER_UNAVAILABLE"),
        (500, "InternalError", Unavailable, "PROVIDER_UNAVAILABLE"),
        (403, "InvalidAccessKeyId", Conflict, "PROVIDER_CREDENTIALS_REFUSED"),
        (403, "SignatureDoesNotMatch", Conflict, "PROVIDER_CREDENTIALS_REFUSED"),
        (400, "Nonsense", Fault, "PROVIDER_ANSWER_UNKNOWN"),
    ],
)
async def test_what_the_store_refuses_is_told_in_the_words_of_the_contract(status, code, kind, reason):
    async with (
        answering(status, code) as address,
        open_s3(Server(address, "key", "secret"), opened=False, attempts=1) as world,
    ):
        for call in (
            world.places.get(world.tenant()),
            world.places.ensure(world.tenant(tier=Tier.POOLED), operation_id="op-1"),
            world.places.list(tenant_id="", operation_id="", after=None, size=1),
        ):
            with pytest.raises(kind) as refused:
                await call
            assert refused.value.reason == reason
            assert "internal detail" not in str(refused.value)


async def test_refused_credentials_are_told_and_not_another_owner(seaweedfs):
    wrong = Server(seaweedfs.endpoint, seaweedfs.key_id, "not the secret of that key")
    async with open_s3(wrong, opened=False) as world:
        for call in (
            world.places.ensure(world.tenant(), operation_id="op-1"),
            world.store.check(),
        ):
            with pytest.raises(Conflict) as refused:
                await call
            assert refused.value.reason == "PROVIDER_CREDENTIALS_REFUSED"


async def test_nobody_listening_is_unavailable():
    async with fault_proxy("127.0.0.1:1") as proxy:
        await proxy.refuse()
        async with open_s3(Server(f"http://{proxy.address}", "key", "secret"), opened=False, attempts=1) as world:
            with pytest.raises(Unavailable):
                await world.store.check()


async def test_what_is_gone_in_the_middle_of_a_call_is_no_riddle(seaweedfs):
    async with open_s3(seaweedfs) as world:
        tenant = world.tenant()
        made, _ = await world.places.ensure(tenant, operation_id="op-1")
        await empty(world, tenant)
        await world.s3.delete_bucket(Bucket=made.record.place.bucket)
        with pytest.raises(NotFound):
            await world.places.get(tenant)
        page = await world.places.list(tenant_id=tenant.tenant_id, operation_id="", after=None, size=10)
        assert [bucket.record.place for bucket in page.buckets] == [made.record.place]
        assert await world.places.delete(tenant)
        assert not await world.places.delete(tenant)
