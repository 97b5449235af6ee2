"""The one place where a fault becomes a gRPC status, and a gRPC status becomes a fault again.

A status always carries an `ErrorInfo` (reason, domain, facts); `BadRequest` when fields are at fault; `RetryInfo` when
somebody said when to come back. A peer refuses more than 8 KiB of trailing metadata and then reports that instead of
the error, so every part of a status is bounded here: what is too long is cut, what is too many is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

import faults
from faults import Fault, Kind, Violation

DOMAIN: Final = "tenantmesh"
"""The domain of the reasons every service may give: those of `tenantmesh.common.v1.ErrorReason`."""

GRPC_DOMAIN: Final = "grpc"
"""The domain of a status that came without a reason; the reason is then the name of its code."""

CODES: Final[Mapping[Kind, grpc.StatusCode]] = {
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.ABORTED: grpc.StatusCode.ABORTED,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}
"""The status code of each kind of fault."""

_M = TypeVar("_M", bound=Message)
_DETAILS_KEY: Final = "grpc-status-details-bin"
_KEY: Final = re.compile(r"[a-z][a-zA-Z0-9_-]{1,63}")  # the form google.rpc.ErrorInfo asks of a metadata key
_MESSAGE_BYTES: Final = 512
_TEXT_BYTES: Final = 256
_PART_BYTES: Final = 1536  # facts together, and violations together
_LONGEST_WAIT: Final = timedelta(days=365)

_FAULTS: Final[Mapping[grpc.StatusCode, type[Fault]]] = {
    **{
        CODES[fault.kind]: fault
        for fault in (
            faults.NotFound,
            faults.AlreadyExists,
            faults.Invalid,
            faults.Conflict,
            faults.Aborted,
            faults.Denied,
            faults.Unauthenticated,
            faults.Exhausted,
            faults.Unavailable,
            faults.Timeout,
            faults.Unimplemented,
            faults.Internal,
        )
    },
    grpc.StatusCode.OUT_OF_RANGE: faults.Invalid,
    # Nobody here cancelled: that would have been asyncio.CancelledError. The other side did, because it stopped or its
    # connection went away, so the call may be sent again.
    grpc.StatusCode.CANCELLED: faults.Unavailable,
}
_CHASSIS_REASONS: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.UNAVAILABLE: "DEPENDENCY_UNAVAILABLE",
    grpc.StatusCode.CANCELLED: "CANCELLED",
    grpc.StatusCode.UNIMPLEMENTED: "NOT_IMPLEMENTED",
    grpc.StatusCode.INTERNAL: "UNEXPECTED",
    grpc.StatusCode.UNKNOWN: "UNEXPECTED",
    grpc.StatusCode.DATA_LOSS: "UNEXPECTED",
}


def status_of(fault: Fault, *, domain: str) -> Status:
    """Describe a fault as a status of at most about 4 KiB.

    Args:
        fault: what went wrong.
        domain: who defined the fault's reason when the fault itself does not say, such as `dns.tenantmesh`.
    """
    info = ErrorInfo(reason=fault.reason, domain=_cut(fault.domain or domain), metadata=_bounded(fault.facts))
    status = Status(code=CODES[fault.kind].value[0], message=_cut(fault.message, _MESSAGE_BYTES))
    status.details.add().Pack(info)
    if fault.violations:
        status.details.add().Pack(_bad_request(fault.violations))
    if fault.retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(min(max(fault.retry_after, timedelta(0)), _LONGEST_WAIT))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


def trailing_metadata(status: Status) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries a status: hand it to `context.abort(code, status.message, ...)`."""
    return ((_DETAILS_KEY, status.SerializeToString()),)


def fault_of(error: grpc.RpcError) -> Fault:
    """Turn the error of a call, of grpc.aio or of sync gRPC, into the fault the other side raised.

    A status without a usable `ErrorInfo` gets a reason from its code: the chassis' own where one says exactly that
    (`DEADLINE_EXCEEDED`, `DEPENDENCY_UNAVAILABLE`, `CANCELLED` …, domain `tenantmesh`), else the code's name, domain
    `grpc`. CANCELLED becomes `Unavailable`: a cancel of our own never arrives here as a status.
    """
    if not hasattr(error, "code"):  # the base class alone; whatever a call raises is also a grpc.Call
        return faults.Internal(str(error) or "no status", reason="UNEXPECTED", domain=DOMAIN)
    code = error.code()
    message = error.details() or code.value[1]
    status = _status_in(error.trailing_metadata())
    info, retry = _detail(status, ErrorInfo), _detail(status, RetryInfo)
    fault = partial(
        _FAULTS.get(code, faults.Internal),
        message,
        retry_after=_wait(retry.retry_delay) if retry.HasField("retry_delay") else None,
        violations=[Violation(v.field, v.description, v.reason) for v in _detail(status, BadRequest).field_violations],
    )
    try:
        return fault(reason=info.reason, domain=info.domain, facts=info.metadata)
    except ValueError:  # no reason, or one that has not the form of a reason
        reason, domain = _reason_by_code(code, message)
        return fault(reason=reason, domain=domain)


@contextmanager
def faults_raised() -> Iterator[None]:
    """Raise, instead of the error of a call that fails inside the block, the fault that the other side raised."""
    try:
        yield
    except grpc.RpcError as error:
        raise fault_of(error) from error


def _reason_by_code(code: grpc.StatusCode, message: str) -> tuple[str, str]:
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger than max" in message:
        return "MESSAGE_TOO_LARGE", DOMAIN  # gRPC itself refuses a message before any of our code sees it
    if code in _CHASSIS_REASONS:
        return _CHASSIS_REASONS[code], DOMAIN
    return code.name, GRPC_DOMAIN


def _status_in(metadata: Iterable[Any] | None) -> Status:
    for key, value in metadata or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                break
    return Status()


def _detail(status: Status, kind: type[_M]) -> _M:
    """The detail of that type; an empty one where there is none, or where its bytes are broken."""
    for detail in status.details:
        if detail.TypeName() == kind.DESCRIPTOR.full_name:
            with suppress(DecodeError):
                return kind.FromString(detail.value)
    return kind()


def _bad_request(violations: Iterable[Violation]) -> BadRequest:
    # The rule travels verbatim (`string.min_len`), so that a program can match it against the contract.
    left = _PART_BYTES
    bad_request = BadRequest()
    for violation in violations:
        entry = BadRequest.FieldViolation(
            field=_cut(violation.field), description=_cut(violation.description), reason=_cut(violation.rule)
        )
        left -= entry.ByteSize()
        if left < 0:
            break
        bad_request.field_violations.append(entry)
    return bad_request


def _bounded(facts: Mapping[str, str]) -> dict[str, str]:
    left = _PART_BYTES
    kept: dict[str, str] = {}
    for key, value in facts.items():
        short = _cut(value)
        left -= len(key) + len(short.encode())
        if left < 0:
            break
        if _KEY.fullmatch(key):
            kept[key] = short
    return kept


def _cut(text: str, limit: int = _TEXT_BYTES) -> str:
    """At most `limit` bytes of valid UTF-8; what was cut ends in an ellipsis."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode(errors="ignore") + "…"


def _wait(delay: Duration) -> timedelta:
    seconds = min(max(delay.seconds, 0), int(_LONGEST_WAIT.total_seconds()))
    return timedelta(seconds=seconds, microseconds=max(delay.nanos, 0) // 1000)
