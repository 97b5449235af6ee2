"""Every service of the contracts can be served: its methods are known, permitted, and answered with a reason."""

import subprocess
import sys
from pathlib import Path

import pytest

import tenantmesh

ROOT = Path(next(iter(tenantmesh.__path__)))
STUBS = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in ROOT.rglob("*_service_pb2_grpc.py")
)
# In a process of its own: another test may have loaded the descriptors that this service must load by itself.
SERVE = """
import asyncio, importlib, sys
import grpc
from chassis import Mode, Servicer, ServerSettings, running
from chassis.errors import fault_of

stubs = importlib.import_module(sys.argv[1])
(name,) = (each.removesuffix("Servicer") for each in vars(stubs) if each.endswith("Servicer"))

async def main():
    add, handlers = getattr(stubs, f"add_{name}Servicer_to_server"), getattr(stubs, f"{name}Servicer")()
    settings = ServerSettings(mode=Mode.DEVELOPMENT)
    async with running("any", servicers=[Servicer(add, Quiet(handlers))], settings=settings) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            from google.protobuf import descriptor_pool
            package = sys.argv[1].rpartition(".")[0]
            service = descriptor_pool.Default().FindServiceByName(f"{package}.{name}")
            for method in service.methods:
                call = channel.stream_stream(f"/{service.full_name}/{method.name}")(iter([b""]))
                try:
                    async for _ in call:
                        raise AssertionError("an empty servicer answered")
                except grpc.aio.AioRpcError as error:
                    print(method.name, fault_of(error).reason)

class Quiet:
    def __init__(self, handlers):
        for each in dir(handlers):
            if each[0].isupper():
                setattr(self, each, unserved)

async def unserved(request, context):
    raise NotImplementedError

asyncio.run(main())
"""


@pytest.mark.parametrize("stubs", STUBS)
def test_a_service_is_served(stubs):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SERVE, stubs], check=False, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    answers = [line.split() for line in run.stdout.splitlines() if line and line[0] != "{"]
    assert answers
    assert {reason for _, reason in answers} <= {"REQUEST_INVALID", "NOT_IMPLEMENTED", "UNEXPECTED"}
