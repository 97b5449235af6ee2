from envoyconfig import contracts
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet


def by_name():
    return {contract.name: contract for contract in contracts.installed()}


def test_finds_every_service_and_whose_it_is():
    found = by_name()
    assert found["tenantmesh.dns.v1.DnsService"].domain == "dns"
    assert list(found) == sorted(found)


def test_knows_what_may_be_repeated_and_what_streams():
    service = by_name()["tenantmesh.dns.v1.DnsService"]
    assert {"DeleteRecord", "EnsureRecord", "GetRecord", "ListRecords"} <= set(service.repeatable)
    assert "VerifyRecord" in service.streaming
    assert not set(service.repeatable) & set(service.streaming)
    assert set(service.repeatable) | set(service.streaming) <= set(service.methods)


def test_nothing_without_an_idempotency_level_counts_as_repeatable():
    pool = descriptor_pool.Default()
    for contract in contracts.installed():
        service = pool.FindServiceByName(contract.name)
        for method in service.methods:
            level = method.GetOptions().idempotency_level
            assert (method.name in contract.repeatable) <= bool(level), f"{contract.name}.{method.name}"


def test_the_descriptors_are_complete_and_in_order():
    files = FileDescriptorSet.FromString(contracts.descriptor_set()).file
    seen = set()
    for file in files:
        assert set(file.dependency) <= seen, f"{file.name} before what it imports"
        assert file.name not in seen
        seen.add(file.name)
    assert {"google/rpc/error_details.proto", "google/rpc/status.proto", "buf/validate/validate.proto"} <= seen
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    assert pool.FindServiceByName("tenantmesh.dns.v1.DnsService")


def test_the_descriptors_are_the_same_each_time():
    assert contracts.descriptor_set() == contracts.descriptor_set()
