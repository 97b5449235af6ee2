"""Rules on packages and RPCs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import MethodOptions

from tenantmesh.common.v1 import permission_pb2

from .reading import COMMON, ROOT, Contracts


def package_is_directory(contracts: Contracts) -> Iterator[str]:
    """A package stands in the directory of its name."""
    for file in contracts.files:
        if file.name.rpartition("/")[0] != file.package.replace(".", "/"):
            yield f"{file.package}: {file.name} stands in another directory than its package says"


def domains_stand_alone(contracts: Contracts) -> Iterator[str]:
    """A package imports itself and common."""
    for file in contracts.files:
        allowed = (f"{file.package.replace('.', '/')}/", f"{COMMON.replace('.', '/')}/")
        for name in file.dependency:
            if name.startswith(f"{ROOT}/") and not name.startswith(allowed):
                yield f"{file.package}: {file.name} imports {name} of another domain"


PERMISSION = re.compile(r"public|(?P<domain>[a-z][a-z0-9_]*)\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


def rpc_is_explained(contracts: Contracts) -> Iterator[str]:
    """An RPC says what it does."""
    for method in contracts.methods:
        if not method.comment.partition("Reasons:")[0].strip():
            yield f"{method.name}: has no comment"


def rpc_has_permission(contracts: Contracts) -> Iterator[str]:
    """An RPC names the permission it needs, in the domain of its package."""
    for method in contracts.methods:
        permission = method.proto.options.Extensions[permission_pb2.required_permission]
        form = PERMISSION.fullmatch(permission)
        if form is None:
            yield f"{method.name}: permission {permission!r} is neither <domain>.<resource>.<action> nor public"
        elif form["domain"] not in {None, method.package.split(".")[1]}:
            yield f"{method.name}: permission {permission!r} is of another domain"


def rpc_has_idempotency_level(contracts: Contracts) -> Iterator[str]:
    """An RPC says whether it may be repeated."""
    for method in contracts.methods:
        if method.proto.options.idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN:
            yield f"{method.name}: has no idempotency level"


def rpc_has_own_messages(contracts: Contracts) -> Iterator[str]:
    """An RPC has a request and a response of its own, named after it."""
    for method in contracts.methods:
        for suffix, type_name in (("Request", method.proto.input_type), ("Response", method.proto.output_type)):
            if type_name != f".{method.package}.{method.proto.name}{suffix}":
                yield f"{method.name}: {type_name} should be {method.proto.name}{suffix}"


def list_has_pages(contracts: Contracts) -> Iterator[str]:
    """A List RPC answers in pages."""
    for method in contracts.methods:
        if re.match(r"List[A-Z]", method.proto.name):
            there = contracts.request_of(method).keys() | contracts.response_of(method).keys()
            for name in ("page_size", "page_token", "next_page_token"):
                if name not in there:
                    yield f"{method.name}: lists without {name}"


def create_has_request_id(contracts: Contracts) -> Iterator[str]:
    """A Create RPC can be repeated without making a second one."""
    for method in contracts.methods:
        if re.match(r"Create[A-Z]", method.proto.name) and "request_id" not in contracts.request_of(method):
            yield f"{method.name}: creates without request_id"
