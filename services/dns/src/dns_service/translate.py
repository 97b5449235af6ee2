"""Between the messages of the contract and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dns_service import idn
from dns_service.model import Finding, Owner, Record, RecordData, RecordKey, RecordType, value_invalid
from dns_service.verification.model import Outcome, ServerAnswer, Verification, VerificationState
from faults import Invalid
from tenantmesh.common.v1 import ownership_pb2
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import record_pb2, verification_pb2

DEFAULT_TTL = timedelta(seconds=300)
DEFAULT_AGE = timedelta(hours=1)
# A server may answer anything, but the contract bounds what we pass on.
_MOST_VALUES = 20
_HOSTS = frozenset({RecordType.CNAME, RecordType.MX})

_KeyedRequest = pb.EnsureRecordRequest | pb.GetRecordRequest | pb.DeleteRecordRequest | pb.VerifyRecordRequest

_TenantRequest = _KeyedRequest | pb.ListRecordsRequest | pb.SweepRecordsRequest


def tenant_from(request: _TenantRequest) -> str:
    """Whose call it is. Some languages write identifiers in capitals."""
    return request.tenant_id.lower()


def key_from(request: _KeyedRequest) -> RecordKey:
    """Which record a request is about."""
    kind = RecordType[_short(record_pb2.RecordType.Name(request.type))]
    return RecordKey.parse(idn.to_ascii(request.name), kind)


def data_from(request: pb.EnsureRecordRequest, key: RecordKey) -> RecordData:
    """What the caller wants the record to say."""
    ttl = request.ttl.ToTimedelta() if request.HasField("ttl") else DEFAULT_TTL
    values = tuple(_host_from(value, key) if key.type in _HOSTS else value for value in request.values)
    return RecordData.parse(key, values, ttl, proxied=request.proxied)


def older_than_from(request: pb.SweepRecordsRequest) -> timedelta:
    """How old what is swept must be."""
    return request.older_than.ToTimedelta() if request.HasField("older_than") else DEFAULT_AGE


def record_to(record: Record) -> record_pb2.Record:
    """A record as callers see it."""
    message = record_pb2.Record(
        name=record.key.name,
        type=record_pb2.RecordType.Value(f"RECORD_TYPE_{record.key.type.name}"),
        values=record.data.values,
        ttl=_duration_to(record.data.ttl),
        proxied=record.data.proxied,
        provider=record.provider,
        zone=record.zone,
        provider_record_id=record.provider_record_id,
        create_time=_time_to(record.create_time),
        update_time=_time_to(record.update_time),
        unicode_name=idn.to_unicode(record.key.name),
    )
    if record.owner is not None:
        message.ownership.CopyFrom(_owner_to(record.owner))
    return message


def verification_to(verification: Verification) -> verification_pb2.Verification:
    """One round of a verification as callers see it."""
    return verification_pb2.Verification(
        state=_STATES[verification.state],
        answers=map(_answer_to, verification.answers),
        rounds=verification.rounds,
        detail=verification.detail,
    )


def finding_to(finding: Finding) -> pb.SweepRecordsResponse:
    """What a sweep found as callers see it."""
    cause = pb.SweepRecordsResponse.Cause.Value(f"CAUSE_{finding.cause.name}")
    return pb.SweepRecordsResponse(record=record_to(finding.record), cause=cause, removed=finding.removed)


def _host_from(value: str, key: RecordKey) -> str:
    try:
        return idn.to_ascii(value)
    except Invalid as invalid:
        raise value_invalid(key, value, invalid.message.removesuffix(".")) from None


def _answer_to(answer: ServerAnswer) -> verification_pb2.ServerAnswer:
    return verification_pb2.ServerAnswer(
        server=answer.server,
        authoritative=answer.authoritative,
        outcome=_OUTCOMES[answer.outcome],
        values=answer.values[:_MOST_VALUES],
        serial=answer.serial,
        detail=answer.detail,
        answer_time=_time_to(answer.time),
    )


def _owner_to(owner: Owner) -> ownership_pb2.Ownership:
    return ownership_pb2.Ownership(
        tenant_id=owner.tenant_id, operation_id=owner.operation_id, create_time=_time_to(owner.time)
    )


def _time_to(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def _duration_to(duration: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(duration)
    return message


def _short(name: str) -> str:
    return name.removeprefix("RECORD_TYPE_")


_OUTCOMES = {outcome: verification_pb2.ServerAnswer.Outcome.Value(f"OUTCOME_{outcome.name}") for outcome in Outcome}
_STATES = {state: verification_pb2.Verification.State.Value(f"STATE_{state.name}") for state in VerificationState}
