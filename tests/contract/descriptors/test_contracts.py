"""Every contract keeps every house rule: tried on the committed stubs, with the comments of their sources."""

import importlib

import pytest
from google.protobuf import descriptor_pb2


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
