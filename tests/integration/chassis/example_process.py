"""A process on the chassis that a test starts, asks and stops."""

import asyncio
import os
import sys

from chassis import ServerSettings, Servicer, run, serve
from settingskit import load
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

_SECONDS = {"slow": 1, "forever": 60}


class Handlers(rpc.DnsServiceServicer):
    def __init__(self):
        self.slow = 0

    async def GetRecord(self, request, _context):  # noqa: N802 - the contract's name
        if request.name == "broken":
            raise ZeroDivisionError(self.slow)
        self.slow += 1
        try:
            await asyncio.sleep(_SECONDS.get(request.name, 0))
        finally:
            self.slow -= 1
        return pb.GetRecordResponse(record={"name": str(self.slow)})


class Example:
    name = "example"

    async def __aenter__(self):
        match os.environ.get("EXAMPLE_OPENS"):
            case "not":
                raise OSError("no such host")
            case "slowly":
                print('{"message": "opening"}', flush=True)  # noqa: T201 - the test waits for it
                await asyncio.sleep(60)

    async def __aexit__(self, *_):
        pass

    async def check(self):
        pass


async def main():
    settings = load(ServerSettings, os.environ, service="dns")
    servicers = [Servicer(rpc.add_DnsServiceServicer_to_server, Handlers())]
    await serve("dns", servicers=servicers, resources=[Example()], settings=settings)


if __name__ == "__main__":
    sys.exit(run(main))
