"""Every contract keeps every house rule: tried on the committed stubs, with the comments of their sources."""

import contextlib
import importlib

import protovalidate
import pytest
from google.protobuf import descriptor_pb2, message_factory


@pytest.fixture(scope="module")
def sources(compiled, root):
    return {file.name: file for file in compiled(root / "proto").file if file.name.startswith("tenantmesh/")}


@pytest.fixture(scope="module")
def stubs(root):
    """Every generated module, found by walking."""
    tree = root / "libs" / "contracts" / "src"
    names = [path.relative_to(tree).with_suffix("") for path in (tree / "tenantmesh").rglob("*_pb2.py")]
    modules = [importlib.import_module(".".join(name.parts)) for name in sorted(names)]
    return {module.DESCRIPTOR.name: module.DESCRIPTOR for module in modules}


@pytest.fixture(scope="module")
def contracts(sources, stubs, rules):
    image = descriptor_pb2.FileDescriptorSet()
    for name, stub in stubs.items():
        file = image.file.add()
        stub.CopyToProto(file)
        file.source_code_info.CopyFrom(sources[name].source_code_info)
    return rules.read(image)


def test_every_source_has_its_stub_and_every_stub_its_source(sources, stubs):
    assert stubs.keys() == sources.keys()


def test_the_contracts_are_there(contracts):
    packages = {file.package for file in contracts.files}
    assert {"tenantmesh.common.v1", "tenantmesh.dns.v1"} <= packages
    assert len(contracts.methods) >= 5


def test_the_contracts_keep_the_house_rules(contracts, rules):
    problems = rules.problems(contracts)
    assert not problems, "\n" + "\n".join(problems)


def messages_of(descriptors):
    for descriptor in descriptors:
        yield message_factory.GetMessageClass(descriptor)
        yield from messages_of(descriptor.nested_types)


def filled(message):
    """The message with an empty message in each of its fields that take one."""
    made = message()
    for field in message.DESCRIPTOR.fields:
        if field.message_type and not field.message_type.GetOptions().map_entry:
            inside = getattr(made, field.name)
            inside.add() if field.is_repeated else inside.SetInParent()
    return made


def test_every_bound_can_be_tried(stubs):
    """An expression that does not compile, or fails when it runs, would be found only by the first call of it."""
    for stub in stubs.values():
        for message in messages_of(stub.message_types_by_name.values()):
            for each in (message(), filled(message)):
                with contextlib.suppress(protovalidate.ValidationError):
                    protovalidate.validate(each)
