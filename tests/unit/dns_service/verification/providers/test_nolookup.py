from datetime import timedelta

from dns_service.model import Record, RecordData, RecordKey, RecordType
from dns_service.verification.model import VerificationState
from dns_service.verification.providers.nolookup import NoLookup

KEY = RecordKey("acme.example.com", RecordType.A)
RECORD = Record(KEY, RecordData(("192.0.2.1",), timedelta(minutes=5)), None, "memory", "example.com")


async def test_it_says_that_nobody_was_asked():
    (only,) = [one async for one in NoLookup().verify(RECORD, timedelta(minutes=1))]
    assert only.state is VerificationState.NOT_LOOKED_UP
    assert only.detail == "Nobody was asked: no name server answers what the provider memory holds."
    assert (only.answers, only.rounds) == ((), 0)


async def test_it_misses_nothing():
    assert await NoLookup().missing(["edge.example.net"]) == frozenset()
