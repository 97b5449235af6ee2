"""What providers report: on record once, never backwards; and addresses that bounce are written to no more."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

import pytest
from google.api import httpbody_pb2
from tests.fixtures.mailreports import WEBHOOK_SECRET, resend_event, svix_headers
from tests.fixtures.mailvendors import Resend
from tests.fixtures.notifications import environment, failure, serving, states

from faults import Kind
from tenantmesh.notifications.v1 import delivery_pb2 as pb
from tenantmesh.notifications.v1 import suppression_pb2

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
PERMANENT = {"bounce": {"type": "Permanent", "message": "550 5.1.1 no such user"}}
TRANSIENT = {"bounce": {"type": "Transient", "message": "452 4.2.2 mailbox full"}}


@pytest.fixture
async def desk(postgres):
    """A service that sends by Resend, and takes what Resend reports."""
    async with Resend().running() as resend:
        told = await environment(
            postgres, NOTIFICATION_PROVIDER="resend", RESEND_API_KEY=resend.key, RESEND_URL=resend.url,
            RESEND_REQUESTS_PER_SECOND="1000", RESEND_WEBHOOK_SECRET=WEBHOOK_SECRET,
        )  # fmt: skip
        async with serving(told) as service:

            async def report(kind, message_id, *, provider="resend", headers=None, **data):
                body = resend_event(kind, message_id, **data)
                asked = pb.ReportDeliveryRequest(provider=provider, body=httpbody_pb2.HttpBody(data=body))
                signed = svix_headers(body) if headers is None else headers
                answer = await service.stub.ReportDelivery(asked, timeout=10, metadata=list(signed.items()))
                return answer.changed

            async def sent(email=None):
                answer = await service.send(email or f"{uuid4().hex}@engines.example", tenant_id=TENANT)
                return answer.delivery, answer.recipients[0]

            async def read(delivery):
                asked = pb.GetDeliveryRequest(tenant_id=TENANT, delivery_id=delivery.delivery_id)
                answer = await service.stub.GetDelivery(asked)
                return answer.delivery, answer.recipients[0]

            yield SimpleNamespace(report=report, sent=sent, read=read, service=service, stub=service.stub)


async def entries(desk, email):
    listed = await desk.stub.ListSuppressions(suppression_pb2.ListSuppressionsRequest(tenant_id=TENANT, email=email))
    return [suppression_pb2.SuppressionCause.Name(one.cause) for one in listed.suppressions]


async def test_what_arrived_is_delivered_once(desk):
    delivery, one = await desk.sent()
    assert await desk.report("email.delivered", one.message_id)
    whole, now = await desk.read(delivery)
    assert (states([now]), now.delivered, dict(whole.counts)) == (["DELIVERED"], True, {"DELIVERED": 1})
    assert whole.state == pb.DELIVERY_STATE_SENT
    assert not await desk.report("email.delivered", one.message_id), "a second time it changes nothing"
    assert not await desk.report("email.opened", one.message_id)
    assert await entries(desk, one.email) == []


async def test_who_bounces_is_written_to_no_more(desk):
    delivery, one = await desk.sent()
    assert await desk.report("email.bounced", one.message_id, **PERMANENT)
    whole, now = await desk.read(delivery)
    assert (states([now]), failure(now), now.delivered) == (["FAILED"], "BOUNCED", False)
    assert (now.detail, whole.state) == ("550 5.1.1 no such user", pb.DELIVERY_STATE_NOT_SENT)
    assert await entries(desk, one.email) == ["SUPPRESSION_CAUSE_BOUNCED"]
    assert not await desk.report("email.bounced", one.message_id, **PERMANENT)
    assert states([(await desk.sent(one.email))[1]]) == ["SUPPRESSED"]
    retry = pb.RetryDeliveryRequest(tenant_id=TENANT, delivery_id=delivery.delivery_id, include_unknown=True)
    assert (await desk.stub.RetryDelivery(retry)).retried == 0, "what came back is not sent again"


@pytest.mark.parametrize("order", [("email.delivered", "email.bounced"), ("email.bounced", "email.delivered")])
async def test_the_log_never_goes_backwards(desk, order):
    delivery, one = await desk.sent()
    for kind in order:
        await desk.report(kind, one.message_id, **PERMANENT)
    _, now = await desk.read(delivery)
    assert (states([now]), failure(now)) == (["FAILED"], "BOUNCED")


async def test_a_full_mailbox_is_no_reason_never_to_write_again(desk):
    delivery, one = await desk.sent()
    assert await desk.report("email.bounced", one.message_id, **TRANSIENT)
    assert failure((await desk.read(delivery))[1]) == "BOUNCED"
    assert await entries(desk, one.email) == []


async def test_who_complains_has_it_and_is_written_to_no_more(desk):
    delivery, one = await desk.sent()
    assert await desk.report("email.complained", one.message_id)
    assert states([(await desk.read(delivery))[1]]) == ["DELIVERED"]
    assert await entries(desk, one.email) == ["SUPPRESSION_CAUSE_COMPLAINED"]
    assert not await desk.report("email.complained", one.message_id)


async def test_what_an_end_in_between_left_out_is_made_good(desk):
    _, one = await desk.sent()
    await desk.report("email.bounced", one.message_id, **PERMANENT)
    listed = await desk.stub.ListSuppressions(
        suppression_pb2.ListSuppressionsRequest(tenant_id=TENANT, email=one.email)
    )
    await desk.stub.RemoveSuppression(
        suppression_pb2.RemoveSuppressionRequest(tenant_id=TENANT, suppression_id=listed.suppressions[0].suppression_id)
    )
    assert await desk.report("email.bounced", one.message_id, **PERMANENT)
    assert await entries(desk, one.email) == ["SUPPRESSION_CAUSE_BOUNCED"]


async def test_a_message_that_nobody_here_has_sent_changes_nothing(desk):
    assert not await desk.report("email.bounced", "somebody-elses", **PERMANENT)


@pytest.mark.parametrize(
    ("changes", "reason", "kind"),
    [
        ({"headers": {}}, "SIGNATURE_INVALID", Kind.UNAUTHENTICATED),
        ({"headers": svix_headers(b"another body")}, "SIGNATURE_INVALID", Kind.UNAUTHENTICATED),
        ({"provider": "ses"}, "REPORTS_NOT_TAKEN", Kind.NOT_FOUND),
        ({"provider": "nobody"}, "REPORTS_NOT_TAKEN", Kind.NOT_FOUND),
    ],
)
async def test_whoever_cannot_show_who_he_is_changes_nothing(desk, refused, changes, reason, kind):
    delivery, one = await desk.sent()
    with refused(reason, kind):
        await desk.report("email.bounced", one.message_id, **PERMANENT, **changes)
    assert states([(await desk.read(delivery))[1]]) == ["SENT"]
    assert await entries(desk, one.email) == []


async def test_a_report_that_is_sent_again_much_later_is_refused(desk, refused):
    delivery, one = await desk.sent()
    body = resend_event("email.bounced", one.message_id)
    with refused("SIGNATURE_EXPIRED", Kind.UNAUTHENTICATED, provider="resend"):
        await desk.report("email.bounced", one.message_id, headers=svix_headers(body, age=600))
    assert states([(await desk.read(delivery))[1]]) == ["SENT"]


async def test_an_oversized_report_is_refused(desk, refused):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await desk.stub.ReportDelivery(
            pb.ReportDeliveryRequest(provider="resend", body=httpbody_pb2.HttpBody(data=b"x" * 262145))
        )
