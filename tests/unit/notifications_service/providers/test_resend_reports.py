"""Reports of Resend: known by their signature, and read as documented."""

from __future__ import annotations

import json

import pytest
from tests.fixtures.mailreports import KEY, WEBHOOK_SECRET, resend_event, svix_headers

from faults import Invalid, Unauthenticated
from notifications_service.providers import report_reader
from notifications_service.providers.resend import ResendSettings
from notifications_service.providers.resend_reports import ResendReports
from notifications_service.reports.model import Event, Report
from settingskit import Secret, SettingsInvalid

READER = ResendReports(KEY)
BODY = resend_event("email.delivered", "m-1")


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("email.delivered", {}, [Report("m-1", Event.ARRIVED)]),
        ("email.complained", {}, [Report("m-1", Event.COMPLAINED)]),
        ("email.bounced", {}, [Report("m-1", Event.BOUNCED)]),
        (
            "email.bounced",
            {"bounce": {"type": "Permanent", "subType": "General", "message": "no such user"}},
            [Report("m-1", Event.BOUNCED, "no such user")],
        ),
        (
            "email.bounced",
            {"bounce": {"type": "Transient", "message": "full"}},
            [Report("m-1", Event.RETURNED, "full")],
        ),
        ("email.opened", {}, []),
        ("contact.created", {}, []),
    ],
)
async def test_what_is_reported(kind, data, expected):
    body = resend_event(kind, "m-1", **data)
    assert await READER.read(svix_headers(body), body) == expected


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        (svix_headers(BODY, key=b"another key"), BODY),
        (svix_headers(BODY), BODY + b" "),
        (svix_headers(BODY) | {"svix-id": "another"}, BODY),
        (svix_headers(BODY) | {"svix-timestamp": "1"}, BODY),
        (svix_headers(BODY) | {"svix-signature": "v1,"}, BODY),
        (svix_headers(BODY) | {"svix-signature": "v1,\u00e9"}, BODY),
        ({**svix_headers(BODY), "svix-signature": svix_headers(BODY)["svix-signature"].replace("v1,", "v2,")}, BODY),
    ],
)
async def test_what_is_not_signed_is_not_read(headers, body):
    with pytest.raises(Unauthenticated) as refused:
        await READER.read(headers, body)
    assert (refused.value.reason, refused.value.facts) == ("SIGNATURE_INVALID", {"provider": "resend"})


@pytest.mark.parametrize("age", [301, 86400, -301])
async def test_what_was_signed_too_long_ago_is_not_read(age):
    with pytest.raises(Unauthenticated) as refused:
        await READER.read(svix_headers(BODY, age=age), BODY)
    assert (refused.value.reason, refused.value.facts["tolerance_seconds"]) == ("SIGNATURE_EXPIRED", "300")


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", json.dumps({"type": "email.delivered", "data": []}).encode()])
async def test_what_is_signed_and_makes_no_sense_is_named(body):
    with pytest.raises(Invalid) as refused:
        await READER.read(svix_headers(body), body)
    assert refused.value.reason == "REPORT_INVALID"


def test_reports_are_taken_where_a_secret_is_set():
    assert report_reader("resend", ResendSettings(enabled=False)) is None
    told = ResendSettings(enabled=False, webhook_secret=Secret(WEBHOOK_SECRET))
    assert report_reader("resend", told)._key == KEY
    assert report_reader("smtp", None) is None


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64!", ""])
def test_a_secret_that_is_none_is_refused_at_the_start(secret):
    with pytest.raises(SettingsInvalid, match="RESEND_WEBHOOK_SECRET"):
        ResendSettings(enabled=False, webhook_secret=Secret(secret))
