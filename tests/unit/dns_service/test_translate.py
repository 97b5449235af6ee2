from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dns_service import translate
from dns_service.model import Cause, Finding, Owner, Record, RecordData, RecordKey, RecordType
from dns_service.verification.model import Outcome, ServerAnswer, Verification, VerificationState
from faults import Invalid
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import record_pb2, verification_pb2

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
TIME = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
STAMP = Timestamp(seconds=1767268800, nanos=500_000_000)
RECORD = Record(
    RecordKey("xn--mnchen-3ya.example.com", RecordType.MX),
    RecordData(("10 mail.example.net",), timedelta(seconds=90)),
    Owner(TENANT, "provision-acme", TIME),
    "route53",
    "example.com",
    TIME,
    TIME,
    "an-id",
)


def request(**changes):
    usual = {"name": "Acme.Example.com.", "type": record_pb2.RECORD_TYPE_A, "values": ["192.0.2.1"]}
    return pb.EnsureRecordRequest(**(usual | changes))


def test_a_key_is_read_in_its_one_true_form():
    assert translate.key_from(request()) == RecordKey("acme.example.com", RecordType.A)
    assert translate.key_from(request(name="münchen.example.com")).name == "xn--mnchen-3ya.example.com"


def test_a_tenant_is_the_same_in_capitals():
    assert translate.tenant_from(pb.ListRecordsRequest(tenant_id=TENANT.upper())) == TENANT
    assert translate.tenant_from(pb.ListRecordsRequest()) == ""


@pytest.mark.parametrize("kind", RecordType)
def test_every_type_has_its_word_in_the_contract(kind):
    number = record_pb2.RecordType.Value(f"RECORD_TYPE_{kind.name}")
    assert translate.key_from(request(type=number)).type is kind


def test_the_contract_has_no_type_that_we_do_not_know():
    assert len(record_pb2.RecordType.values()) == len(RecordType) + 1


def test_data_is_read_with_the_usual_ttl_or_the_callers():
    key = translate.key_from(request())
    assert translate.data_from(request(), key) == RecordData(("192.0.2.1",), timedelta(minutes=5))
    data = translate.data_from(request(ttl=Duration(seconds=60)), key)
    assert data == RecordData(("192.0.2.1",), timedelta(minutes=1))
    assert translate.data_from(request(proxied=True), key).proxied


def test_hosts_among_the_values_are_translated_and_text_is_not():
    alias = request(type=record_pb2.RECORD_TYPE_CNAME, values=["münchen.example.net"])
    assert translate.data_from(alias, translate.key_from(alias)).values == ("xn--mnchen-3ya.example.net",)
    mail = request(type=record_pb2.RECORD_TYPE_MX, values=["10 mail.münchen.example.net"])
    assert translate.data_from(mail, translate.key_from(mail)).values == ("10 mail.xn--mnchen-3ya.example.net",)
    text = request(type=record_pb2.RECORD_TYPE_TXT, values=["münchen"])
    with pytest.raises(Invalid):
        translate.data_from(text, translate.key_from(text))


def test_a_record_is_shown_whole():
    shown = translate.record_to(RECORD)
    assert shown == record_pb2.Record(
        name="xn--mnchen-3ya.example.com",
        unicode_name="münchen.example.com",
        type=record_pb2.RECORD_TYPE_MX,
        values=["10 mail.example.net"],
        ttl=Duration(seconds=90),
        ownership={"tenant_id": TENANT, "operation_id": "provision-acme", "create_time": STAMP},
        provider="route53",
        zone="example.com",
        provider_record_id="an-id",
        create_time=STAMP,
        update_time=STAMP,
    )


def test_a_foreign_record_has_no_owner_and_no_times():
    foreign = Record(
        RecordKey("x.example.com", RecordType.A), RecordData((), timedelta()), None, "memory", "example.com"
    )
    shown = translate.record_to(foreign)
    assert not shown.HasField("ownership")
    assert not shown.HasField("create_time")
    assert shown.unicode_name == ""


@pytest.mark.parametrize("state", VerificationState)
def test_every_state_has_its_word_in_the_contract(state):
    shown = translate.verification_to(Verification(state, rounds=3, detail="why"))
    assert shown.state == verification_pb2.Verification.State.Value(f"STATE_{state.name}")
    assert (shown.rounds, shown.detail) == (3, "why")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_answer_is_shown_whole(outcome):
    answer = ServerAnswer("ns1.example.com (192.0.2.1)", True, outcome, ("192.0.2.1",), 7, "late", TIME)  # noqa: FBT003 - the second field
    (shown,) = translate.verification_to(Verification(VerificationState.VERIFIED, (answer,))).answers
    assert shown == verification_pb2.ServerAnswer(
        server="ns1.example.com (192.0.2.1)",
        authoritative=True,
        outcome=verification_pb2.ServerAnswer.Outcome.Value(f"OUTCOME_{outcome.name}"),
        values=["192.0.2.1"],
        serial=7,
        detail="late",
        answer_time=STAMP,
    )


@pytest.mark.parametrize("cause", Cause)
def test_every_finding_is_shown_whole(cause):
    shown = translate.finding_to(Finding(RECORD, cause, removed=True))
    assert shown.cause == pb.SweepRecordsResponse.Cause.Value(f"CAUSE_{cause.name}")
    assert shown.removed
    assert shown.record == translate.record_to(RECORD)


def test_a_sweep_leaves_the_last_hour_unless_it_is_told_otherwise():
    assert translate.older_than_from(pb.SweepRecordsRequest()) == timedelta(hours=1)
    assert translate.older_than_from(pb.SweepRecordsRequest(older_than=Duration())) == timedelta()


@pytest.mark.parametrize("target", ["p\u0430ypal.example.net", "a\u200db.example.net", "xn--a.example.net"])
def test_a_target_that_is_no_internationalised_name_is_a_wrong_value(target):
    alias = request(type=record_pb2.RECORD_TYPE_CNAME, values=[target])
    with pytest.raises(Invalid) as caught:
        translate.data_from(alias, translate.key_from(alias))
    assert (caught.value.reason, caught.value.facts["value"]) == ("VALUE_INVALID", target)
