import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deployments_service.model import SignedReport
from deployments_service.signing.model import signatures, verify
from faults import Unauthenticated

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "the-old-secret", "the-new-secret"


def signature(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signed(secret=NEW, at=NOW, **changes):
    timestamp = str(int(at.timestamp()))
    right = signature(secret, f"{timestamp}.acme.web.r-1." + '{"state": 3}')
    return replace(SignedReport("acme", "web", "r-1", b'{"state": 3}', timestamp, right), **changes)


def refused(report, now=NOW):
    with pytest.raises(Unauthenticated) as caught:
        verify(report, [NEW, OLD], now)
    return caught.value.reason, caught.value.facts


def test_a_call_is_signed_with_both_secrets():
    assert signatures([NEW, OLD], "17", b"{}") == f"{signature(NEW, '17.{}')},{signature(OLD, '17.{}')}"


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_either_secret_is_believed(secret):
    verify(signed(secret), [NEW, OLD], NOW)


@pytest.mark.parametrize("order", ["{0},{1}", "{1}, {0}"])
def test_of_two_signatures_one_has_to_be_right(order):
    right = signed().signature
    verify(signed(signature=order.format(right, "0" * 64)), [NEW], NOW)


def test_of_many_signatures_only_the_first_two_are_tried():
    right = signed().signature
    assert refused(signed(signature=f"x,y,{right}"))[0] == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": "globex"},
        {"app": "api"},
        {"rollout_id": "r-2"},
        {"body": b'{"state": 4}'},
        {"timestamp": str(int(NOW.timestamp()) + 1)},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "ünrecht"},
    ],
)
def test_whatever_is_changed_breaks_the_signature(changes):
    assert refused(signed(**changes)) == ("SIGNATURE_INVALID", {"header": "x-signature"})


def test_a_signature_in_capitals_is_another():
    assert refused(signed(signature=signed().signature.upper()))[0] == "SIGNATURE_INVALID"


@pytest.mark.parametrize("timestamp", ["", "now", "-1", " 17", "1e9", "1" * 13, "²"])
def test_a_timestamp_is_a_number(timestamp):
    assert refused(signed(timestamp=timestamp)) == ("SIGNATURE_INVALID", {"header": "x-timestamp"})


@pytest.mark.parametrize("skew", [-20, 0, 20])
def test_clocks_may_differ_by_twenty_seconds(skew):
    verify(signed(at=NOW + timedelta(seconds=skew)), [NEW], NOW)


@pytest.mark.parametrize("skew", [-21, 21])
def test_and_by_no_more(skew):
    assert refused(signed(at=NOW + timedelta(seconds=skew))) == (
        "SIGNATURE_EXPIRED", {"tolerance_seconds": "20", "skew_seconds": str(skew)},
    )  # fmt: skip


def test_who_cannot_sign_is_told_nothing_of_our_clock():
    assert refused(signed(secret="another", at=NOW - timedelta(days=1)))[0] == "SIGNATURE_INVALID"
