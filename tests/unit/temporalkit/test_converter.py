import base64
import os

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import BinaryProtoPayloadConverter, DefaultPayloadConverter, JSONProtoPayloadConverter

import faults
from settingskit import load
from temporalkit.codec import EncryptionSettings
from temporalkit.converter import MessagePayloadConverter, data_converter
from temporalkit.failures import fault_of
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import record_pb2

REQUEST = pb.EnsureRecordRequest(
    tenant_id="01a1feb7-532b-77ff-be0c-db9c0a13eb91",
    operation_id="provision-tenant-1",
    name="acme.example.com",
    type=record_pb2.RECORD_TYPE_CNAME,
    values=["edge.example.com"],
)


@pytest.fixture
def converter():
    return data_converter().payload_converter


def test_a_message_is_readable_text(converter):
    payload = converter.to_payload(REQUEST)
    assert payload.metadata["encoding"] == b"json/protobuf"
    assert payload.metadata["messageType"] == b"tenantmesh.dns.v1.EnsureRecordRequest"
    assert b'"name":"acme.example.com"' in payload.data
    assert converter.from_payload(payload, pb.EnsureRecordRequest) == REQUEST


@pytest.mark.parametrize("value", [None, b"bytes", "text", 7, {"a": [1, None]}, [True]])
def test_other_values_come_back(converter, value):
    assert converter.from_payload(converter.to_payload(value), type(value)) == value


def test_what_another_order_wrote_is_read(converter):
    binary = BinaryProtoPayloadConverter().to_payload(REQUEST)
    assert converter.from_payload(binary) == REQUEST


def newer_release():
    """EnsureRecordRequest with a field and an enum value that this release does not have."""
    pool = DescriptorPool()
    file = FileDescriptorProto(name="newer.proto", package="newer", syntax="proto3")
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="KIND_UNSPECIFIED", number=0)
    kind.value.add(name="RECORD_TYPE_FROM_THE_FUTURE", number=99)
    message = file.message_type.add(name="EnsureRecordRequest")
    text = FieldDescriptorProto.TYPE_STRING
    message.field.add(name="name", number=3, type=text, label=1, json_name="name")
    message.field.add(name="type", number=4, type=FieldDescriptorProto.TYPE_ENUM, label=1, type_name=".newer.Kind")
    message.field.add(name="colour", number=900, type=text, label=1, json_name="colour")
    pool.Add(file)
    newer = GetMessageClass(pool.FindMessageTypeByName("newer.EnsureRecordRequest"))
    return newer(name="acme.example.com", colour="blue", type=99)


def written_by_newer(encoding):
    payload = encoding.to_payload(newer_release())
    payload.metadata["messageType"] = b"tenantmesh.dns.v1.EnsureRecordRequest"
    return payload


@pytest.mark.parametrize("encoding", [JSONProtoPayloadConverter(), BinaryProtoPayloadConverter()])
def test_what_a_newer_release_writes_is_read(converter, encoding):
    read = converter.from_payload(written_by_newer(encoding))
    assert read.name == "acme.example.com"
    assert read.type in (0, 99)  # as JSON the name of an unknown value is dropped, as binary its number is kept


def test_the_default_converter_would_stop_a_rolling_release():
    with pytest.raises(RuntimeError, match="could not be converted") as caught:
        DefaultPayloadConverter().from_payload(written_by_newer(JSONProtoPayloadConverter()))
    assert str(caught.value.__cause__) == "Failed parsing"


def test_a_type_nobody_imported_is_named(converter):
    payload = Payload(metadata={"encoding": b"json/protobuf", "messageType": b"tenantmesh.x.v1.Nobody"}, data=b"{}")
    with pytest.raises(RuntimeError) as caught:
        converter.from_payload(payload)
    assert str(caught.value.__cause__) == "Unknown Protobuf type tenantmesh.x.v1.Nobody"


def test_a_message_inside_other_data_is_refused(converter):
    with pytest.raises(TypeError):
        converter.to_payload({"request": REQUEST})


@given(st.text(max_size=50), st.lists(st.text(max_size=20), max_size=5), st.integers(0, 2**31 - 1))
def test_any_message_comes_back(name, values, kind):
    request = pb.EnsureRecordRequest(name=name, values=values, type=kind)
    converter = MessagePayloadConverter()
    assert converter.from_payloads(converter.to_payloads([request])) == [request]


@pytest.fixture
def encryption():
    key = base64.b64encode(os.urandom(32)).decode()
    return load(EncryptionSettings, {"TEMPORAL_PAYLOAD_KEYS": f"k1:{key}"})


async def test_with_keys_payloads_and_failures_are_unreadable(encryption):
    converter = data_converter(encryption)
    [payload] = await converter.encode([REQUEST])
    assert b"acme" not in payload.SerializeToString()
    assert await converter.decode([payload]) == [REQUEST]

    failure = Failure()
    await converter.encode_failure(faults.Denied("Acme may not.", reason="NOT_HERE", facts={"who": "Acme"}), failure)
    assert b"Acme" not in failure.SerializeToString()
    assert failure.application_failure_info.type == "denied"
    fault = fault_of(await converter.decode_failure(failure))
    assert (fault.message, fault.facts) == ("Acme may not.", {"who": "Acme"})


async def test_without_keys_both_are_readable():
    converter, failure = data_converter(), Failure()
    await converter.encode_failure(faults.Denied("Acme may not.", reason="NOT_HERE"), failure)
    assert failure.message == "Acme may not."
