"""What the contracts declare, with the words that stand above each thing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

ROOT = "tenantmesh"
COMMON = "tenantmesh.common.v1"

Proto = TypeVar("Proto")


@dataclass(frozen=True, slots=True)
class Element(Generic[Proto]):
    """One thing a contract declares, and the words that stand above it."""

    package: str
    name: str
    proto: Proto
    comment: str


@dataclass(frozen=True, slots=True)
class Contracts:
    """Everything the image declares below our import root."""

    files: list[FileDescriptorProto] = field(default_factory=list)
    messages: dict[str, Element[DescriptorProto]] = field(default_factory=dict)
    fields: list[Element[FieldDescriptorProto]] = field(default_factory=list)
    enums: list[Element[EnumDescriptorProto]] = field(default_factory=list)
    values: list[Element[EnumValueDescriptorProto]] = field(default_factory=list)
    methods: list[Element[MethodDescriptorProto]] = field(default_factory=list)

    def request_of(self, method: Element[MethodDescriptorProto]) -> dict[str, FieldDescriptorProto]:
        """The fields of the message a method takes, by name."""
        return self._fields(method.proto.input_type)

    def response_of(self, method: Element[MethodDescriptorProto]) -> dict[str, FieldDescriptorProto]:
        """The fields of the message a method gives, by name."""
        return self._fields(method.proto.output_type)

    def _fields(self, type_name: str) -> dict[str, FieldDescriptorProto]:
        message = self.messages.get(type_name.removeprefix("."))
        return {each.name: each for each in message.proto.field} if message else {}


def parse(image: bytes) -> FileDescriptorSet:
    """Parse an image. Our options are known only once their modules are imported, which importing this package does."""
    return FileDescriptorSet.FromString(image)


def read(image: FileDescriptorSet) -> Contracts:
    """Take our own files out of an image and lay out what they declare."""
    contracts = Contracts()
    for file in image.file:
        if file.name.startswith(f"{ROOT}/"):
            _Reader(contracts, file).read()
    return contracts


class _Reader:
    """Walks one file. The numbers are those of descriptor.proto, by which source locations name what they describe."""

    def __init__(self, contracts: Contracts, file: FileDescriptorProto) -> None:
        self._contracts = contracts
        self._file = file
        self._comments = {
            tuple(at.path): " ".join(at.leading_comments.split()) for at in file.source_code_info.location
        }

    def read(self) -> None:
        """Add what the file declares."""
        self._contracts.files.append(self._file)
        for index, message in enumerate(self._file.message_type):
            self._message(message, self._file.package, (4, index))
        for index, enum in enumerate(self._file.enum_type):
            self._enum(enum, self._file.package, (5, index))
        for index, service in enumerate(self._file.service):
            for number, method in enumerate(service.method):
                scope = f"{self._file.package}.{service.name}"
                self._contracts.methods.append(self._element(method, scope, (6, index, 2, number)))

    def _message(self, message: DescriptorProto, scope: str, path: tuple[int, ...]) -> None:
        element = self._element(message, scope, path)
        self._contracts.messages[element.name] = element
        for index, nested in enumerate(message.nested_type):
            self._message(nested, element.name, (*path, 3, index))
        for index, enum in enumerate(message.enum_type):
            self._enum(enum, element.name, (*path, 4, index))
        if not message.options.map_entry:
            for index, each in enumerate(message.field):
                self._contracts.fields.append(self._element(each, element.name, (*path, 2, index)))

    def _enum(self, enum: EnumDescriptorProto, scope: str, path: tuple[int, ...]) -> None:
        element = self._element(enum, scope, path)
        self._contracts.enums.append(element)
        for index, value in enumerate(enum.value):
            self._contracts.values.append(self._element(value, element.name, (*path, 2, index)))

    def _element(self, proto: Proto, scope: str, path: tuple[int, ...]) -> Element[Proto]:
        name = f"{scope}.{proto.name}"  # type: ignore[attr-defined]  # every descriptor has a name
        return Element(self._file.package, name, proto, self._comments.get(path, ""))
