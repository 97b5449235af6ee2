"""Rules on enums and on the reasons of errors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import EnumValueDescriptorProto, MethodDescriptorProto

from .reading import COMMON, Contracts, Element

CODES = (
    "CANCELLED|UNKNOWN|INVALID_ARGUMENT|DEADLINE_EXCEEDED|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|UNAUTHENTICATED|"
    "RESOURCE_EXHAUSTED|FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"
)
DOCUMENTED = re.compile(rf"(?:{CODES})(?:, or (?:{CODES}) [^:]+)?: .+ Metadata: (?:none|`[a-z_]+`[^.]*)\. \S.+")
REASONS = re.compile(r"Reasons: (none|[A-Z][A-Z0-9_]+(?:, [A-Z][A-Z0-9_]+)*)\.$")
REASON_PREFIX = "ERROR_REASON_"


def enum_starts_unspecified(contracts: Contracts) -> Iterator[str]:
    """The zero of an enum means that nothing was said."""
    for enum in contracts.enums:
        first = enum.proto.value[0]
        if first.number != 0 or not first.name.endswith("_UNSPECIFIED"):
            yield f"{enum.name}: does not start at ..._UNSPECIFIED = 0"


def reason_is_documented(contracts: Contracts) -> Iterator[str]:
    """A reason says its code and when, its metadata, and what the caller should do."""
    for value in _reasons(contracts):
        if not DOCUMENTED.fullmatch(value.comment):
            yield f"{value.name}: the comment is not `CODE: when. Metadata: `key`, ... . What to do.`"


def rpc_names_its_reasons(contracts: Contracts) -> Iterator[str]:
    """The comment of an RPC ends with its reasons, and each of them exists, in its package or in common."""
    known = {(value.package, value.proto.name.removeprefix(REASON_PREFIX)) for value in _reasons(contracts)}
    for method in contracts.methods:
        if not REASONS.search(method.comment):
            yield f"{method.name}: the comment does not end with `Reasons: A, B.` or `Reasons: none.`"
        for reason in _named(method):
            if (method.package, reason) not in known and (COMMON, reason) not in known:
                yield f"{method.name}: {reason} is no reason of {method.package} or {COMMON}"


def reason_is_given(contracts: Contracts) -> Iterator[str]:
    """A reason of a domain is given by some RPC of that domain, and is none that the chassis gives."""
    given = {(method.package, reason) for method in contracts.methods for reason in _named(method)}
    common = {value.proto.name for value in _reasons(contracts) if value.package == COMMON}
    for value in _reasons(contracts):
        if value.package == COMMON:
            continue
        if (value.package, value.proto.name.removeprefix(REASON_PREFIX)) not in given:
            yield f"{value.name}: no RPC names it"
        if value.proto.name in common:
            yield f"{value.name}: is a reason of {COMMON} already"


def _reasons(contracts: Contracts) -> Iterator[Element[EnumValueDescriptorProto]]:
    for value in contracts.values:
        if value.name.startswith(f"{value.package}.ErrorReason.") and value.proto.number != 0:
            yield value


def _named(method: Element[MethodDescriptorProto]) -> list[str]:
    found = REASONS.search(method.comment)
    return found[1].split(", ") if found and found[1] != "none" else []
