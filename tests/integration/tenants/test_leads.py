"""Leads over the wire: from a visitor to a tenant, and every way in which it must not go."""

import asyncio
import base64
import json
from uuid import uuid4

import asyncpg
import pytest

from faults import Kind
from tenantmesh.tenants.v1 import lead_pb2
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb


def conversion(lead, **more):
    key = f"k{lead.domain.partition('.')[0]}"
    return pb.ConvertLeadRequest(
        **{"lead_id": lead.lead_id, "token": lead.token, "key": key, "domains": [lead.domain]} | more
    )


async def read(leads, lead_id):
    return (await leads.GetLead(pb.GetLeadRequest(lead_id=lead_id))).lead


async def test_a_visitor_becomes_a_tenant(leads, tenants, application):
    request = application(email="  Ada@Acme.Example ", company_name="  Acme   AG ")
    lead = await leads.CreateLead(request)
    new = await read(leads, lead.lead_id)
    assert (new.state, new.email, new.company_name) == (lead_pb2.Lead.STATE_NEW, "ada@acme.example", "Acme AG")
    assert new.key_expire_time == lead.key_expire_time
    assert len(lead.key) >= 43  # 256 bits
    verified = await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))
    assert (await read(leads, lead.lead_id)).state == lead_pb2.Lead.STATE_VERIFIED
    assert (await read(leads, lead.lead_id)).tenant_id == ""  # a verified lead has no tenant yet
    answer = await leads.ConvertLead(
        pb.ConvertLeadRequest(
            lead_id=lead.lead_id, token=verified.token, key="acme-corp", domains=["Acme.example", "Bücher.example"]
        )
    )
    tenant = answer.tenant
    assert (answer.tenant_id, answer.key, answer.status) == (tenant.tenant_id, "acme-corp", "PENDING_PROVISION")
    assert tenant.domains == ["acme.example", "xn--bcher-kva.example"]
    assert (tenant.display_name, tenant.lead_id, tenant.address) == ("Acme AG", lead.lead_id, request.address)
    (contact,) = tenant.contacts
    assert (contact.email, contact.first_name, contact.primary) == ("ada@acme.example", "Ada", True)
    converted = await read(leads, lead.lead_id)
    assert (converted.state, converted.tenant_id) == (lead_pb2.Lead.STATE_CONVERTED, tenant.tenant_id)
    found = await tenants.GetTenantByKey(tenant_pb.GetTenantByKeyRequest(key="acme-corp"))
    assert found.tenant == tenant


async def test_nothing_kept_gives_a_key_or_a_token_away(admin, sign_up):
    lead = await sign_up(request_id=str(uuid4()))
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        rows = await admin.fetch(f'SELECT * FROM "{table}"')
        kept = repr([dict(row) for row in rows])
        assert lead.key not in kept, table
        assert lead.token not in kept, table


async def test_only_who_is_trusted_is_given_the_key(guarded, application, bearer):
    lead = await guarded.leads.CreateLead(application())
    assert (lead.key, bool(lead.lead_id)) == ("", True)
    request = pb.ResendLeadKeyRequest(lead_id=lead.lead_id)
    assert (await guarded.leads.ResendLeadKey(request)).key == ""
    assert (await guarded.leads.ResendLeadKey(request, metadata=bearer("tenants.leads.read"))).key == ""
    trusted = await guarded.leads.ResendLeadKey(request, metadata=bearer("tenants.lead_keys.read"))
    assert (await guarded.leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=trusted.key))).token


async def test_a_visitor_reads_no_leads(guarded, sign_up, refused, bearer):
    lead = await sign_up()
    token = (("authorization", f"Bearer {lead.token}"),)
    with refused("CREDENTIALS_MISSING", Kind.UNAUTHENTICATED):
        await guarded.leads.ListLeads(pb.ListLeadsRequest())
    with refused("TOKEN_INVALID", Kind.UNAUTHENTICATED):
        await guarded.leads.GetLead(pb.GetLeadRequest(lead_id=lead.lead_id), metadata=token)
    with refused("TENANT_MISMATCH", Kind.DENIED):
        await guarded.leads.ListLeads(
            pb.ListLeadsRequest(), metadata=bearer("tenants.leads.read", tenant_id=str(uuid4()))
        )
    assert (await guarded.leads.ListLeads(pb.ListLeadsRequest(), metadata=bearer("tenants.leads.read"))).leads


async def test_a_key_works_once(leads, sign_up, refused):
    lead = await sign_up()
    with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED, lead_id=lead.lead_id):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))


@pytest.mark.parametrize("key", ["", "wrong", "x" * 64])
async def test_another_key_does_not_work(leads, application, refused, key):
    lead = await leads.CreateLead(application())
    with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=key))
    await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))  # the right one still does


async def test_a_key_of_another_lead_does_not_work(leads, application, refused):
    one, other = await leads.CreateLead(application()), await leads.CreateLead(application())
    with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=one.lead_id, key=other.key))


async def test_a_key_may_come_as_bearer_token(leads, application):
    lead = await leads.CreateLead(application())
    bearer = (("authorization", f"Bearer {lead.key}"),)
    assert (await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id), metadata=bearer)).token


async def test_a_key_lives_five_minutes(leads, application, clock, refused):
    one, other = await leads.CreateLead(application()), await leads.CreateLead(application())
    clock.forward(minutes=5, seconds=-2)
    await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=one.lead_id, key=one.key))
    clock.forward(seconds=3)
    with refused("LEAD_KEY_EXPIRED", Kind.UNAUTHENTICATED, lead_id=other.lead_id):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=other.lead_id, key=other.key))
    renewed = await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=other.lead_id))
    await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=other.lead_id, key=renewed.key))


async def test_another_key_ends_the_one_before(leads, application, refused):
    lead = await leads.CreateLead(application())
    renewed = await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=lead.lead_id))
    with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))
    assert renewed.key != lead.key
    await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=renewed.key))


async def test_who_came_too_late_proves_the_address_once_more(leads, sign_up, clock, refused):
    lead = await sign_up()
    clock.forward(minutes=16)
    with refused("LEAD_TOKEN_EXPIRED", Kind.UNAUTHENTICATED, lead_id=lead.lead_id):
        await leads.ConvertLead(conversion(lead))
    renewed = await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=lead.lead_id))
    verified = await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=renewed.key))
    assert (await leads.ConvertLead(conversion(lead, token=verified.token))).tenant_id


async def test_a_proven_address_is_nobody_elses(leads, application, sign_up, refused):
    early = application()
    slow = await leads.CreateLead(early)
    lead = await sign_up(email=early.email)
    with refused("LEAD_EMAIL_VERIFIED", Kind.ALREADY_EXISTS):
        await leads.CreateLead(application(email=lead.email.upper()))
    with refused("LEAD_EMAIL_VERIFIED", Kind.ALREADY_EXISTS):
        await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=slow.lead_id))
    with refused("LEAD_EMAIL_VERIFIED", Kind.ALREADY_EXISTS):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=slow.lead_id, key=slow.key))


async def test_of_two_that_prove_one_address_at_once_one_wins(leads, application):
    request = application()
    both = [await leads.CreateLead(request) for _ in range(2)]
    answers = await asyncio.gather(
        *(leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key)) for lead in both),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, pb.VerifyLeadResponse) for answer in answers) == [False, True]


@pytest.mark.parametrize("method", ["GetLead", "VerifyLead", "ConvertLead", "ResendLeadKey"])
async def test_a_lead_that_is_none_is_not_found(leads, sign_up, refused, method):
    lead_id = str(uuid4())
    token = {"token": (await sign_up()).token, "key": "acme-none", "domains": ["a.example"]}
    request = getattr(pb, f"{method}Request")(lead_id=lead_id, **(token if method == "ConvertLead" else {}))
    reason, kind = "LEAD_NOT_FOUND", Kind.NOT_FOUND
    if method == "ConvertLead":  # its token cannot be this lead's
        reason, kind = "LEAD_TOKEN_OF_ANOTHER", Kind.DENIED
    with refused(reason, kind, lead_id=lead_id):
        await getattr(leads, method)(request)


async def test_a_conversion_needs_the_leads_own_token(leads, sign_up, refused):
    lead, other = await sign_up(), await sign_up()
    with refused("LEAD_TOKEN_MISSING", Kind.UNAUTHENTICATED):
        await leads.ConvertLead(conversion(lead, token=""))
    with refused("LEAD_TOKEN_OF_ANOTHER", Kind.DENIED):
        await leads.ConvertLead(conversion(lead, token=other.token))
    with refused("LEAD_TOKEN_INVALID", Kind.UNAUTHENTICATED):
        await leads.ConvertLead(conversion(lead, token="nonsense"))
    with refused("LEAD_TOKEN_INVALID", Kind.UNAUTHENTICATED):
        await leads.ConvertLead(conversion(lead, token=lead.key))
    bearer = (("authorization", f"bearer {lead.token}"),)
    assert (await leads.ConvertLead(conversion(lead, token=""), metadata=bearer)).tenant_id


def changed(token, part, **claims):
    """The token with claims changed, and the signature as it was."""
    parts = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    parts[part] = base64.urlsafe_b64encode(json.dumps(content | claims).encode()).decode().rstrip("=")
    return ".".join(parts)


async def test_a_forged_token_is_no_token(leads, sign_up, refused):
    lead, other = await sign_up(), await sign_up()
    forged = [
        changed(other.token, 1, sub=f"lead:{lead.lead_id}"),
        changed(lead.token, 1, exp=99999999999),
        changed(lead.token, 0, kid="another"),
        changed(lead.token, 0, alg="none"),
        changed(lead.token, 0, alg="HS256"),
        lead.token.rpartition(".")[0] + ".",
    ]
    for token in forged:
        with refused("LEAD_TOKEN_INVALID", Kind.UNAUTHENTICATED):
            await leads.ConvertLead(conversion(lead, token=token))


async def test_a_lead_becomes_one_tenant(leads, sign_up, refused):
    lead = await sign_up()
    first = await leads.ConvertLead(conversion(lead))
    with refused("LEAD_CONVERTED", Kind.ALREADY_EXISTS, lead_id=lead.lead_id):
        await leads.ConvertLead(conversion(lead, key="another-key"))
    with refused("LEAD_CONVERTED", Kind.ALREADY_EXISTS):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))
    with refused("LEAD_CONVERTED", Kind.ALREADY_EXISTS):
        await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=lead.lead_id))
    assert (await read(leads, lead.lead_id)).tenant_id == first.tenant_id


async def test_of_many_that_convert_one_lead_at_once_one_wins(leads, sign_up, admin):
    lead = await sign_up()
    requests = [conversion(lead, key=f"race-{lead.domain[:6]}-{number}") for number in range(8)]
    answers = await asyncio.gather(*(leads.ConvertLead(request) for request in requests), return_exceptions=True)
    (winner,) = [answer for answer in answers if isinstance(answer, pb.ConvertLeadResponse)]
    assert await admin.fetch("SELECT tenant_id::text FROM tenants WHERE lead_id = $1", lead.lead_id) == [
        (winner.tenant_id,)
    ]
    # The losers hold no key: what they asked for can be had.
    assert await admin.fetchval("SELECT count(*) FROM tenant_keys WHERE key LIKE $1", f"race-{lead.domain[:6]}-%") == 1


async def test_an_unproven_lead_makes_no_tenant(leads, application, lead_tokens, refused):
    lead = await leads.CreateLead(application())
    token, _ = await lead_tokens.issue(lead.lead_id)
    request = pb.ConvertLeadRequest(lead_id=lead.lead_id, token=token, key="unproven", domains=["a.example"])
    with refused("LEAD_NOT_VERIFIED", Kind.CONFLICT, lead_id=lead.lead_id):
        await leads.ConvertLead(request)


async def test_the_tenant_is_where_the_lead_is(leads, sign_up, refused):
    lead = await sign_up()
    with refused("LEAD_ADDRESS_MISMATCH", Kind.INVALID, lead_id=lead.lead_id):
        await leads.ConvertLead(conversion(lead, address={"country": "DE", "city": "Bern"}))
    same = {"country": "ch", "city": " Bern "}
    assert (await leads.ConvertLead(conversion(lead, address=same))).tenant.address.country == "CH"


async def test_the_lead_writes_from_a_domain_of_the_tenant(leads, sign_up, refused):
    lead = await sign_up()
    with refused("EMAIL_DOMAIN_FOREIGN", Kind.INVALID, field="contacts[0].email", domain=lead.domain):
        await leads.ConvertLead(conversion(lead, domains=["other.example"]))


async def test_nobody_signs_up_with_the_domain_of_a_mail_provider(leads, sign_up, tenants, refused, draft):
    lead = await sign_up()
    for domain in ("gmail.com", "GMX.ch", "outlook.co.uk."):
        form = domain.lower().removesuffix(".")
        with refused("DOMAIN_PUBLIC", Kind.INVALID, field="domains[1]", domain=form) as caught:
            await leads.ConvertLead(conversion(lead, domains=[lead.domain, domain]))
        assert [violation.field for violation in caught.fault.violations] == ["domains[1]"]
        with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND):
            await tenants.GetTenantByDomain(tenant_pb.GetTenantByDomainRequest(domain=domain))
    await leads.ConvertLead(conversion(lead, domains=[lead.domain, f"gmx.{lead.domain}"]))
    # Whoever may make tenants knows what is done there: the mail provider itself could be one.
    request = draft()
    request.domains.append("hotmail.fr")
    await tenants.CreateTenant(request)


async def test_others_may_be_contacts_beside_the_lead(leads, sign_up):
    lead = await sign_up()
    other = {"first_name": "Bob", "last_name": "B", "email": f"bob@{lead.domain}"}
    tenant = (await leads.ConvertLead(conversion(lead, contacts=[other], display_name="Acme Ltd"))).tenant
    assert [(contact.first_name, contact.primary) for contact in tenant.contacts] == [("Ada", True), ("Bob", False)]
    assert tenant.display_name == "Acme Ltd"


async def test_a_rehearsal_makes_nothing(leads, sign_up, tenants, refused):
    lead = await sign_up()
    rehearsed = await leads.ConvertLead(conversion(lead, validate_only=True))
    assert rehearsed.status == "PENDING_PROVISION"
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND):
        await tenants.GetTenant(tenant_pb.GetTenantRequest(tenant_id=rehearsed.tenant_id))
    assert (await leads.ConvertLead(conversion(lead))).key == rehearsed.key


async def test_the_database_holds_leads_to_their_states_too(leads, sign_up, admin):
    lead = await sign_up()
    await leads.ConvertLead(conversion(lead))
    for state in ("NEW", "VERIFIED"):
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute("UPDATE leads SET state = $2 WHERE lead_id = $1", lead.lead_id, state)


async def test_every_step_of_a_lead_leaves_an_event_without_a_person_in_it(leads, sign_up, admin):
    lead = await sign_up(first_name="Grace-Marie", last_name="O'Hopper")  # no identifier made by chance holds these
    await leads.ConvertLead(conversion(lead))
    events = await admin.fetch(
        "SELECT event_type, event_data::text, metadata ->> 'principal' AS principal FROM domain_events"
        " WHERE aggregate_type = 'lead' AND aggregate_id = $1 ORDER BY position",
        lead.lead_id,
    )
    assert [event["event_type"] for event in events] == ["lead.created", "lead.verified", "lead.converted"]
    for person in ("Grace-Marie", "Hopper", lead.email, lead.email.partition("@")[0] + "@"):
        assert all(person.lower() not in event["event_data"].lower() for event in events)
    assert {event["principal"] for event in events} == {"development"}
