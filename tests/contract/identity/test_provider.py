"""What every identity provider promises the domain."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.fixtures.identityproviders import OPENERS

from faults import Conflict, NotFound
from identity_service.model import ADMIN, Capability, Client, Organization, OrganizationSettings, Owner, User, Who
from identity_service.providers import PROVIDERS

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PASSWORD = "Correct-horse-7-battery"
SECRET, NEXT_SECRET = "first-secret-of-a-test-client-01", "second-secret-of-a-test-client-2"


def owner(tenant, operation_id="provision-acme"):
    return Owner(tenant.tenant_id, operation_id, NOW)


def organization(world, tenant, **changed):
    own = Capability.SETTINGS in world.provider.capabilities and not tenant.shared
    wanted = Organization(
        tenant.name,
        tenant.key,
        tenant.tier,
        "Acme",
        domains=(f"{tenant.key}.example", f"www.{tenant.key}.example"),
        settings=OrganizationSettings() if own else None,
        owner=owner(tenant),
        create_time=NOW,
        update_time=NOW,
    )
    return replace(wanted, **changed)


def client(tenant, **changed):
    wanted = Client(
        "app",
        tenant.client_id("app"),
        "Acme",
        redirect_uris=(f"https://{tenant.key}.example/*",),
        web_origins=(f"https://{tenant.key}.example",),
        owner=owner(tenant),
        create_time=NOW,
        update_time=NOW,
    )
    return replace(wanted, **changed)


def user(tenant, name="ada", **changed):
    wanted = User(
        f"{name}@{tenant.key}.example",
        "Ada",
        "Lovelace",
        owner=owner(tenant),
        create_time=NOW,
        update_time=NOW,
    )
    return replace(wanted, **changed)


async def home(world):
    tenant = world.tenant()
    made = await world.provider.create_organization(organization(world, tenant))
    assert made is not None
    return tenant, made


def test_every_provider_is_held_to_its_port():
    assert {name.partition("-")[0] for name in OPENERS} == set(PROVIDERS)


async def test_an_organization_is_made_found_completed_and_removed(world):
    provider, (tenant, made) = world.provider, await home(world)
    assert made.provider == provider.name
    assert made.shard
    assert await provider.find_organization(tenant) == made
    assert made.says(organization(world, tenant))
    assert (made.owner, made.enabled) == (owner(tenant), True)
    wanted = organization(world, tenant, display_name="Acme Incorporated", domains=(f"new.{tenant.key}.example",))
    changed = await provider.complete_organization(replace(wanted, update_time=NOW + timedelta(hours=1)), made)
    assert changed.says(wanted)
    assert (changed.owner, changed.provider_id, changed.create_time) == (made.owner, made.provider_id, NOW)
    assert await provider.find_organization(tenant) == changed
    await provider.remove_organization(changed)
    assert await provider.find_organization(tenant) is None
    await provider.remove_organization(changed)


async def test_completing_what_is_complete_changes_nothing(world):
    provider, (tenant, made) = world.provider, await home(world)
    later = organization(world, tenant, update_time=NOW + timedelta(days=1))
    assert await provider.complete_organization(later, made) == made
    assert await provider.find_organization(tenant) == made


async def test_a_taken_name_is_left_as_it_is(world):
    provider, (tenant, made) = world.provider, await home(world)
    assert await provider.create_organization(organization(world, tenant, display_name="Usurper")) is None
    assert await provider.find_organization(tenant) == made


async def test_what_somebody_made_by_hand_is_found_without_being_ours_and_stays(world):
    provider, tenant = world.provider, world.tenant()
    await world.organization_by_hand(tenant)
    assert await provider.create_organization(organization(world, tenant)) is None
    found = await provider.find_organization(tenant)
    assert found.owner is None or found.owner.tenant_id != tenant.tenant_id
    assert tenant.name not in [one.name async for one in provider.organizations() if one.owner == owner(tenant)]


async def test_an_organization_is_switched_off_and_on(world):
    provider, (tenant, made) = world.provider, await home(world)
    assert await provider.set_enabled(made, enabled=False) >= 0
    off = await provider.find_organization(tenant)
    assert not off.enabled
    completed = await provider.complete_organization(organization(world, tenant, display_name="Other"), off)
    assert not completed.enabled
    await provider.set_enabled(completed, enabled=True)
    assert (await provider.find_organization(tenant)).enabled


async def test_what_the_mesh_made_is_listed_with_its_stamp(world):
    (first, made), (second, other) = await home(world), await home(world)
    listed = {one.name: one async for one in world.provider.organizations()}
    assert listed[first.name].owner == made.owner
    assert listed[second.name].owner == other.owner


async def test_a_client_is_made_found_completed_and_removed(world):
    provider, (tenant, place) = world.provider, await home(world)
    assert await provider.find_client(place, "app") is None
    made = await provider.create_client(place, client(tenant), SECRET)
    assert await provider.create_client(place, client(tenant), SECRET) is None
    assert await provider.find_client(place, "app") == made
    assert made.says(client(tenant))
    assert (made.owner, made.provider) == (owner(tenant), provider.name)
    wanted = client(tenant, redirect_uris=("https://other.example/*",), web_origins=("https://other.example",))
    changed = await provider.complete_client(place, wanted, made)
    assert changed.says(wanted)
    assert await provider.complete_client(place, wanted, changed) == changed
    assert [one async for one in provider.clients(place)] == [changed]
    await provider.remove_client(place, changed)
    await provider.remove_client(place, changed)
    assert await provider.find_client(place, "app") is None


async def test_200_domains_are_kept(world):
    tenant = world.tenant()
    domains = tuple(f"d{number}.{tenant.key}.example" for number in range(200))
    made = await world.provider.create_organization(organization(world, tenant, domains=domains))
    assert set((await world.provider.find_organization(tenant)).domains) == set(domains)
    uris, origins = (tuple(f"https://{one}{tail}" for one in domains) for tail in ("/*", ""))
    wanted = client(tenant, redirect_uris=uris, web_origins=origins)
    await world.provider.create_client(made, wanted, SECRET)
    assert (await world.provider.find_client(made, "app")).says(wanted)


async def test_a_secret_is_rotated_once(world):
    provider, (tenant, place) = world.provider, await home(world)
    made = await provider.create_client(place, client(tenant), SECRET)
    overlap = timedelta(hours=1) if Capability.SECRET_OVERLAP in provider.capabilities else timedelta()
    rotated = await provider.rotate_secret(place, made, NEXT_SECRET, overlap)
    assert (rotated.previous_secret_expire_time is not None) is bool(overlap)
    assert await provider.rotate_secret(place, rotated, NEXT_SECRET, overlap) == rotated
    if world.has_secret:
        assert await world.has_secret(place, rotated, NEXT_SECRET)
        assert await world.has_secret(place, rotated, SECRET) is bool(overlap)


async def test_a_user_is_made_found_completed_and_removed(world):
    provider, (tenant, place) = world.provider, await home(world)
    made = await provider.create_user(place, user(tenant), PASSWORD)
    assert made.user_id
    assert await provider.create_user(place, user(tenant), PASSWORD) is None
    assert await provider.find_user(place, Who(email=made.email)) == made
    assert await provider.find_user(place, Who(user_id=made.user_id)) == made
    assert (made.owner, made.password_change_required, made.email_verified) == (owner(tenant), True, False)
    wanted = user(tenant, given_name="Augusta Ada", email_verified=True)
    changed = await provider.complete_user(place, wanted, made)
    assert changed.says(wanted)
    assert await provider.complete_user(place, wanted, changed) == changed
    if world.signs_in:
        assert await world.signs_in(place, made.email, PASSWORD)
        assert not await world.signs_in(place, made.email, f"{PASSWORD}!")
    assert [one.email async for one in provider.users(place)] == [made.email]
    await provider.remove_user(place, changed)
    await provider.remove_user(place, changed)
    assert await provider.find_user(place, Who(email=made.email)) is None


@pytest.mark.parametrize("name", ["ada+ops", "o'neil", "jörg"])
async def test_unusual_addresses_are_kept_as_they_are(world, name):
    provider, (tenant, place) = world.provider, await home(world)
    made = await provider.create_user(place, user(tenant, name), PASSWORD)
    assert made.email == f"{name}@{tenant.key}.example"
    assert await provider.find_user(place, Who(email=made.email)) == made


async def test_the_admin_role_is_given_and_taken(world):
    provider, (tenant, place) = world.provider, await home(world)
    made = await provider.create_user(place, user(tenant), PASSWORD)
    assert await provider.assign_role(place, made, ADMIN)
    held = await provider.find_user(place, Who(email=made.email))
    assert ADMIN in held.roles
    assert not await provider.assign_role(place, held, ADMIN)
    assert await provider.revoke_role(place, held, ADMIN)
    bare = await provider.find_user(place, Who(email=made.email))
    assert ADMIN not in bare.roles
    assert not await provider.revoke_role(place, bare, ADMIN)


async def test_an_unknown_role_is_refused(world):
    provider, (tenant, place) = world.provider, await home(world)
    made = await provider.create_user(place, user(tenant), PASSWORD)
    with pytest.raises(Conflict) as caught:
        await provider.assign_role(place, made, "no-such-role")
    assert caught.value.reason == "ROLE_UNKNOWN"


async def test_nothing_is_made_in_an_organization_that_is_gone(world):
    provider, (tenant, place) = world.provider, await home(world)
    await provider.remove_organization(place)
    for work in (
        provider.create_client(place, client(tenant), SECRET),
        provider.create_user(place, user(tenant), PASSWORD),
    ):
        with pytest.raises(NotFound) as caught:
            await work
        assert caught.value.reason == "ORGANIZATION_NOT_FOUND"


async def test_removing_one_tenant_leaves_the_other_untouched(world):
    provider, (first, gone), (second, stays) = world.provider, await home(world), await home(world)
    for tenant, place in ((first, gone), (second, stays)):
        await provider.create_client(place, client(tenant), SECRET)
        await provider.create_user(place, user(tenant), PASSWORD)
    await provider.remove_organization(gone)
    assert await provider.find_organization(second) == stays
    assert (await provider.find_client(stays, "app")).owner == owner(second)
    assert (await provider.find_user(stays, Who(email=f"ada@{second.key}.example"))).owner == owner(second)


async def test_the_shards_say_what_they_can_do(world):
    await home(world)
    (shard,) = [one for one in await world.provider.shards() if one.available]
    assert shard.provider == world.provider.name
    assert shard.capabilities == world.provider.capabilities
    assert shard.realm_count + shard.organization_count >= 1
