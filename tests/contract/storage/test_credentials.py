"""What is promised about credentials and links, whatever store stands behind them."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Conflict, Exhausted, NotFound, Unavailable
from storage_service.buckets.model import Tier
from storage_service.credentials import tokens
from storage_service.credentials.model import Rules, State
from storage_service.credentials.service import Issuer
from storage_service.objects.model import Quota, Upload

TIERS = [Tier.SILO, Tier.POOLED]


async def made(world, tier=Tier.SILO):
    tenant = world.tenant(tier=tier)
    await world.places.ensure(tenant, operation_id="op-1")
    return tenant


async def reason_of(call, kind):
    with pytest.raises(kind) as refused:
        await call
    return refused.value.reason


@pytest.mark.parametrize("tier", TIERS)
async def test_the_same_operation_gets_the_same_and_another_gets_further_ones(world, tier):
    tenant = await made(world, tier)
    first = await world.issue(tenant, "op-1")
    assert await world.issue(tenant, "op-1") == first
    second = await world.issue(tenant, "op-2")
    record, found = await world.issuer.list(tenant, operation_id="", after="", size=10)
    assert found == sorted([first, second], key=lambda one: one.credentials_id)
    assert {world.issuer.state_of(one, record) for one in found} == {State.CLAIMABLE}
    assert (await world.issuer.list(tenant, operation_id="op-2", after="", size=10))[1] == [second]
    assert (await world.issuer.list(tenant, operation_id="", after=found[0].credentials_id, size=10))[1] == found[1:]


@pytest.mark.parametrize("tier", TIERS)
async def test_a_key_is_handed_over_once(world, tier):
    tenant = await made(world, tier)
    issued = await world.issue(tenant)
    void, _ = await world.issuer.issue_claim(tenant, issued.credentials_id)
    token, _ = await world.issuer.issue_claim(tenant, issued.credentials_id)
    assert await reason_of(world.issuer.claim(void), NotFound) == "CLAIM_NOT_FOUND"
    answers = await asyncio.gather(*(world.issuer.claim(token) for _ in range(3)), return_exceptions=True)
    (key,) = [answer[1] for answer in answers if not isinstance(answer, BaseException)]
    assert {one.reason for one in answers if isinstance(one, BaseException)} == {"CLAIM_SPENT"}
    assert await reason_of(world.issuer.claim(token), Conflict) == "CLAIM_SPENT"
    again = world.issuer.issue_claim(tenant, issued.credentials_id)
    assert await reason_of(again, Conflict) == "CREDENTIALS_CLAIMED"
    record, (held,) = await world.issuer.list(tenant, operation_id="", after="", size=10)
    assert held.access_key_id == key.access_key_id
    assert key.secret not in repr(record)
    assert key.secret not in repr(key)


async def test_a_token_that_was_never_given_opens_nothing(world):
    tenant = await made(world)
    issued = await world.issue(tenant)
    place = (await world.places.get(tenant)).record.place
    forged, _ = tokens.new_token(place, issued.credentials_id)
    hostile = base64.urlsafe_b64encode(b'["../x","../","a"]').decode().rstrip("=") + "." + "x" * 43
    for token in (forged, hostile, "x" * 43, "." * 60, "e30." + "x" * 43, ""):
        assert await reason_of(world.issuer.claim(token), NotFound) == "CLAIM_NOT_FOUND"


async def test_a_token_is_good_for_its_time_only(world):
    tenant = await made(world)
    issued = await world.issue(tenant)
    token, expires = await world.issuer.issue_claim(tenant, issued.credentials_id)
    late = Issuer(world.store, world.places, tokens, Rules(), clock=lambda: expires)
    assert await reason_of(late.claim(token), Conflict) == "CLAIM_EXPIRED"
    assert expires > datetime.now(UTC) + timedelta(hours=23)


async def test_what_is_not_there_is_told(world):
    tenant = await made(world)
    how = {"operation_id": "op-1", "keep_previous": False}
    assert await reason_of(world.issuer.rotate(tenant, "acme.none", **how), NotFound) == "CREDENTIALS_NOT_FOUND"
    assert await reason_of(world.issuer.issue_claim(tenant, "acme.none"), NotFound) == "CREDENTIALS_NOT_FOUND"
    nobody = world.tenant("nobody")
    assert await reason_of(world.issue(nobody), NotFound) == "BUCKET_NOT_FOUND"
    assert await world.issuer.revoke(nobody, credentials_id="", operation_id="") == 0


async def test_there_is_a_limit_and_what_was_revoked_makes_room(world):
    tenant = await made(world)
    issued = [await world.issue(tenant, f"op-{number}") for number in range(8)]
    with pytest.raises(Exhausted) as refused:
        await world.issue(tenant, "op-8")
    assert (refused.value.reason, refused.value.facts["limit"]) == ("CREDENTIALS_LIMIT_REACHED", "8")
    assert await world.issuer.revoke(tenant, credentials_id=issued[0].credentials_id, operation_id="") == 1
    assert (await world.issue(tenant, "op-8")).owner.operation_id == "op-8"


async def test_predecessors_stay_where_that_is_asked(world):
    tenant = await made(world)
    old = await world.issue(tenant)
    _, new, _ = await world.issuer.rotate(tenant, old.credentials_id, operation_id="op-2", keep_previous=True)
    token, _ = await world.issuer.issue_claim(tenant, new.credentials_id)
    await world.issuer.claim(token)
    _, left = await world.issuer.list(tenant, operation_id="", after="", size=10)
    assert {one.credentials_id for one in left} == {old.credentials_id, new.credentials_id}


async def test_a_key_that_could_not_be_made_leaves_the_token_good(world, monkeypatch):
    tenant = await made(world)
    token, _ = await world.issuer.issue_claim(tenant, (await world.issue(tenant)).credentials_id)

    async def broken(*_):
        raise Unavailable("The store is away.", reason="PROVIDER_UNAVAILABLE")

    with monkeypatch.context() as patch:
        patch.setattr(world.store.identities, "new_key", broken)
        assert await reason_of(world.issuer.claim(token), Unavailable) == "PROVIDER_UNAVAILABLE"
    assert (await world.issuer.claim(token))[1].access_key_id


@pytest.mark.parametrize("meanwhile", ["revoked", "deleted", "suspended"])
async def test_what_happens_while_a_key_is_made_counts(world, monkeypatch, meanwhile):
    tenant = await made(world)
    _ = [one async for one in world.objects.empty(tenant, validate_only=False)]
    before = await world.inventory()
    token, _ = await world.issuer.issue_claim(tenant, (await world.issue(tenant)).credentials_id)
    making = world.store.identities.new_key

    async def overtaken(*arguments):
        if meanwhile == "suspended":
            await world.places.set_access(tenant, enabled=False)
        elif meanwhile == "revoked":
            await world.issuer.revoke(tenant, credentials_id="", operation_id="")
        else:
            await world.places.delete(tenant)
        await world.store.identities.grant(*arguments)  # the user that was just taken away
        return await making(*arguments)

    monkeypatch.setattr(world.store.identities, "new_key", overtaken)
    if meanwhile == "suspended":
        record, _ = await world.issuer.claim(token)
        assert world.issuer.state_of(record.credentials[0], record) is State.SUSPENDED
    else:
        assert await reason_of(world.issuer.claim(token), NotFound) == "CLAIM_NOT_FOUND"
        assert await world.inventory() <= before


async def test_expired_credentials_are_told_and_swept_away(world):
    tenant = await made(world)
    assert (await world.claimed(tenant, lifetime=timedelta(minutes=15))).expire_time > datetime.now(UTC)
    later = Issuer(world.store, world.places, tokens, Rules(), clock=lambda: datetime.now(UTC) + timedelta(hours=1))
    record, (expired,) = await later.list(tenant, operation_id="", after="", size=10)
    assert later.state_of(expired, record) is State.EXPIRED
    await later.issue(tenant, operation_id="op-2", access=expired.access, lifetime=None)
    _, left = await later.list(tenant, operation_id="", after="", size=10)
    assert [one.owner.operation_id for one in left] == ["op-2"]


async def test_links_are_for_what_is_there_and_within_the_quota(world):
    tenant = await made(world)
    place = (await world.places.get(tenant)).record.place
    await world.put(place, "a.txt", b"text")
    link = await world.objects.download_link(tenant, "a.txt", "a.txt", timedelta(minutes=1))
    assert link.url not in repr(link)
    missing = world.objects.download_link(tenant, "b.txt", "", timedelta(minutes=1))
    assert await reason_of(missing, NotFound) == "OBJECT_NOT_FOUND"
    assert (await world.objects.upload_link(tenant, Upload("b.txt"), timedelta(minutes=1))).url
    await world.objects.set_quota(tenant, Quota(max_objects=3))
    full = world.objects.upload_link(tenant, Upload("b.txt"), timedelta(minutes=1))
    assert await reason_of(full, Exhausted) == "QUOTA_EXCEEDED"
    usage, quota = await world.objects.usage(tenant, max_age=timedelta(hours=1))
    assert (usage.objects, usage.bytes, quota.max_objects) == (3, 4, 3)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader_of_tokens(text):
    read = tokens.read_token(text)
    assert read is None or "/" not in read[0].bucket
