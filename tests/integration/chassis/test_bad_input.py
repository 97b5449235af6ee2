"""Ten thousand calls that are wrong in every way there is: each is told what is wrong, and none leaves a trace."""

import asyncio
import random
import re
from collections import Counter

import grpc
import psutil
import pytest
from tests.fixtures.identities import Issuer
from tests.fixtures.worlds import TENANT, connected

from chassis.errors import fault_of
from tenantmesh.dns.v1 import dns_service_pb2 as pb

pytestmark = pytest.mark.chaos

CALLS, AT_ONCE = 10_000, 50
METHOD = "/tenantmesh.dns.v1.DnsService/GetRecord"
LIMIT = 65_536
INSIDE = re.compile(r"Traceback|Error\b|File \"|0x[0-9a-f]{6}|/site-packages/|\.py\b")
"""What no caller may ever read."""


class Wrong:
    """Makes calls that are wrong, one kind after the other, and says which reason each must be given."""

    def __init__(self, channel):
        self._channel, self._random = channel, random.Random(52001)  # noqa: S311 - the same calls every time
        self._issuer, self._forger = Issuer(), Issuer()
        self.good = bearer(self._issuer, scope="dns.records.*")
        self._agent = bearer(self._issuer, scope="*", tenant_id="0199a0b0-0000-7000-8000-000000000009")
        self._weak = bearer(self._issuer, scope="storage.*")
        self._request = pb.GetRecordRequest(tenant_id=TENANT, name="www.acme.example", type=1).SerializeToString()
        self.kinds = [
            self.random_bytes,
            self.fields_of_wrong_types,
            self.missing_and_contradictory_fields,
            self.too_large,
            self.far_too_large,
            self.no_credentials,
            self.no_token,
            self.forged_token,
            self.expired_token,
            self.missing_permission,
            self.other_tenant,
            self.unknown_method,
            self.method_not_served_yet,
            self.late,
            self.cancelled,
            self.handler_that_breaks,
        ]

    @property
    def jwks(self):
        return self._issuer.jwks()

    def call(self, request, metadata, *, method=METHOD, timeout=20.0):
        return self._channel.unary_unary(method)(request, metadata=metadata, timeout=timeout)

    def random_bytes(self):
        return self.call(b"\x0b" + self._random.randbytes(self._random.randrange(300)), self.good), "REQUEST_MALFORMED"

    def fields_of_wrong_types(self):
        return self.call(b"\x08\x07\x10\x07\x1a\x01x", self.good), "REQUEST_INVALID"

    def missing_and_contradictory_fields(self):
        request = pb.GetRecordRequest(tenant_id="t" * self._random.randrange(50), name="n" * 300, type=99)
        return self.call(request.SerializeToString(), self.good), "REQUEST_INVALID"

    def too_large(self):
        return self.call(bytes(LIMIT + 1), self.good), "MESSAGE_TOO_LARGE"

    def far_too_large(self):
        return self.call(bytes(3 * LIMIT), self.good), "MESSAGE_TOO_LARGE"

    def no_credentials(self):
        return self.call(self._request, None), "CREDENTIALS_MISSING"

    def no_token(self):
        nonsense = self._random.randbytes(40).hex()
        return self.call(self._request, [("authorization", f"Bearer {nonsense}")]), "TOKEN_INVALID"

    def forged_token(self):
        return self.call(self._request, bearer(self._forger, jti=str(self._random.random()))), "TOKEN_INVALID"

    def expired_token(self):
        return self.call(self._request, bearer(self._issuer, exp=self._random.randrange(1_000_000))), "TOKEN_EXPIRED"

    def missing_permission(self):
        return self.call(self._request, self._weak), "PERMISSION_MISSING"

    def other_tenant(self):
        return self.call(self._request, self._agent), "TENANT_MISMATCH"

    def unknown_method(self):
        return self.call(self._request, self.good, method=f"/no.Such/{self._random.random()}"), "NOT_IMPLEMENTED"

    def method_not_served_yet(self):
        return self.call(b"", self.good, method="/tenantmesh.dns.v1.DnsService/ListRecords"), "NOT_IMPLEMENTED"

    def late(self):
        return self.call(self._named("forever"), self.good, timeout=0.01), "DEADLINE_EXCEEDED"

    def cancelled(self):
        call = self.call(self._named("forever"), self.good)
        asyncio.get_running_loop().call_later(0.01, call.cancel)
        return call, "cancelled here"

    def handler_that_breaks(self):
        return self.call(self._named("broken"), self.good), "UNEXPECTED"

    def _named(self, name):
        return pb.GetRecordRequest(tenant_id=TENANT, name=name, type=1).SerializeToString()


def bearer(issuer, **claims):
    return [("authorization", f"Bearer {issuer.token(**{'exp': 4_000_000_000, **claims})}")]


async def told(call):
    """The reason a call is refused with; nothing of the process may show."""
    try:
        await call
    except asyncio.CancelledError:
        return "cancelled here"
    except grpc.aio.AioRpcError as error:
        fault = fault_of(error)
        assert not INSIDE.search(f"{fault!r} {error.details()}"), error.details()
        return fault.reason
    return "answered"


async def refuse(wrong, count):
    """Make so many calls, `AT_ONCE` at a time, and count those of each kind that were told what they should be."""
    right = Counter()

    async def work(kinds):
        for kind in kinds:
            call, reason = kind()
            assert (kind.__name__, await told(call)) == (kind.__name__, reason)
            right[kind.__name__] += 1

    kinds = [wrong.kinds[number % len(wrong.kinds)] for number in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for worker in range(AT_ONCE):
            tasks.create_task(work(kinds[worker::AT_ONCE]))
    return right


async def garbage(address, count):
    """Connections that speak no HTTP/2, or stop in the middle of it."""
    noise = random.Random(52002)  # noqa: S311 - the same noise every time
    for number in range(count):
        reader, writer = await asyncio.open_connection(*address.split(":"))
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" if number % 2 else b""
        writer.write(preface + noise.randbytes(noise.randrange(200)))
        if number % 3:
            writer.close()
        else:
            writer.write_eof()
            await reader.read(1000)
            writer.close()


@pytest.mark.timeout(300)
async def test_ten_thousand_wrong_calls_are_each_told_why_and_leave_nothing(process, tmp_path):
    wrong = Wrong(None)
    (tmp_path / "jwks.json").write_bytes(wrong.jwks)
    environ = {
        "MESH_MODE": "production",
        "AUTH_JWKS": str(tmp_path / "jwks.json"),
        "AUTH_ISSUER": Issuer.issuer,
        "AUTH_AUDIENCE": Issuer.audience,
        "RPC_MAX_MESSAGE_BYTES": str(LIMIT),
        "LOG_LEVEL": "error",
    }
    with process(**environ) as (started, address):
        async with connected(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
            wrong._channel = channel
            await refuse(wrong, CALLS // 4)  # caches, buffers and the allocator's arenas find their size
            before = resident(started)
            right = await refuse(wrong, CALLS - CALLS // 4)
            await garbage(address, 300)
            assert set(right) == {kind.__name__ for kind in wrong.kinds}
            assert resident(started) - before < 8_000_000
            answer = await wrong.call(wrong._request, wrong.good)
            assert pb.GetRecordResponse.FromString(answer).record.name == "0"  # nothing is left in flight
            assert started.poll() is None


def resident(started):
    return psutil.Process(started.pid).memory_info().rss
