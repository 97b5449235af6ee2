"""The handlers over the memory provider; what they decide nothing about is tried with the domain."""

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from dns_service.handlers import DnsHandlers
from dns_service.providers.memory import MemoryProvider, MemorySettings
from dns_service.service import Records
from dns_service.verification.model import Verification, VerificationState
from dns_service.verification.providers.nolookup import NoLookup
from faults import Invalid
from pagekit import PageSettings, PageTokens
from settingskit import load
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import record_pb2, verification_pb2

ACME = "0192f0c1-2b3c-7d4e-8f50-112233445566"
A = record_pb2.RECORD_TYPE_A


class Patient:
    """Remembers for how long it was asked to try."""

    async def verify(self, record, patience):
        self.asked = (record.key.name, patience)
        yield Verification(VerificationState.WAITING_FOR_AUTHORITATIVE, rounds=1)
        yield Verification(VerificationState.VERIFIED, rounds=2)


@pytest.fixture
def verifier():
    return Patient()


@pytest.fixture
def handlers(verifier):
    records = Records(MemoryProvider(MemorySettings()), verifier, NoLookup())
    return DnsHandlers(records, PageTokens.configured(load(PageSettings, {})))


async def ensure(handlers, name="acme.example.com", **changes):
    request = {"tenant_id": ACME, "operation_id": "provision-acme", "name": name, "type": A, "values": ["192.0.2.1"]}
    return await handlers.EnsureRecord(pb.EnsureRecordRequest(**(request | changes)), None)


async def test_a_record_is_made_read_and_removed(handlers):
    made = await ensure(handlers)
    assert made.created
    read = await handlers.GetRecord(pb.GetRecordRequest(tenant_id=ACME, name="acme.example.com", type=A), None)
    assert read.record == made.record
    gone = pb.DeleteRecordRequest(tenant_id=ACME, name="acme.example.com", type=A, operation_id="provision-acme")
    assert (await handlers.DeleteRecord(gone, None)).existed
    assert not (await handlers.DeleteRecord(gone, None)).existed


async def test_pages_go_on_where_they_ended(handlers):
    for index in range(5):
        await ensure(handlers, f"r{index}.example.com")
    first = await handlers.ListRecords(pb.ListRecordsRequest(page_size=3), None)
    second = await handlers.ListRecords(pb.ListRecordsRequest(page_size=3, page_token=first.next_page_token), None)
    assert [record.name[:2] for page in (first, second) for record in page.records] == ["r0", "r1", "r2", "r3", "r4"]
    assert second.next_page_token == ""
    with pytest.raises(Invalid):
        await handlers.ListRecords(pb.ListRecordsRequest(tenant_id=ACME, page_token=first.next_page_token), None)


@pytest.mark.parametrize(("patience", "asked"), [(None, 0), (90, 90)])
async def test_each_round_of_a_verification_is_streamed(handlers, verifier, patience, asked):
    await ensure(handlers)
    more = {"patience": Duration(seconds=patience)} if patience else {}
    request = pb.VerifyRecordRequest(tenant_id=ACME, name="acme.example.com", type=A, **more)
    states = [answer.verification.state async for answer in handlers.VerifyRecord(request, None)]
    assert states == [
        verification_pb2.Verification.STATE_WAITING_FOR_AUTHORITATIVE,
        verification_pb2.Verification.STATE_VERIFIED,
    ]
    assert verifier.asked == ("acme.example.com", timedelta(seconds=asked))


async def test_a_sweep_of_what_is_well_finds_nothing(handlers):
    await ensure(handlers)
    request = pb.SweepRecordsRequest(older_than=Duration())
    assert [finding async for finding in handlers.SweepRecords(request, None)] == []
