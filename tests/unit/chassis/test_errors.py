import asyncio
from datetime import timedelta

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st

import faults
from chassis.errors import CODES, fault_of, faults_raised, status_of, trailing_metadata
from faults import Fault, Kind, Violation

FAULTS = tuple(getattr(faults, name) for name in faults.__all__ if hasattr(getattr(faults, name), "kind"))
BY_KIND = {fault.kind: fault for fault in FAULTS if fault is not Fault}

line = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
violation = st.builds(Violation, field=line, description=line, rule=line)
any_fault = st.builds(
    lambda kind, message, **rest: BY_KIND[kind](message, **rest),
    st.sampled_from(Kind),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
    reason=st.from_regex(r"[A-Z][A-Z0-9_]{0,61}[A-Z0-9]", fullmatch=True),
    facts=st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{1,30}", fullmatch=True), line, max_size=4),
    retry_after=st.none() | st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=300)),
    violations=st.lists(violation, max_size=2),
    domain=st.from_regex(r"[a-z]{1,20}(\.tenantmesh)?", fullmatch=True),
)


@pytest.fixture
async def failing_server():
    """A server that answers every call with the status of its `status` list."""
    answers = []

    async def fail(_request, context):
        status = answers[-1]
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        await context.abort(code, status.message, trailing_metadata(status))

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(fail)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", {"Fail": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}", answers
    await server.stop(None)


@pytest.fixture
def failing_call(failing_server):
    address, answers = failing_server

    async def call(status):
        answers.append(status)
        async with grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/test.Service/Fail")(b"", timeout=10)
        return caught.value

    return call


@pytest.fixture
def failing_sync_call(failing_server):
    address, answers = failing_server

    def call():
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/test.Service/Fail")(b"", timeout=10)
        return caught.value

    async def in_thread(status):
        answers.append(status)
        return await asyncio.to_thread(call)

    return in_thread


def error_with(code, details="", metadata=()):
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*metadata), details)


def across(fault, domain="dns.tenantmesh"):
    status = status_of(fault, domain=domain)
    return fault_of(error_with(CODES[fault.kind], status.message, trailing_metadata(status)))


def parts(fault):
    return (
        type(fault), fault.message, fault.reason, fault.domain, fault.facts, fault.retry_after, fault.violations
    )  # fmt: skip


def detail(status, kind):
    return [kind.FromString(each.value) for each in status.details if each.Is(kind.DESCRIPTOR)]


def test_every_kind_has_its_own_code():
    assert set(CODES) == set(Kind)
    assert len(set(CODES.values())) == len(Kind)


@settings(deadline=None)  # the machine may be busy
@given(any_fault)
def test_a_fault_comes_out_as_it_went_in(fault):
    assert parts(across(fault)) == parts(fault)


def test_a_reason_without_a_domain_is_the_service_s_own():
    assert across(faults.NotFound("no such record", reason="RECORD_NOT_FOUND")).domain == "dns.tenantmesh"


def test_only_what_is_known_is_sent():
    status = status_of(faults.Denied("no", reason="PERMISSION_MISSING"), domain="tenantmesh")
    assert [each.TypeName() for each in status.details] == ["google.rpc.ErrorInfo"]
    assert status.code == grpc.StatusCode.PERMISSION_DENIED.value[0]


def test_all_details_in_the_order_a_reader_expects():
    fault = faults.Invalid(
        "bad name",
        reason="NAME_INVALID",
        retry_after=timedelta(seconds=1.5),
        violations=[Violation("name", "too long", "string.max_len")],
    )
    status = status_of(fault, domain="dns.tenantmesh")
    assert [each.TypeName() for each in status.details] == [
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.rpc.RetryInfo",
    ]
    (bad_request,) = detail(status, BadRequest)
    assert bad_request.field_violations[0].reason == "string.max_len"


def test_a_key_that_error_info_forbids_is_left_out():
    facts = {"Name": "a", "x": "b", "_y": "c", "with space": "d", "k" * 65: "e", "fine": "f"}
    (info,) = detail(status_of(faults.Conflict("m", reason="NO", facts=facts), domain="d"), ErrorInfo)
    assert dict(info.metadata) == {"fine": "f"}


def test_a_long_value_is_cut_between_characters():
    (info,) = detail(status_of(faults.Conflict("m", reason="NO", facts={"value": "ä" * 500}), domain="d"), ErrorInfo)
    value = info.metadata["value"]
    assert value.endswith("ä…")
    assert 250 < len(value.encode()) <= 256


def test_half_a_surrogate_pair_is_no_reason_to_fail():
    assert across(faults.Internal("m \ud800", reason="NO", facts={"value": "\udfff"})).facts == {"value": "?"}


@pytest.mark.parametrize(
    ("asked", "sent"), [(timedelta(seconds=-1), timedelta(0)), (timedelta.max, timedelta(days=365))]
)
def test_a_wait_outside_reason_is_brought_inside(asked, sent):
    assert across(faults.Unavailable("m", reason="NO", retry_after=asked)).retry_after == sent


async def test_the_largest_fault_passes_a_real_call(failing_call):
    huge = faults.Invalid(
        "ß" * 10_000,
        reason="R" * 63,
        domain="d" * 10_000,
        facts={f"key_{number}": "✓" * 1000 for number in range(1000)},
        violations=[Violation("f" * 1000, "d" * 1000, "r" * 1000)] * 1000,
        retry_after=timedelta(seconds=3),
    )
    fault = fault_of(await failing_call(status_of(huge, domain="x")))
    assert (fault.reason, fault.kind, fault.retry_after) == ("R" * 63, Kind.INVALID, timedelta(seconds=3))
    assert fault.facts
    assert fault.violations


async def test_the_error_of_a_real_call_and_of_a_sync_one_are_read_alike(failing_call, failing_sync_call):
    fault = faults.Exhausted("slowly", reason="OVERLOADED", facts={"limit": "7"}, retry_after=timedelta(seconds=1))
    status = status_of(fault, domain="tenantmesh")
    assert parts(fault_of(await failing_call(status))) == parts(fault_of(await failing_sync_call(status)))


@pytest.mark.parametrize(
    ("code", "kind", "reason", "domain"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, Kind.TIMEOUT, "DEADLINE_EXCEEDED", "tenantmesh"),
        (grpc.StatusCode.UNAVAILABLE, Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "tenantmesh"),
        (grpc.StatusCode.CANCELLED, Kind.UNAVAILABLE, "CANCELLED", "tenantmesh"),
        (grpc.StatusCode.UNIMPLEMENTED, Kind.UNIMPLEMENTED, "NOT_IMPLEMENTED", "tenantmesh"),
        (grpc.StatusCode.INTERNAL, Kind.INTERNAL, "UNEXPECTED", "tenantmesh"),
        (grpc.StatusCode.UNKNOWN, Kind.INTERNAL, "UNEXPECTED", "tenantmesh"),
        (grpc.StatusCode.DATA_LOSS, Kind.INTERNAL, "UNEXPECTED", "tenantmesh"),
        (grpc.StatusCode.NOT_FOUND, Kind.NOT_FOUND, "NOT_FOUND", "grpc"),
        (grpc.StatusCode.PERMISSION_DENIED, Kind.DENIED, "PERMISSION_DENIED", "grpc"),
        (grpc.StatusCode.OUT_OF_RANGE, Kind.INVALID, "OUT_OF_RANGE", "grpc"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Kind.EXHAUSTED, "RESOURCE_EXHAUSTED", "grpc"),
    ],
)
def test_a_status_without_details_gets_a_reason_by_its_code(code, kind, reason, domain):
    fault = fault_of(error_with(code))
    assert (fault.kind, fault.reason, fault.domain) == (kind, reason, domain)
    assert fault.message == code.value[1]


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_becomes_a_fault(code):
    assert isinstance(fault_of(error_with(code)), Fault)


async def test_a_message_over_the_limit_says_so(failing_server):
    address, _ = failing_server
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/test.Service/Fail")(b"x" * 5_000_000, timeout=10)
    fault = fault_of(caught.value)
    assert (fault.kind, fault.reason, fault.domain) == (Kind.EXHAUSTED, "MESSAGE_TOO_LARGE", "tenantmesh")


def test_an_error_that_is_no_call_is_a_bug():
    assert fault_of(grpc.RpcError()).reason == "UNEXPECTED"


@pytest.mark.parametrize(
    "details",
    [
        b"\xff\xff",
        Status(details=[Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")]).SerializeToString(),
        Status(details=[Any(type_url="type.googleapis.com/somebody.Else", value=b"")]).SerializeToString(),
        "not bytes",
    ],
)
def test_details_nobody_can_read_count_as_none(details):
    fault = fault_of(error_with(grpc.StatusCode.NOT_FOUND, "gone", [("grpc-status-details-bin", details)]))
    assert (fault.reason, fault.domain, fault.message) == ("NOT_FOUND", "grpc", "gone")


def test_a_reason_of_another_form_is_replaced_and_the_rest_kept():
    status = Status()
    status.details.add().Pack(ErrorInfo(reason="not a reason"))
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)))
    fault = fault_of(error_with(grpc.StatusCode.UNAVAILABLE, "later", trailing_metadata(status)))
    assert (fault.reason, fault.retry_after) == ("DEPENDENCY_UNAVAILABLE", timedelta(seconds=2.5))


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_no_delay_on_the_wire_breaks_the_reader(seconds, nanos):
    status = Status()
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)))
    fault = fault_of(error_with(grpc.StatusCode.UNAVAILABLE, "", trailing_metadata(status)))
    assert timedelta(0) <= fault.retry_after <= timedelta(days=366)


async def test_a_block_raises_what_the_other_side_raised(failing_call):
    error = await failing_call(status_of(faults.Conflict("busy", reason="ZONE_NOT_SERVED"), domain="dns.tenantmesh"))
    with pytest.raises(faults.Conflict) as caught, faults_raised():
        raise error
    assert (caught.value.reason, caught.value.__cause__) == ("ZONE_NOT_SERVED", error)
    with pytest.raises(ZeroDivisionError), faults_raised():
        raise ZeroDivisionError
