"""What the installed contracts say: which services there are, which of their methods may be repeated, which stream."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodOptions
from google.rpc import error_details_pb2, status_pb2

import tenantmesh

REPEATABLE = {MethodOptions.IdempotencyLevel.IDEMPOTENT, MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS}


@dataclass(frozen=True, slots=True)
class Contract:
    """One gRPC service of the contracts."""

    domain: str
    """Which process of the mesh serves it: `dns` for `tenantmesh.dns.v1.DnsService`."""
    name: str
    methods: tuple[str, ...]
    repeatable: tuple[str, ...]
    """The unary methods that may be sent again, because repeating them changes nothing."""
    streaming: tuple[str, ...]
    """The methods that stream, and so may take as long as the client listens."""


def installed() -> list[Contract]:
    """Every service of the installed stubs, by name."""
    services = [service for file in _service_files() for service in file.services_by_name.values()]
    return sorted((_contract(service) for service in services), key=lambda contract: contract.name)


def descriptor_set() -> bytes:
    """The descriptors of all contracts and of all they import.

    The error details of google.rpc are among them, though nothing imports them: without them an error of a service
    would reach a JSON client with an empty body.
    """
    files = FileDescriptorSet()
    for file in _with_imports([*_service_files(), error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR]):
        files.file.append(FileDescriptorProto.FromString(file.serialized_pb))
    return files.SerializeToString(deterministic=True)


def _contract(service: ServiceDescriptor) -> Contract:
    methods = list(service.methods)
    streaming = [one.name for one in methods if one.client_streaming or one.server_streaming]
    repeatable = [one.name for one in methods if one.GetOptions().idempotency_level in REPEATABLE]
    return Contract(
        domain=service.file.package.split(".")[1],
        name=service.full_name,
        methods=tuple(sorted(one.name for one in methods)),
        repeatable=tuple(sorted(set(repeatable) - set(streaming))),
        streaming=tuple(sorted(streaming)),
    )


def _service_files() -> list[FileDescriptor]:
    roots = [Path(root) for root in tenantmesh.__path__]
    modules = {
        ".".join(("tenantmesh", *path.relative_to(root).with_suffix("").parts))
        for root in roots
        for path in root.rglob("*_service_pb2.py")
    }
    return [importlib.import_module(module).DESCRIPTOR for module in sorted(modules)]


def _with_imports(files: Iterable[FileDescriptor]) -> Iterator[FileDescriptor]:
    """The files, each after what it imports, each once."""
    seen: set[str] = set()

    def visit(file: FileDescriptor) -> Iterator[FileDescriptor]:
        if file.name not in seen:
            seen.add(file.name)
            for dependency in file.dependencies:
                yield from visit(dependency)
            yield file

    for file in files:
        yield from visit(file)
