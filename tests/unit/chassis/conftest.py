import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from tests.fixtures.worlds import serving

from chassis.interceptors import Method


class Spans(SpanExporter):
    """Keeps the spans that ended, and lets a test wait for them."""

    def __init__(self):
        self.ended = []
        self._news = asyncio.Event()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self))

    def export(self, spans):
        self.ended += spans
        self._news.set()
        return SpanExportResult.SUCCESS

    async def wait(self, count=1):
        """The spans, once there are so many."""
        async with asyncio.timeout(5):
            while len(self.ended) < count:
                self._news.clear()
                await self._news.wait()
        assert len(self.ended) == count
        return self.ended

    async def one(self):
        """The one span there is, once it has ended."""
        return (await self.wait())[0]


@pytest.fixture
async def spans():
    return Spans()


@pytest.fixture
async def world():
    async with serving() as made:
        yield made


@pytest.fixture
def method():
    """A method as the layers see it, for those that are tried without a server."""
    return Method(
        path="/tenantmesh.dns.v1.DnsService/GetRecord",
        service="tenantmesh.dns.v1.DnsService",
        name="GetRecord",
        permission="dns.records.read",
        names_tenant=True,
        request_streaming=False,
        response_streaming=False,
        builtin=False,
        decode=bytes,
    )
