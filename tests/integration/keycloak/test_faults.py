"""What Keycloak and the way to it do wrong, and what is left of it."""

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp import web
from tests.fixtures.faultproxy import fault_proxy
from tests.fixtures.httpgateway import gateway_before
from tests.fixtures.keycloaks import by_hand, settings_for

from faults import Exhausted, Fault, Internal, Unauthenticated, Unavailable
from identity_service.model import ADMIN, Client, Organization, OrganizationSettings, Owner, Tenant, Tier, User, Who
from identity_service.providers.keycloak import KeycloakProvider
from settingskit import Secret

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PASSWORD = "Correct-horse-7-battery"
SECRET = "first-secret-of-a-test-client-01"
TIERS = (Tier.SILO, Tier.POOLED)


@pytest_asyncio.fixture
async def gateway(keycloak):
    async with gateway_before(keycloak.url) as gateway:
        yield gateway


@asynccontextmanager
async def provider_at(keycloak, url, **changed):
    async with KeycloakProvider(settings_for(keycloak, url=url, public_url=keycloak.url, **changed)) as provider:
        yield provider


@pytest_asyncio.fixture
async def provider(keycloak, gateway):
    """A provider that reaches Keycloak through the gateway."""
    async with provider_at(keycloak, gateway.url) as provider:
        yield provider


def fresh(tier):
    number = uuid4()
    return Tenant(str(number), f"t{number.hex[:12]}", tier)


def organization(tenant, **changed):
    wanted = Organization(
        tenant.name, tenant.key, tenant.tier, "Acme", (f"{tenant.key}.example",),
        settings=None if tenant.shared else OrganizationSettings(),
        owner=Owner(tenant.tenant_id, "provision-acme", NOW), create_time=NOW, update_time=NOW,
    )  # fmt: skip
    return replace(wanted, **changed)


def client(tenant):
    return Client(
        "app", tenant.client_id("app"), "Acme", redirect_uris=(f"https://{tenant.key}.example/*",),
        owner=Owner(tenant.tenant_id, "provision-acme", NOW), create_time=NOW, update_time=NOW,
    )  # fmt: skip


def user(tenant):
    owner = Owner(tenant.tenant_id, "provision-acme", NOW)
    return User(f"ada@{tenant.key}.example", "Ada", owner=owner, create_time=NOW, update_time=NOW)


async def ensured(create, find, complete):
    """What the domain does: make it, or find what stands there and complete it. Once more where the answer was lost."""
    for last in (False, True):
        try:
            made = await create()
        except Unavailable:
            assert not last
            continue
        if made is not None:
            return made
        return await complete(await find())
    return None


@pytest.mark.parametrize("tier", TIERS)
async def test_lost_answers_are_made_up_for_and_nothing_is_doubled(provider, gateway, keycloak, tier):
    tenant = fresh(tier)
    await provider.create_organization(organization(fresh(tier)))  # the shared realm is there
    gateway.then("POST", "/organizations" if tenant.shared else "/admin/realms", "lost")
    home = await ensured(
        lambda: provider.create_organization(organization(tenant)),
        lambda: provider.find_organization(tenant),
        lambda seen: provider.complete_organization(organization(tenant), seen),
    )
    assert home.says(organization(tenant))
    assert home.owner == organization(tenant).owner
    gateway.then("POST", "/clients", "lost")
    made = await ensured(
        lambda: provider.create_client(home, client(tenant), SECRET),
        lambda: provider.find_client(home, "app"),
        lambda seen: provider.complete_client(home, client(tenant), seen),
    )
    gateway.then("POST", "/members" if tenant.shared else "/users", "cut" if tenant.shared else "lost")
    who = await ensured(
        lambda: provider.create_user(home, user(tenant), PASSWORD),
        lambda: provider.find_user(home, Who(email=user(tenant).email)),
        lambda seen: provider.complete_user(home, user(tenant), seen),
    )
    gateway.then("POST", "/role-mappings/realm", "lost")
    with pytest.raises(Unavailable):
        await provider.assign_role(home, who, ADMIN)
    who = await provider.find_user(home, Who(email=who.email))
    assert (who.roles, await provider.assign_role(home, who, ADMIN)) == ((ADMIN,), False)
    assert [one async for one in provider.clients(home)] == [made]
    assert [one.email async for one in provider.users(home)] == [who.email], "a member, too"
    async with by_hand(keycloak) as person:
        realm = keycloak.realm if tenant.shared else tenant.name
        assert await person.signs_in(realm, who.email, PASSWORD)
        assert await person.has_secret(realm, made.client_id, SECRET)
    assert gateway.faults == []


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (lambda: web.Response(status=500, text="<html>a stack trace</html>"), Unavailable, "PROVIDER_UNAVAILABLE"),
        (lambda: web.Response(status=502), Unavailable, "PROVIDER_UNAVAILABLE"),
        (lambda: web.Response(status=429, headers={"Retry-After": "7"}), Exhausted, "PROVIDER_RATE_LIMITED"),
        (lambda: web.Response(text="<html>", content_type="text/html"), Internal, "UNEXPECTED"),
        (lambda: web.json_response({"error": "HTTP 403 Forbidden"}, status=403), Unauthenticated,
         "PROVIDER_CREDENTIALS_REFUSED"),
        ("cut", Unavailable, "PROVIDER_UNAVAILABLE"),
    ],
    ids=["500", "502", "429", "HTML", "403", "cut"],
)  # fmt: skip
async def test_bad_answers_are_told_by_their_kind(provider, gateway, fault, kind, reason):
    tenant = fresh(Tier.SILO)
    gateway.then("GET", f"/{tenant.name}", fault)
    with pytest.raises(kind) as caught:
        await provider.find_organization(tenant)
    assert caught.value.reason == reason
    assert "html" not in caught.value.message
    assert caught.value.retry_after == (timedelta(seconds=7) if kind is Exhausted else None)
    assert await provider.find_organization(tenant) is None, "and then it works again"


async def test_a_conflict_that_somebody_else_caused_is_no_fault(provider, gateway):
    tenant = fresh(Tier.SILO)
    gateway.then("POST", "/admin/realms", lambda: web.json_response({"errorMessage": "Conflict detected"}, status=409))
    assert await provider.create_organization(organization(tenant)) is None
    assert await provider.find_organization(tenant) is None


async def test_slow_answers_end_with_their_time_and_hinder_nobody(keycloak, gateway):
    slow, quick = fresh(Tier.SILO), fresh(Tier.SILO)
    async with provider_at(keycloak, gateway.url, patience=timedelta(seconds=10)) as provider:
        await provider.check()
        gateway.then("GET", f"/{slow.name}", "slow")
        waiting = asyncio.create_task(provider.find_organization(slow))
        await gateway.slowed.wait()
        assert await provider.find_organization(quick) is None
        assert not waiting.done()
        with pytest.raises(Unavailable):
            await waiting


async def test_a_wrong_admin_secret_is_unauthenticated_and_no_secret_is_told(keycloak, caplog):
    wrong = "a-secret-that-nobody-gave-keycloak"
    with caplog.at_level(logging.DEBUG):
        async with provider_at(keycloak, keycloak.url, client_secret=Secret(wrong)) as provider:
            for work in (provider.check(), provider.find_organization(fresh(Tier.SILO))):
                with pytest.raises(Unauthenticated) as caught:
                    await work
                assert caught.value.reason == "PROVIDER_CREDENTIALS_REFUSED"
                assert wrong not in repr(caught.value)
    assert wrong not in caplog.text


async def test_many_that_need_a_token_fetch_one(keycloak, gateway):
    async with provider_at(keycloak, gateway.url) as provider:
        tenants = [fresh(Tier.SILO) for _ in range(30)]
        assert await asyncio.gather(*map(provider.find_organization, tenants)) == [None] * 30
    assert [path for method, path in gateway.seen if method == "POST"] == [
        "/realms/master/protocol/openid-connect/token"
    ]


async def test_a_token_that_is_refused_is_fetched_anew_once(provider, gateway):
    tenant = fresh(Tier.SILO)
    await provider.check()
    gateway.then("GET", f"/{tenant.name}", unauthorized)
    assert await provider.find_organization(tenant) is None
    gateway.then("GET", f"/{tenant.name}", unauthorized, times=2)
    with pytest.raises(Unauthenticated):
        await provider.find_organization(tenant)


def unauthorized():
    return web.json_response({"error": "HTTP 401 Unauthorized"}, status=401)


async def test_tenants_at_once_never_meet_in_each_others_realm(provider):
    tenants = [fresh(Tier.SILO) for _ in range(2)]
    homes = await asyncio.gather(*(provider.create_organization(organization(one)) for one in tenants))
    work = [provider.create_user(home, user(one), PASSWORD) for home, one in zip(homes, tenants, strict=True)]
    await asyncio.gather(*work)
    for home, one in zip(homes, tenants, strict=True):
        assert [found.email async for found in provider.users(home)] == [user(one).email]


async def test_a_realm_of_somebody_else_is_found_and_untouched(provider, keycloak):
    tenant = fresh(Tier.SILO)
    async with by_hand(keycloak) as person:
        await person.realm(tenant.name)
        before = await person.ask("GET", f"/{tenant.name}")
        assert await provider.create_organization(organization(tenant)) is None
        found = await provider.find_organization(tenant)
        assert (found.owner, found.display_name) == (None, "By hand")
        assert await person.ask("GET", f"/{tenant.name}") == before


async def test_a_shared_realm_of_somebody_else_is_refused(keycloak):
    name = f"foreign-{uuid4().hex[:8]}"
    async with by_hand(keycloak) as person, provider_at(keycloak, keycloak.url, realm=name) as provider:
        await person.realm(name)
        with pytest.raises(Fault) as caught:
            await provider.create_organization(organization(fresh(Tier.POOLED)))
        assert caught.value.reason == "ORGANIZATION_NOT_OWNED"


async def test_full_shards_take_no_more_realms_but_organizations(keycloak):
    async with provider_at(keycloak, keycloak.url, realm_limit=1) as provider:
        await provider.create_organization(organization(fresh(Tier.POOLED)))
        with pytest.raises(Exhausted) as caught:
            await provider.create_organization(organization(fresh(Tier.SILO)))
        assert (caught.value.reason, caught.value.facts) == ("SHARDS_FULL", {"limit": "1", "shards": "main"})


async def test_a_tenant_is_found_on_whichever_shard_it_is(keycloak, gateway):
    """Two names for one Keycloak: what the second makes, the first finds; and it is made once."""
    tenant = fresh(Tier.POOLED)
    shards = (f"second={gateway.url}",)
    async with provider_at(keycloak, keycloak.url, shards=shards) as provider:
        assert (await provider.create_organization(organization(tenant, shard="main"))).shard == "main"
        assert await provider.create_organization(organization(tenant, shard="second")) is None
        with pytest.raises(Fault) as caught:
            await provider.create_organization(organization(fresh(Tier.POOLED), shard="third"))
        assert caught.value.reason == "SHARD_UNKNOWN"


async def test_a_shard_that_is_away_is_told_of_and_raises_only_where_it_may_hold_the_tenant(keycloak):
    async with fault_proxy("127.0.0.1:1") as nowhere:
        await nowhere.refuse()
        shards = (f"away=http://{nowhere.address}",)
        async with provider_at(keycloak, keycloak.url, shards=shards) as provider:
            seen = {one.name: one for one in await provider.shards()}
            assert (seen["main"].available, seen["away"].available) == (True, False)
            with pytest.raises(Unavailable):
                await provider.find_organization(fresh(Tier.POOLED))


async def test_a_domain_of_another_tenant_is_refused_by_name(provider):
    one, other = fresh(Tier.POOLED), fresh(Tier.POOLED)
    await provider.create_organization(organization(one))
    with pytest.raises(Fault) as caught:
        await provider.create_organization(organization(other, domains=(f"{one.key}.example",)))
    assert (caught.value.reason, caught.value.facts["domain"]) == ("DOMAIN_TAKEN", f"{one.key}.example")
    assert await provider.find_organization(other) is None
