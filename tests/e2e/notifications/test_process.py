"""The notifications process as an operator starts it: through the gateway, killed in the middle, told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from uuid import uuid4

import aiohttp
import grpc
import pytest_asyncio
from tests.fixtures.mailreports import WEBHOOK_SECRET, resend_event, svix_headers
from tests.fixtures.mailservers import SILENCE, mail_server
from tests.fixtures.notifications import INVITATION, environment, failure, over_smtp, request, states
from tests.fixtures.processes import service

from tenantmesh.notifications.v1 import delivery_pb2 as pb
from tenantmesh.notifications.v1 import notification_service_pb2_grpc as rpc

LINK = "https://engines.example/join/very-secret-token"


@pytest_asyncio.fixture(scope="module")
async def notifications(postgres, mail_sink):
    reporting = {"RESEND_ENABLED": "false", "RESEND_WEBHOOK_SECRET": WEBHOOK_SECRET}
    told = over_smtp(mail_sink) | {"NOTIFICATION_PROVIDER": "smtp,resend"} | reporting
    async with service("notifications", **await _told(postgres, **told)) as process:
        yield process


@pytest_asyncio.fixture(scope="module")
async def call(gateway, notifications):
    """Calls the gateway with JSON: answers the status and the body."""
    url = (await gateway({"notifications": notifications.address})).url
    async with aiohttp.ClientSession(url) as session:

        async def call(method, path, body=None, **more):
            async with session.request(method, path, **({"json": body} if body is not None else {}), **more) as answer:
                return answer.status, await answer.json()

        yield call


async def _told(postgres, **more):
    told = await environment(postgres, **more)
    return {name: value for name, value in told.items() if name not in {"MESH_MODE", "RPC_PORT", "OPS_PORT"}}


def invitation(email):
    return {
        "requestId": str(uuid4()), "templateId": "invitation-reminder", "recipients": [{"email": email}],
        "variables": INVITATION, "secretVariables": {"accept_url": LINK},
    }  # fmt: skip


async def test_by_json_through_the_gateway(call, mail_sink):
    tenant, email = str(uuid4()), f"{uuid4().hex}@engines.example"
    status, sent = await call("POST", f"/tenants/{tenant}/notifications", invitation(email))
    assert (status, sent["recipients"][0]["state"], sent["recipients"][0]["delivered"]) == (
        200, "RECIPIENT_STATE_SENT", True,
    )  # fmt: skip
    mail = await mail_sink.mailbox.wait(lambda one: email in one.recipients)
    assert LINK in mail.text
    delivery = sent["delivery"]["deliveryId"]
    status, read = await call("GET", f"/tenants/{tenant}/notifications/{delivery}")
    assert (status, read["delivery"]["state"]) == (200, "DELIVERY_STATE_SENT")
    status, listed = await call("GET", f"/tenants/{tenant}/notifications")
    assert [one["deliveryId"] for one in listed["deliveries"]] == [delivery]
    status, refused = await call("POST", "/notifications", {**invitation(email), "templateId": "farewell"})
    assert (status, refused["details"][0]["reason"]) == (404, "TEMPLATE_NOT_FOUND")

    # What a mail program does when somebody clicks "unsubscribe" (RFC 8058), and what scanners do.
    path = "/" + mail.message["List-Unsubscribe"].strip("<>").split("/", 3)[3]
    form = {"data": {"List-Unsubscribe": "One-Click"}}
    assert (await call("GET", path))[0] in {404, 405}
    assert await call("POST", path, **form) == (200, {"created": True})
    assert (await call("POST", path, **form))[1]["created"] is False
    status, held = await call("POST", f"/tenants/{tenant}/notifications", invitation(email))
    assert held["recipients"][0]["state"] == "RECIPIENT_STATE_SUPPRESSED"


async def test_reports_come_through_the_gateway_as_they_were_signed(call):
    body = resend_event("email.delivered", "somebody-elses", subject="Grüezi  {}\n") + b" \n"
    headers = {"Content-Type": "application/json", **svix_headers(body)}
    assert await call("POST", "/delivery-reports/resend", data=body, headers=headers) == (200, {"changed": False})
    status, refused = await call("POST", "/delivery-reports/resend", data=body + b" ", headers=headers)
    assert (status, refused["details"][0]["reason"]) == (401, "SIGNATURE_INVALID")
    status, refused = await call("POST", "/delivery-reports/ses", data=b"{}", headers={"Content-Type": "text/plain"})
    assert (status, refused["details"][0]["reason"]) == (404, "REPORTS_NOT_TAKEN")


async def test_a_killed_process_sends_nothing_twice_and_forgets_nobody(postgres):
    """The server has one mail and has not said so when the process dies; other mails were not begun."""
    people = ["taken@engines.example", "waiting@engines.example"]
    async with mail_server() as mails:
        told = await _told(
            postgres, NOTIFICATION_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=str(mails.port), SMTP_TLS="none",
            NOTIFICATION_CONCURRENCY="1", SMTP_TIMEOUT="60s", NOTIFICATION_LEASE="5s",
        )  # fmt: skip
        mails.once("AFTER", SILENCE)
        asked = request(*people)
        async with service("notifications", **told) as first, grpc.aio.insecure_channel(first.address) as channel:
            call = rpc.NotificationServiceStub(channel).SendNotification(asked)
            await asyncio.wait_for(mails.some.wait(), 30)
            first.process.send_signal(signal.SIGKILL)
            await first.ended()
            call.cancel()
        async with service("notifications", **told) as second, grpc.aio.insecure_channel(second.address) as channel:
            answer = await rpc.NotificationServiceStub(channel).SendNotification(asked, timeout=60)
            assert not answer.created
            assert states(answer.recipients) == ["FAILED", "SENT"]
            assert failure(answer.recipients[0]) == "OUTCOME_UNKNOWN"
            second.process.send_signal(signal.SIGTERM)
            assert await second.ended() == 0
        assert sorted(to for to, _ in mails.kept) == people


async def test_who_is_told_to_stop_finishes_what_is_in_hand(postgres, mail_sink):
    told = await _told(postgres, **over_smtp(mail_sink))
    people = [f"{uuid4().hex}@engines.example" for _ in range(50)]
    asked = request(*people)
    async with service("notifications", **told) as first, grpc.aio.insecure_channel(first.address) as channel:
        stub = rpc.NotificationServiceStub(channel)
        sending = asyncio.ensure_future(stub.SendNotification(asked, timeout=30))
        await mail_sink.mailbox.wait(lambda one: one.recipients[0] in people)
        first.process.send_signal(signal.SIGTERM)
        answer = await sending
        assert await first.ended() == 0
        assert states(answer.recipients) == ["SENT"] * 50, "the call in flight is answered first"
        assert not [line for line in first.lines if "Traceback" in line]
    assert all(len(mail_sink.mailbox.to(one)) == 1 for one in people)


async def test_tables_are_brought_up_to_date_by_an_errand(postgres, mail_sink):
    told = {**await _told(postgres, **over_smtp(mail_sink)), "MESH_MODE": "development"}
    errand = [sys.executable, "-m", "notifications_service", "migrate"]
    process = await asyncio.create_subprocess_exec(*errand, env={**os.environ, **told})
    assert await process.wait() == 0
    del told["ADMIN_DATABASE_URL"], told["MESH_MODE"]  # who serves needs no rights of an owner
    async with service("notifications", **told) as served, grpc.aio.insecure_channel(served.address) as channel:
        listed = await rpc.NotificationServiceStub(channel).ListDeliveries(pb.ListDeliveriesRequest())
        assert not listed.deliveries
