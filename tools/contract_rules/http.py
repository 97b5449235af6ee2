"""Rules on the JSON face of the RPCs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.api import annotations_pb2, http_pb2  # type: ignore[import-untyped]  # the package ships no types
from google.protobuf.descriptor_pb2 import MethodDescriptorProto, MethodOptions

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
