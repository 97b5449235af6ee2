"""Between the messages of the contract and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dns_service.model import (
    Outcome,
    Owner,
    Record,
    RecordData,
    RecordKey,
    RecordType,
    ServerAnswer,
    Verification,
    VerificationState,
)
from tenantmesh.common.v1 import ownership_pb2
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import record_pb2, verification_pb2

DEFAULT_TTL = timedelta(seconds=300)

_KeyedRequest = pb.EnsureRecordRequest | pb.GetRecordRequest | pb.DeleteRecordRequest | pb.VerifyRecordRequest


def key_from(request: _KeyedRequest) -> RecordKey:
    """Which record a request is about."""
    return RecordKey.parse(request.name, RecordType[_short(record_pb2.RecordType.Name(request.type))])


def data_from(request: pb.EnsureRecordRequest, key: RecordKey) -> RecordData:
    """What the caller wants the record to say."""
    ttl = request.ttl.ToTimedelta() if request.HasField("ttl") else DEFAULT_TTL
    return RecordData.parse(key, tuple(request.values), ttl, proxied=request.proxied)


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


def _answer_to(answer: ServerAnswer) -> verification_pb2.ServerAnswer:
    return verification_pb2.ServerAnswer(
        server=answer.server,
        authoritative=answer.authoritative,
        outcome=_OUTCOMES[answer.outcome],
        values=answer.values,
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
