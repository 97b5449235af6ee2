"""Rules on fields: bounds, times, identifiers and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from buf.validate import validate_pb2

from .reading import Contracts

KINDS = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in FieldDescriptorProto.Type.items()
    if name not in {"TYPE_MESSAGE", "TYPE_GROUP", "TYPE_BOOL"}
}
WRAPPERS = {
    ".google.protobuf.StringValue": "string",
    ".google.protobuf.BytesValue": "bytes",
    ".google.protobuf.Int32Value": "int32",
    ".google.protobuf.Int64Value": "int64",
    ".google.protobuf.UInt32Value": "uint32",
    ".google.protobuf.UInt64Value": "uint64",
    ".google.protobuf.FloatValue": "float",
    ".google.protobuf.DoubleValue": "double",
}
# Formats that bound the length themselves; an e-mail address or a URI may be as long as it likes.
BOUNDED_FORMATS = frozenset({"uuid", "tuuid", "ulid", "hostname", "ip", "ipv4", "ipv6", "address", "host_and_port"})
BOUNDS = ("const", "len", "len_bytes", "max_len", "max_bytes", "lt", "lte", "gt", "gte")


def field_is_bounded(contracts: Contracts) -> Iterator[str]:
    """Every string, bytes, number, enum, repeated and map field has a bound."""
    for each in contracts.fields:
        rules = each.proto.options.Extensions[validate_pb2.field]
        entry = contracts.messages.get(each.proto.type_name.removeprefix("."))
        if each.proto.label != FieldDescriptorProto.LABEL_REPEATED:
            yield from _unbounded(each.name, "", each.proto, rules)
        elif entry and entry.proto.options.map_entry:
            if not rules.map.HasField("max_pairs"):
                yield f"{each.name}: has no max_pairs"
            yield from _unbounded(each.name, " of its keys", entry.proto.field[0], rules.map.keys)
            yield from _unbounded(each.name, " of its values", entry.proto.field[1], rules.map.values)
        else:
            if not rules.repeated.HasField("max_items"):
                yield f"{each.name}: has no max_items"
            yield from _unbounded(each.name, " of its items", each.proto, rules.repeated.items)


def _unbounded(name: str, which: str, proto: FieldDescriptorProto, rules: validate_pb2.FieldRules) -> Iterator[str]:
    kind = KINDS.get(proto.type) or WRAPPERS.get(proto.type_name)
    if kind is None:
        return
    bounds = getattr(rules, kind)
    known = bounds.DESCRIPTOR.fields_by_name
    if kind == "enum":
        bounded = bounds.defined_only or bounds.HasField("const") or len(getattr(bounds, "in")) > 0
    else:
        bounded = any(bound in known and bounds.HasField(bound) for bound in BOUNDS) or len(getattr(bounds, "in")) > 0
    if not bounded and "well_known" in bounds.DESCRIPTOR.oneofs_by_name:
        bounded = bounds.WhichOneof("well_known") in BOUNDED_FORMATS
    if not bounded:
        yield f"{name}: the {kind}{which} has no bound"


def request_enum_says_what_zero_means(contracts: Contracts) -> Iterator[str]:
    """An enum in a request refuses its zero value, or its comment says what UNSPECIFIED does."""
    for each in contracts.fields:
        if each.proto.type != FieldDescriptorProto.TYPE_ENUM or not each.name.rpartition(".")[0].endswith("Request"):
            continue
        rules = each.proto.options.Extensions[validate_pb2.field]
        repeated = each.proto.label == FieldDescriptorProto.LABEL_REPEATED
        bounds = rules.repeated.items.enum if repeated else rules.enum
        if 0 not in bounds.not_in and "UNSPECIFIED" not in each.comment:
            yield f"{each.name}: neither refuses 0 nor says what UNSPECIFIED does"


def tenant_id_is_uuid(contracts: Contracts) -> Iterator[str]:
    """Identifiers of tenants and of requests are UUIDs."""
    for each in contracts.fields:
        uuid = each.proto.options.Extensions[validate_pb2.field].string.uuid
        if each.proto.name in {"tenant_id", "request_id"} and not uuid:
            yield f"{each.name}: is no uuid"


def time_is_called_time(contracts: Contracts) -> Iterator[str]:
    """A moment is called `..._time`."""
    for each in contracts.fields:
        if each.proto.type_name == ".google.protobuf.Timestamp" and not each.proto.name.endswith("_time"):
            yield f"{each.name}: a Timestamp is called ..._time"


SECRET = re.compile(r"(?:.*_)?(?:password|passphrase|secret|token|credential|private_key)")
NO_SECRET = frozenset({"page_token", "next_page_token", "resume_token"})


def secret_is_redacted(contracts: Contracts) -> Iterator[str]:
    """A secret is marked, so that no text form shows it, and its comment says that it is one."""
    texts = {FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_BYTES}
    for each in contracts.fields:
        redacted = each.proto.options.debug_redact
        secret = SECRET.fullmatch(each.proto.name) and each.proto.name not in NO_SECRET
        if secret and each.proto.type in texts and not redacted:
            yield f"{each.name}: is a secret without debug_redact"
        if redacted and "secret" not in each.comment.lower():
            yield f"{each.name}: is redacted, and its comment does not say that it is a secret"
