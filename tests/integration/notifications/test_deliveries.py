"""The delivery log: once for each request, what became of each, and who sees what."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from tests.fixtures.notifications import INVITATION, environment, failure, over_smtp, request, serving, states

from faults import Kind
from postgreskit.catalog import tenancy_violations
from tenantmesh.notifications.v1 import delivery_pb2 as pb
from tenantmesh.notifications.v1 import suppression_pb2, template_pb2

TENANT = str(uuid4())
LINK = {"accept_url": "https://engines.example/join/very-secret-token"}


def fresh() -> str:
    return f"{uuid4().hex[:12]}@engines.example"


async def test_the_same_request_from_two_replicas_at_once_is_one_message(environ, mail_sink):
    told = {**environ, **over_smtp(mail_sink)}
    async with serving(told) as one, serving(told) as other:
        to = fresh()
        asked = request(to, tenant_id=TENANT)
        answers = await asyncio.gather(
            *(replica.stub.SendNotification(asked, timeout=30) for replica in (one, other, one, other))
        )
        assert [states(answer.recipients) for answer in answers] == [["SENT"]] * 4
        assert sorted(answer.created for answer in answers) == [False, False, False, True]
        assert len({answer.recipients[0].message_id for answer in answers}) == 1
        again = await other.stub.SendNotification(asked, timeout=30)
        assert (again.created, again.delivery) == (False, answers[0].delivery)
    assert len(mail_sink.mailbox.to(to)) == 1


async def test_a_request_id_is_good_for_one_request(service, refused):
    asked = request(fresh())
    await service.stub.SendNotification(asked)
    asked.variables["tenant_name"] = "Another"
    with refused("REQUEST_ID_REUSED", Kind.INVALID, request_id=asked.request_id):
        await service.stub.SendNotification(asked)
    asked.tenant_id = TENANT  # another tenant's requests are other requests
    assert (await service.stub.SendNotification(asked)).created


async def test_nothing_is_sent_when_one_message_cannot_be_written(service, mail_sink, refused):
    good, bad = fresh(), fresh()
    people = [{"email": good, "secret_variables": LINK}, {"email": bad}]
    asked = request(*people, template_id="invitation", variables=INVITATION)
    with refused("VARIABLE_MISSING", Kind.INVALID, variables="accept_url", recipient="1", template_id="invitation"):
        await service.stub.SendNotification(asked)
    with refused("DELIVERY_NOT_FOUND", Kind.NOT_FOUND):
        await service.stub.GetDelivery(pb.GetDeliveryRequest(delivery_id=str(uuid4())))
    assert not mail_sink.mailbox.to(good)
    asked.recipients[1].secret_variables.update(LINK)  # and the id was not used up
    assert states((await service.stub.SendNotification(asked)).recipients) == ["SENT", "SENT"]


@pytest.mark.parametrize(
    ("changes", "reason", "kind"),
    [
        ({"template_id": "farewell"}, "TEMPLATE_NOT_FOUND", Kind.NOT_FOUND),
        ({"variables": {}}, "VARIABLE_MISSING", Kind.INVALID),
        ({"variables": {"tenant_name": "x", "login_url": "javascript:x"}}, "VARIABLE_INVALID", Kind.INVALID),
        ({"recipients": []}, "REQUEST_INVALID", Kind.INVALID),
        ({"request_id": "x"}, "REQUEST_INVALID", Kind.INVALID),
        ({"variables": {"tenant_name": "x" * 4097}}, "REQUEST_INVALID", Kind.INVALID),
        ({"recipients": [{"email": "a@b\r\nBcc: c@d"}]}, "REQUEST_INVALID", Kind.INVALID),
        ({"branding": {"sender_name": "A\r\nBcc: x"}}, "REQUEST_INVALID", Kind.INVALID),
    ],
)
async def test_bad_requests_are_refused_whole(service, refused, changes, reason, kind):
    said = {"request_id": str(uuid4()), "template_id": "welcome", "recipients": [{"email": fresh()}]}
    with refused(reason, kind):
        await service.stub.SendNotification(pb.SendNotificationRequest(**said | changes))


async def test_an_oversized_payload_is_refused(service, refused):
    people = [{"email": fresh(), "variables": {f"v{n}": "x" * 4096 for n in range(64)}} for _ in range(20)]
    with refused("MESSAGE_TOO_LARGE", Kind.EXHAUSTED):
        await service.stub.SendNotification(request(*people))


async def test_an_address_that_is_none_harms_nobody_else(service, mail_sink):
    good = fresh()
    answer = await service.send("nobody", good, f" {good.upper()} ", "a@b@c.example")
    assert states(answer.recipients) == ["FAILED", "SENT", "FAILED"], "and who stands there twice stands there once"
    assert [failure(one) for one in answer.recipients] == ["ADDRESS_INVALID", "UNSPECIFIED", "ADDRESS_INVALID"]
    assert answer.delivery.state == pb.DELIVERY_STATE_PARTLY_SENT
    assert len(mail_sink.mailbox.to(good)) == 1
    nobody = await service.send("nobody")
    assert nobody.delivery.state == pb.DELIVERY_STATE_NOT_SENT


async def test_validate_only_sends_and_keeps_nothing(service, mail_sink, refused):
    good = fresh()
    asked = request(good, "nobody", {"email": fresh(), "language": "fr-CA"}, validate_only=True)
    answer = await service.stub.SendNotification(asked)
    assert states(answer.recipients) == ["QUEUED", "FAILED", "QUEUED"]
    assert not answer.created
    assert answer.recipients[2].language == "fr"
    with refused("DELIVERY_NOT_FOUND", Kind.NOT_FOUND):
        await service.stub.GetDelivery(pb.GetDeliveryRequest(delivery_id=answer.delivery.delivery_id))
    asked.validate_only = False
    assert (await service.stub.SendNotification(asked)).created
    assert len(mail_sink.mailbox.to(good)) == 1


async def test_everybody_reads_their_own_language(service, mail_sink):
    people = [{"email": fresh()}, {"email": fresh(), "language": "de-CH"}, {"email": fresh(), "language": "pt"}]
    answer = await service.send(*people, language="fr")
    assert [one.language for one in answer.recipients] == ["fr", "de", "fr"]
    assert "bereit" in mail_sink.mailbox.to(people[1]["email"])[0].subject


async def test_a_delivery_is_read_and_listed_by_its_tenant(service, refused):
    tenant, operation, to = str(uuid4()), f"operation-{uuid4()}", fresh()
    sent = await service.send(to, tenant_id=tenant, operation_id=operation)
    await service.send(fresh(), tenant_id=tenant)
    read = await service.stub.GetDelivery(
        pb.GetDeliveryRequest(tenant_id=tenant, delivery_id=sent.delivery.delivery_id)
    )
    assert (read.delivery, list(read.recipients)) == (sent.delivery, list(sent.recipients))
    for other in (str(uuid4()), ""):
        with refused("DELIVERY_NOT_FOUND", Kind.NOT_FOUND, delivery_id=sent.delivery.delivery_id):
            await service.stub.GetDelivery(
                pb.GetDeliveryRequest(tenant_id=other, delivery_id=sent.delivery.delivery_id)
            )

    async def listed(**wanted):
        answer = await service.stub.ListDeliveries(pb.ListDeliveriesRequest(**wanted))
        return [one.delivery_id for one in answer.deliveries]

    mine = sent.delivery.delivery_id
    assert len(await listed(tenant_id=tenant)) == 2
    assert await listed(operation_id=operation) == [mine]
    assert await listed(email=to.upper()) == [mine]
    assert await listed(tenant_id=tenant, template_id="resumed") == []
    assert await listed(tenant_id=tenant, state="DELIVERY_STATE_NOT_SENT") == []
    assert await listed(tenant_id=tenant, until_time=datetime.now(UTC) - timedelta(hours=1)) == []
    assert len(await listed(tenant_id=tenant, from_time=datetime.now(UTC) - timedelta(hours=1))) == 2


async def test_lists_come_in_pages_newest_first(service, refused):
    tenant = str(uuid4())
    for _ in range(5):
        await service.send(fresh(), tenant_id=tenant)
    wanted, found = pb.ListDeliveriesRequest(tenant_id=tenant, page_size=2), []
    while True:
        page = await service.stub.ListDeliveries(wanted)
        found += page.deliveries
        if not page.next_page_token:
            break
        wanted.page_token = page.next_page_token
    times = [one.create_time.ToNanoseconds() for one in found]
    assert len({one.delivery_id for one in found}) == 5
    assert times == sorted(times, reverse=True)
    with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
        await service.stub.ListDeliveries(
            pb.ListDeliveriesRequest(tenant_id=str(uuid4()), page_token=wanted.page_token)
        )


async def test_what_messages_are_written_from_is_sealed_and_goes(service, owner):
    tenant = str(uuid4())
    answer = await service.send(
        {"email": fresh(), "secret_variables": LINK}, template_id="invitation", tenant_id=tenant, variables=INVITATION
    )
    assert "very-secret-token" not in str(answer)
    rows = await owner.fetch("SELECT content FROM recipients WHERE delivery_id = $1", answer.delivery.delivery_id)
    rows += await owner.fetch("SELECT content FROM deliveries WHERE delivery_id = $1", answer.delivery.delivery_id)
    assert [row["content"] for row in rows] == [None, None]


async def test_a_tenant_sees_its_own_rows_and_nobody_elses(service, environ):
    await service.send(fresh(), tenant_id=TENANT)
    await service.send(fresh())
    connection = await asyncpg.connect(environ["DATABASE_URL"])
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.tenant_id = '{uuid4()}'")
            for table in ("deliveries", "recipients", "suppressions"):
                assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    finally:
        await connection.close()


@pytest.mark.usefixtures("service")
async def test_the_tables_keep_the_rules_of_tenancy(owner, environ):
    role = environ["DATABASE_URL"].split("//")[1].split(":")[0]
    assert await tenancy_violations(owner, role=role, reference_tables=set()) == []


async def test_templates_are_listed_and_previewed(service, refused):
    listed = await service.stub.ListTemplates(template_pb2.ListTemplatesRequest(page_size=7))
    rest = await service.stub.ListTemplates(template_pb2.ListTemplatesRequest(page_token=listed.next_page_token))
    names = [one.template_id for one in (*listed.templates, *rest.templates)]
    assert len(names) == 12
    assert names == sorted(names)
    assert not rest.next_page_token
    read = await service.stub.GetTemplate(template_pb2.GetTemplateRequest(template_id="invitation"))
    secret = [one.name for one in read.template.variables if one.confidential]
    assert (list(read.template.languages), secret) == (["en", "de", "fr"], ["accept_url"])
    preview = template_pb2.PreviewTemplateRequest(template_id="invitation", language="de", fill_samples=True)
    shown = await service.stub.PreviewTemplate(preview)
    assert shown.subject.startswith("Charles Babbage lädt ")
    assert shown.html.startswith("<!doctype html>")
    assert "Einladung annehmen" in shown.text
    assert shown.language == "de"
    preview.fill_samples = False
    with refused("VARIABLE_MISSING", Kind.INVALID):
        await service.stub.PreviewTemplate(preview)
    with refused("TEMPLATE_NOT_FOUND", Kind.NOT_FOUND):
        await service.stub.GetTemplate(template_pb2.GetTemplateRequest(template_id="farewell"))


async def test_the_suppression_list_holds_messages_back(service, mail_sink):
    tenant, blocked, declined = str(uuid4()), fresh(), fresh()
    for email, scope in ((blocked.upper(), "EVERYTHING"), (declined, "OPTIONAL")):
        added = await service.stub.AddSuppression(
            suppression_pb2.AddSuppressionRequest(tenant_id=tenant, email=email, scope=f"SUPPRESSION_SCOPE_{scope}")
        )
        assert added.created
    welcome = await service.send(blocked, declined, tenant_id=tenant)
    assert states(welcome.recipients) == ["SUPPRESSED", "SENT"]
    assert not welcome.recipients[0].delivered
    assert welcome.recipients[0].provider == ""
    reminder = await service.send(
        blocked, declined, template_id="invitation-reminder", tenant_id=tenant,
        variables=INVITATION, secret_variables=LINK,
    )  # fmt: skip
    assert states(reminder.recipients) == ["SUPPRESSED", "SUPPRESSED"]
    assert reminder.delivery.state == pb.DELIVERY_STATE_NOT_SENT
    other = await service.send(blocked, tenant_id=str(uuid4()))
    assert states(other.recipients) == ["SENT"], "another tenant's list is another list"
    assert len(mail_sink.mailbox.to(blocked)) == 1


async def test_everybodys_suppressions_hold_for_every_tenant(service, refused):
    email = fresh()
    add = suppression_pb2.AddSuppressionRequest(email=email, scope="SUPPRESSION_SCOPE_OPTIONAL", detail="by hand")
    first, second = await service.stub.AddSuppression(add), await service.stub.AddSuppression(add)
    assert (first.created, second.created, first.suppression) == (True, False, second.suppression)
    add.scope, add.cause = suppression_pb2.SUPPRESSION_SCOPE_EVERYTHING, suppression_pb2.SUPPRESSION_CAUSE_BOUNCED
    assert (await service.stub.AddSuppression(add)).created, "what says more takes the place of what says less"
    asked = request(email, tenant_id=str(uuid4()), validate_only=True)
    assert states((await service.stub.SendNotification(asked)).recipients) == ["SUPPRESSED"]
    tenants = await service.stub.ListSuppressions(
        suppression_pb2.ListSuppressionsRequest(tenant_id=str(uuid4()), email=email)
    )
    assert [one.email for one in tenants.suppressions] == [email]
    remove = suppression_pb2.RemoveSuppressionRequest(suppression_id=first.suppression.suppression_id)
    assert (await service.stub.RemoveSuppression(remove)).existed
    assert not (await service.stub.RemoveSuppression(remove)).existed
    assert states((await service.send(email)).recipients) == ["SENT"]
    with refused("ADDRESS_INVALID", Kind.INVALID):
        await service.stub.AddSuppression(
            suppression_pb2.AddSuppressionRequest(email="a@b@c", scope="SUPPRESSION_SCOPE_OPTIONAL")
        )


async def test_one_click_declines_what_can_be_declined(service, mail_sink, refused):
    email, tenant = fresh(), str(uuid4())
    reminder = {"template_id": "invitation-reminder", "variables": INVITATION, "secret_variables": LINK}
    await service.send(email, tenant_id=tenant, **reminder)
    [mail] = mail_sink.mailbox.to(email)
    link = mail.message["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://mesh.example/unsubscribe/")
    assert email not in link
    token = link.rpartition("/")[2]
    for created in (True, False):
        answer = await service.stub.Unsubscribe(suppression_pb2.UnsubscribeRequest(unsubscribe_token=token))
        assert answer.created is created
    assert states((await service.send(email, tenant_id=tenant, **reminder)).recipients) == ["SUPPRESSED"]
    assert states((await service.send(email, tenant_id=tenant)).recipients) == ["SENT"]
    with refused("UNSUBSCRIBE_TOKEN_INVALID", Kind.INVALID):
        await service.stub.Unsubscribe(suppression_pb2.UnsubscribeRequest(unsubscribe_token="x" * 43))


async def test_logging_sends_nothing_and_does_not_claim_it(postgres, caplog):
    caplog.set_level("INFO")
    async with serving(await environment(postgres, NOTIFICATION_PROVIDER="logging")) as service:
        answer = await service.send(
            {"email": "ada@engines.example", "secret_variables": LINK}, template_id="invitation", variables=INVITATION
        )
    [one] = answer.recipients
    assert (states([one]), one.delivered, one.provider) == (["SKIPPED"], False, "logging")
    assert answer.delivery.state == pb.DELIVERY_STATE_NOT_SENT
    assert "would send a message" in caplog.text
    assert "very-secret-token" not in caplog.text


async def test_memory_keeps_what_it_was_given(postgres):
    async with serving(await environment(postgres, NOTIFICATION_PROVIDER="memory")) as service:
        one = await service.send_one()
        [message] = service.providers["memory"].messages
    assert states([one]) == ["SENT"]
    assert message.recipient.email == "ada@engines.example"
    assert message.sender.name == "Acme Cloud"


async def test_a_broken_template_of_theirs_is_named_at_the_start(postgres, tmp_path, caplog):
    (tmp_path / "welcome").mkdir()
    (tmp_path / "welcome" / "de.j2").write_text("{% extends layout %}\n{% block subject %}s{% endblock %}\n{% if %}")
    told = await environment(postgres, NOTIFICATION_PROVIDER="memory", NOTIFICATION_TEMPLATES=str(tmp_path))
    ready = {"tenant_name": "Analytical Engines", "login_url": "https://engines.example/login"}
    async with serving(told) as service:
        [named] = [one for one in caplog.records if one.getMessage() == "a template cannot be used"]
        assert (named.template, named.levelname) == ("welcome", "ERROR")
        assert named.problem.startswith("welcome/de.j2, line 3: ")
        assert states([await service.send_one(template_id="resumed", variables=ready)]) == ["SENT"], "others go on"
