"""The keys of lead tokens: one for all replicas, rotated, published, and believed by whoever reads the key set."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import jwt
import pytest
from google.protobuf.json_format import MessageToDict

from faults import Fault, Kind
from settingskit import Secret
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenants_service import app
from tenants_service.signing.store import sweep

ISSUER = "tenants.tenantmesh"


async def key_set(leads):
    """The published keys as any library reads them."""
    answer = await leads.GetSigningKeys(pb.GetSigningKeysRequest())
    return jwt.PyJWKSet.from_dict(MessageToDict(answer, preserving_proto_field_name=True))


def key_of(keys, token):
    return keys[jwt.get_unverified_header(token)["kid"]]


async def test_anybody_can_verify_a_token_by_the_published_keys(leads, sign_up):
    lead = await sign_up()
    key = key_of(await key_set(leads), lead.token)
    claims = jwt.decode(lead.token, key, algorithms=["EdDSA"], issuer=ISSUER, audience=ISSUER)
    assert claims["sub"] == f"lead:{lead.lead_id}"
    assert claims["exp"] - claims["iat"] <= 15 * 60
    assert "scope" not in claims


async def test_the_published_keys_hold_no_private_half(leads):
    answer = MessageToDict(await leads.GetSigningKeys(pb.GetSigningKeysRequest()))
    assert all("d" not in key for key in answer["keys"])


async def test_replicas_that_start_at_once_have_one_key(settings, opened, clock, admin):
    await admin.execute("DELETE FROM signing_keys")
    replicas = [app._lead_tokens(settings, opened[0], clock) for _ in range(5)]
    tokens = await asyncio.gather(*(replica.issue(uuid4()) for replica in replicas))
    assert len({jwt.get_unverified_header(token)["kid"] for token, _ in tokens}) == 1
    assert await admin.fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_keys_follow_each_other_and_no_token_is_lost(leads, sign_up, clock, admin):
    await admin.execute("DELETE FROM signing_keys")
    clock.forward(minutes=2)  # what replicas hold in memory is read again
    old = await sign_up()
    first = jwt.get_unverified_header(old.token)["kid"]
    clock.forward(days=29, hours=1)
    assert len((await key_set(leads)).keys) == 2  # the next one is published before it signs
    assert jwt.get_unverified_header((await sign_up()).token)["kid"] == first
    clock.forward(hours=22, minutes=55)
    late = await sign_up()
    assert jwt.get_unverified_header(late.token)["kid"] == first
    clock.forward(minutes=10)
    new = await sign_up()
    assert jwt.get_unverified_header(new.token)["kid"] != first
    request = pb.ConvertLeadRequest(lead_id=late.lead_id, token=late.token, key="late-comer", domains=[late.domain])
    assert (await leads.ConvertLead(request)).key == "late-comer"
    clock.forward(minutes=15)
    assert first not in {key.key_id for key in (await key_set(leads)).keys}


async def test_keys_whose_tokens_have_expired_are_forgotten(records, settings, sign_up, clock, admin):
    await sign_up()
    clock.forward(days=90)
    await sign_up()
    async with records.of_mesh() as tx:
        assert await sweep(tx, clock(), settings.leads.token_life)
    assert await admin.fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_a_key_that_is_withdrawn_is_believed_no_longer(leads, sign_up, clock, admin, refused):
    lead = await sign_up()
    await admin.execute("DELETE FROM signing_keys")
    clock.forward(seconds=61)
    with refused("LEAD_TOKEN_INVALID", Kind.UNAUTHENTICATED):
        await leads.ConvertLead(
            pb.ConvertLeadRequest(lead_id=lead.lead_id, token=lead.token, key="withdrawn", domains=[lead.domain])
        )


async def test_a_secret_that_changed_still_opens_what_it_sealed(settings, opened, clock, sign_up):
    lead = await sign_up()
    changed = replace(
        settings.seal, secret=Secret("another secret, just as long as the first"), previous=settings.seal.secret
    )
    records = app.opened(replace(settings, seal=changed), opened[0]._database)[0]
    token, _ = await app._lead_tokens(replace(settings, seal=changed), records, clock).issue(uuid4())
    assert jwt.get_unverified_header(token)["kid"] == jwt.get_unverified_header(lead.token)["kid"]
    lost = replace(changed, previous=None)
    with pytest.raises(Fault):
        await app._lead_tokens(replace(settings, seal=lost), records, clock).issue(uuid4())
