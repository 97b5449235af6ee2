"""Reports of SES: known by the signature of their topic, and read as documented."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.fixtures.mailreports import CERTIFICATE, TOPIC, Topic, ses_event

from faults import Invalid, Unauthenticated, Unavailable
from notifications_service.providers import report_reader
from notifications_service.providers.ses import SesSettings
from notifications_service.providers.ses_reports import SesReports, fetched
from notifications_service.reports.model import Event, Report

THEIRS = Topic()
STRANGER = Topic()
ARRIVED = ses_event("Delivery", "m-1", delivery={"smtpResponse": "250 ok"})
BOUNCE = {"bounceType": "Permanent", "bouncedRecipients": [{"diagnosticCode": "smtp; 550 5.1.1 user unknown"}]}


@pytest.fixture
def topic():
    THEIRS.fetched.clear()
    return THEIRS


def bent(body: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(body), **changes}).encode()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ARRIVED, [Report("m-1", Event.ARRIVED)]),
        (ses_event("Delivery", "m-1", of="notificationType"), [Report("m-1", Event.ARRIVED)]),
        (ses_event("Bounce", "m-1", bounce=BOUNCE), [Report("m-1", Event.BOUNCED, "smtp; 550 5.1.1 user unknown")]),
        (
            ses_event("Bounce", "m-1", bounce=BOUNCE | {"bounceType": "Transient"}),
            [Report("m-1", Event.RETURNED, "smtp; 550 5.1.1 user unknown")],
        ),
        (
            ses_event("Complaint", "m-1", complaint={"complaintFeedbackType": "abuse"}),
            [Report("m-1", Event.COMPLAINED, "abuse")],
        ),
        (ses_event("Open", "m-1"), []),
    ],
)
async def test_what_is_reported(topic, event, expected):
    reader = SesReports(TOPIC, topic.fetch)
    for body in (topic.notification(event), topic.notification(event, Subject="Amazon SES\nnotification")):
        assert await reader.read({}, body) == expected
    assert topic.fetched == [CERTIFICATE], "once for all"


async def test_the_first_message_is_answered(topic):
    assert await SesReports(TOPIC, topic.fetch).read({}, topic.confirmation()) == []
    assert [url.partition("/?")[2][:26] for url in topic.fetched] == ["", "Action=ConfirmSubscription"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        bent(THEIRS.notification(ARRIVED), Message="{}"),
        bent(THEIRS.notification(ARRIVED), Signature=""),
        bent(THEIRS.notification(ARRIVED), Signature="no base64"),
        bent(THEIRS.notification(ARRIVED), Signature=None),
        bent(THEIRS.notification(ARRIVED), SignatureVersion="1"),
        bent(THEIRS.notification(ARRIVED), Type="SubscriptionConfirmation"),
        THEIRS.notification(ARRIVED, TopicArn="arn:aws:sns:eu-central-1:123456789012:another"),
        THEIRS.notification(ARRIVED, Type="UnsubscribeConfirmation"),
        STRANGER.notification(ARRIVED),
        bent(THEIRS.notification(ARRIVED), SigningCertURL="https://evil.example/SimpleNotificationService-1.pem"),
        bent(THEIRS.notification(ARRIVED), SigningCertURL=CERTIFICATE.replace("https", "http")),
        bent(THEIRS.notification(ARRIVED), SigningCertURL=CERTIFICATE.replace(".com/", ".com.evil.example/")),
        bent(THEIRS.notification(ARRIVED), SigningCertURL=CERTIFICATE + "?x"),
    ],
)
async def test_what_is_not_signed_by_the_topic_is_not_read(topic, body):
    with pytest.raises(Unauthenticated) as refused:
        await SesReports(TOPIC, topic.fetch).read({}, body)
    assert (refused.value.reason, refused.value.facts) == ("SIGNATURE_INVALID", {"provider": "ses"})
    assert set(topic.fetched) <= {CERTIFICATE}


@pytest.mark.parametrize("age", [timedelta(hours=2, minutes=1), timedelta(days=-1)])
async def test_what_was_signed_too_long_ago_is_not_read(topic, age):
    body = topic.notification(ARRIVED, Timestamp=(datetime.now(UTC) - age).isoformat())
    with pytest.raises(Unauthenticated) as refused:
        await SesReports(TOPIC, topic.fetch).read({}, body)
    assert refused.value.reason == "SIGNATURE_EXPIRED"


async def test_a_time_that_is_none_is_too_long_ago(topic):
    with pytest.raises(Unauthenticated) as refused:
        await SesReports(TOPIC, topic.fetch).read({}, topic.notification(ARRIVED, Timestamp="2026-11-28"))
    assert refused.value.reason == "SIGNATURE_EXPIRED"


@pytest.mark.parametrize(
    "body",
    [
        THEIRS.notification("text"),
        THEIRS.notification({"eventType": "Delivery"}),
        THEIRS.notification({"eventType": "Bounce", "bounce": {}, "mail": {"messageId": "m-1"}}),
        THEIRS.confirmation(SubscribeURL="https://evil.example/?Action=ConfirmSubscription&x"),
    ],
)
async def test_what_is_signed_and_makes_no_sense_is_named(topic, body):
    with pytest.raises(Invalid) as refused:
        await SesReports(TOPIC, topic.fetch).read({}, body)
    assert refused.value.reason == "REPORT_INVALID"
    assert topic.fetched == [CERTIFICATE]


async def test_a_certificate_that_cannot_be_had_is_no_bad_signature():
    with pytest.raises(Unavailable) as away:
        await fetched("http://127.0.0.1:1/")
    assert away.value.facts == {"dependency": "sns"}


def test_reports_are_taken_where_a_topic_is_set():
    assert report_reader("ses", SesSettings()) is None
    assert report_reader("ses", SesSettings(topic=TOPIC))._topic == TOPIC
