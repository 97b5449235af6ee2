"""Many recipients: sent side by side up to a bound, told one by one, retried where they failed, stopped on demand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.fixtures.mailservers import mail_server
from tests.fixtures.notifications import INVITATION, environment, failure, request, serving, states
from tests.fixtures.servers import Postgres, server

from faults import Kind
from localstack.servers.postgres import POSTGRES
from tenantmesh.notifications.v1 import delivery_pb2 as pb

LINK = {"accept_url": "https://engines.example/join/very-secret-token"}


def watch(service, delivery, tenant=""):
    return service.stub.WatchDelivery(
        pb.WatchDeliveryRequest(tenant_id=tenant, delivery_id=delivery.delivery_id), timeout=60
    )


async def test_a_thousand_are_sent_once_each_and_told_one_by_one(bad_days):
    people = [f"p{number}@engines.example" for number in range(1000)]
    async with bad_days(SMTP_CONNECTIONS="4", NOTIFICATION_CONCURRENCY="16") as day:
        asked = request(*people, tenant_id=str(uuid4()))
        sending = asyncio.ensure_future(day.service.stub.SendNotification(asked, timeout=60))
        await asyncio.wait_for(day.mails.some.wait(), 30)
        listed = await day.service.stub.ListDeliveries(pb.ListDeliveriesRequest(tenant_id=asked.tenant_id))
        [delivery] = listed.deliveries
        told = [one async for one in watch(day.service, delivery, asked.tenant_id)]
        answer = await sending
        assert states(answer.recipients) == ["SENT"] * 1000
        assert [one.email for one in answer.recipients] == people
        assert sorted(one.recipient.email for one in told if one.HasField("recipient")) == sorted(people)
        assert told[-1].delivery.state == pb.DELIVERY_STATE_SENT
        assert len({one.delivery.counts["SENT"] for one in told}) > 3, "as it happened, not all at the end"
        assert sorted(to for to, _ in day.mails.kept) == sorted(people)
        assert day.mails.connections <= 4 * (1 + 1000 // 100)


async def test_a_retry_sends_only_to_those_who_failed(bad_days, refused):
    people = [f"p{number}@engines.example" for number in range(10)]
    async with bad_days(NOTIFICATION_ATTEMPTS="1") as day:
        for bad in (people[3], people[7]):
            day.mails.always["RCPT", bad] = "450 4.2.1 mailbox busy"
        first = await day.send(*people, "nobody", template_id="invitation", variables=INVITATION, secret_variables=LINK)
        assert dict(first.delivery.counts) == {"SENT": 8, "FAILED": 3}
        day.mails.always.clear()
        retry = pb.RetryDeliveryRequest(delivery_id=first.delivery.delivery_id)
        assert (await day.service.stub.RetryDelivery(retry)).retried == 2, "an address that is none stays one"
        told = [one async for one in watch(day.service, first.delivery)]
        assert dict(told[-1].delivery.counts) == {"SENT": 10, "FAILED": 1}
        assert sorted(to for to, _ in day.mails.kept) == people
        assert all(b"very-secret-token" in content for _, content in day.mails.kept)
        again = await day.service.stub.RetryDelivery(retry)
        assert (again.retried, len(day.mails.kept)) == (0, 10)
        with refused("DELIVERY_NOT_FOUND", Kind.NOT_FOUND):
            await day.service.stub.RetryDelivery(
                pb.RetryDeliveryRequest(delivery_id=first.delivery.delivery_id, tenant_id=str(uuid4()))
            )


async def test_whoever_may_have_it_is_asked_for_by_name(bad_days):
    async with bad_days() as day:
        day.mails.once("AFTER", "cut")
        first = await day.send("ada@engines.example")
        assert failure(first.recipients[0]) == "OUTCOME_UNKNOWN"
        retry = pb.RetryDeliveryRequest(delivery_id=first.delivery.delivery_id)
        assert (await day.service.stub.RetryDelivery(retry)).retried == 0
        retry.include_unknown = True
        assert (await day.service.stub.RetryDelivery(retry)).retried == 1
        [*_, last] = [one async for one in watch(day.service, first.delivery)]
        assert last.delivery.state == pb.DELIVERY_STATE_SENT
        both = day.mails.to("ada@engines.example")
        assert (len(both), both[0]) == (2, both[1]), "the same, Message-ID included, so that a mail program can tell"


async def test_what_is_no_longer_kept_cannot_be_retried(bad_days, refused):
    async with bad_days(NOTIFICATION_ATTEMPTS="1", NOTIFICATION_CONTENT_KEPT="0s") as day:
        day.mails.always["RCPT", "ada@engines.example"] = "450 busy"
        first = await day.send("ada@engines.example")
        await day.service.providers["sender"]._queue.forget()
        with refused("VARIABLES_EXPIRED", Kind.CONFLICT, delivery_id=first.delivery.delivery_id):
            await day.service.stub.RetryDelivery(pb.RetryDeliveryRequest(delivery_id=first.delivery.delivery_id))


async def test_who_still_waits_can_be_left_out(bad_days):
    people = [f"p{number}@engines.example" for number in range(20)]
    async with bad_days(NOTIFICATION_CONCURRENCY="1", SMTP_CONNECTIONS="1") as day:
        day.mails.once("RCPT", "silence")
        sending = asyncio.ensure_future(day.service.stub.SendNotification(request(*people), timeout=60))
        await asyncio.wait_for(day.mails.silent.wait(), 30)
        [delivery] = (await day.service.stub.ListDeliveries(pb.ListDeliveriesRequest())).deliveries
        answer = await day.service.stub.CancelDelivery(pb.CancelDeliveryRequest(delivery_id=delivery.delivery_id))
        assert answer.cancelled == 19
        final = await sending
        assert states(final.recipients) == ["SENT"] + ["CANCELLED"] * 19
        assert len(day.mails.kept) == 1
        again = await day.service.stub.CancelDelivery(pb.CancelDeliveryRequest(delivery_id=delivery.delivery_id))
        assert again.cancelled == 0


async def test_a_call_is_answered_before_its_deadline_and_the_rest_is_sent_all_the_same(bad_days):
    async with bad_days(NOTIFICATION_RETRY_PAUSE="12s") as day:
        day.mails.once("RCPT", "451 4.7.1 greylisted")
        answer = await day.service.stub.SendNotification(request("ada@engines.example"), timeout=8)
        assert (states(answer.recipients), answer.delivery.state) == (["QUEUED"], pb.DELIVERY_STATE_SENDING)
        [*_, last] = [one async for one in watch(day.service, answer.delivery)]
        assert (states([last.recipient]), last.recipient.attempts) == (["SENT"], 2)


async def test_a_watch_of_nothing_ends_at_once(service, refused):
    sent = await service.send()
    told = [one async for one in watch(service, sent.delivery)]
    assert [one.recipient.email for one in told] == ["ada@engines.example"]
    with refused("DELIVERY_NOT_FOUND", Kind.NOT_FOUND):
        async for _ in service.stub.WatchDelivery(pb.WatchDeliveryRequest(delivery_id=str(uuid4()))):
            pass


async def test_a_silent_delivery_gives_signs_of_life(bad_days, monkeypatch):
    monkeypatch.setattr("notifications_service.deliveries.service._SIGN_OF_LIFE", timedelta(milliseconds=50))
    monkeypatch.setattr("notifications_service.deliveries.service._LOOK_AGAIN", timedelta(milliseconds=20))
    async with bad_days(NOTIFICATION_RETRY_PAUSE="6s") as day:
        day.mails.once("RCPT", "451 4.7.1 greylisted")
        answer = await day.service.stub.SendNotification(request("ada@engines.example"), timeout=4)
        told = [one async for one in watch(day.service, answer.delivery)]
        assert len([one for one in told if not one.HasField("recipient")]) >= 2
        assert states([told[-1].recipient]) == ["SENT"]


async def test_one_thousand_and_one_are_too_many(service, refused):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await service.send(*[f"p{number}@engines.example" for number in range(1001)])


@pytest.mark.chaos
async def test_a_database_that_goes_away_costs_time_and_no_message(tmp_path):
    people = [f"p{number}@engines.example" for number in range(200)]
    async with server(POSTGRES, tmp_path) as one, mail_server() as mails:
        own = Postgres(one)
        told = await environment(
            own, NOTIFICATION_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=str(mails.port), SMTP_TLS="none",
            NOTIFICATION_CONCURRENCY="8",
        )  # fmt: skip
        async with serving(told) as service:
            sending = asyncio.ensure_future(service.stub.SendNotification(request(*people), timeout=60))
            await asyncio.wait_for(mails.some.wait(), 30)
            await own.stop()
            await asyncio.gather(sending, return_exceptions=True)
            await own.start()
            listed = await _until_it_answers(service)
            [*_, last] = [each async for each in watch(service, listed)]
            assert dict(last.delivery.counts) == {"SENT": 200}
        assert sorted(to for to, _ in mails.kept) == sorted(people)


async def _until_it_answers(service):
    while True:
        try:
            answer = await service.stub.ListDeliveries(pb.ListDeliveriesRequest(), timeout=10)
        except Exception:  # noqa: BLE001 - until the database is back
            await asyncio.sleep(0.1)
        else:
            return answer.deliveries[0]
