"""Rules on the JSON face of the RPCs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.api import annotations_pb2, http_pb2  # type: ignore[import-untyped]  # the package ships no types
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodDescriptorProto, MethodOptions

from .reading import Contracts, Element

VARIABLE = re.compile(r"\{([^}=]+)[^}]*\}")


def rpc_has_http(contracts: Contracts) -> Iterator[str]:
    """An RPC can be reached as JSON, by a path and a body made of fields its request has."""
    for method in contracts.methods:
        routes = list(_routes(method))
        if not routes:
            yield f"{method.name}: has no HTTP annotation"
        known = contracts.request_of(method).keys()
        for verb, path, body in routes:
            for name in {*VARIABLE.findall(path), body} - {"", "*"}:
                if name.partition(".")[0] not in known:
                    yield f"{method.name}: {verb} {path} speaks of {name}, which its request does not have"
            if verb == "GET" and method.proto.options.idempotency_level != MethodOptions.NO_SIDE_EFFECTS:
                yield f"{method.name}: {verb} {path} has side effects"


# Messages that the gateway takes as one word of a query.
WORDS = frozenset(f".google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask"))

# The RPCs with a secret in their URL, each with the reason.
SECRET_IN_URL = {
    "tenantmesh.notifications.v1.NotificationService.Unsubscribe": "a mail program has the link and nothing else",
}


def url_is_plain(contracts: Contracts) -> Iterator[str]:
    """What stands in a path or a query is no secret, which logs would keep, and no message, which it cannot hold."""
    for method in contracts.methods:
        for verb, path, body in _routes(method):
            for field in _fields_of_url(contracts.request_of(method), path, body):
                if field.options.debug_redact and method.name not in SECRET_IN_URL:
                    yield f"{method.name}: {verb} {path} has the secret {field.name} in its URL"
                if field.type == FieldDescriptorProto.TYPE_MESSAGE and field.type_name not in WORDS:
                    yield f"{method.name}: {verb} {path} has the message {field.name} in its URL"


def _fields_of_url(request: dict[str, FieldDescriptorProto], path: str, body: str) -> Iterator[FieldDescriptorProto]:
    for name, field in request.items():
        in_query = body == "" or (body in request and body != name)
        if in_query or name in VARIABLE.findall(path):
            yield field


def http_paths_are_unique(contracts: Contracts) -> Iterator[str]:
    """No two RPCs of the mesh answer the same verb and path: they share one gateway."""
    taken: dict[tuple[str, str], str] = {}
    for method in contracts.methods:
        for verb, path, _ in _routes(method):
            holder = taken.setdefault((verb, VARIABLE.sub("{}", path)), method.name)
            if holder != method.name:
                yield f"{method.name}: {verb} {path} is taken by {holder}"


def _routes(method: Element[MethodDescriptorProto]) -> Iterator[tuple[str, str, str]]:
    """Verb, path and body of each binding of a method."""
    rule = method.proto.options.Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        if verb is not None:
            yield verb.upper(), _path(binding, verb), binding.body


def _path(binding: http_pb2.HttpRule, verb: str) -> str:
    return binding.custom.path if verb == "custom" else str(getattr(binding, verb))
