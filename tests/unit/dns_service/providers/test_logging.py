import logging
from datetime import UTC, datetime, timedelta

from dns_service.model import Node, Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers.logging import LoggingProvider
from dns_service.providers.memory import MemorySettings

KEY = RecordKey("acme.example.com", RecordType.A)
OWNER = Owner("a-tenant", "provision-acme", datetime(2026, 1, 1, tzinfo=UTC))
RECORD = Record(KEY, RecordData(("192.0.2.1",), timedelta(minutes=5)), OWNER, "logging", "example.com")


async def test_it_tells_what_it_would_do(caplog):
    with caplog.at_level(logging.INFO):
        async with LoggingProvider(MemorySettings()) as provider:
            await provider.put(RECORD, seen=Node(KEY.name))
            await provider.remove(RECORD, seen=await provider.at(KEY.name))
    wrote, removed = caplog.records
    assert (wrote.message, removed.message) == ("would write a record", "would remove a record")
    assert (wrote.record, wrote.record_type, wrote.values, wrote.ttl_seconds) == (
        "acme.example.com", "A", ("192.0.2.1",), 300.0,
    )  # fmt: skip
