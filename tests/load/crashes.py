"""The crash matrix, one after the other and many at once, as a table: `python -m tests.load.crashes`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import uuid
from pathlib import Path

from temporalio.client import Client
from tests.fixtures.memorymesh import MemoryMesh, serving
from tests.fixtures.servers import TEMPORAL, Temporal, server
from tests.integration.worker.conftest import Provisioning, working
from tests.integration.worker.crashes import WAYS, tried

from temporalkit import operations
from temporalkit.operations import Queues
from temporalkit.plugin import mesh_plugin
from temporalkit.search_attributes import add_search_attributes
from tenantmesh.common.v1 import tier_pb2


async def main() -> int:
    """Print the table, and answer 1 when a case fails."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with server(TEMPORAL, Path(folder)) as one, serving(MemoryMesh()) as mesh:
            temporal = Temporal(one)
            client = await Client.connect(temporal.address, namespace=temporal.namespace, plugins=[mesh_plugin()])
            await add_search_attributes(client, operations.SEARCH_ATTRIBUTES)
            queues = Queues(f"crashes-{uuid.uuid4()}")
            async with working(client, mesh.address, queues):
                for way in WAYS:
                    for at_once in (False, True):
                        tally = await tried(
                            lambda: Provisioning(client, mesh, queues, tier_pb2.TIER_SILO), way, at_once=at_once
                        )
                        print(f"{way:<36} {'many at once' if at_once else 'one by one':<14} {tally}")
                        wrong += tally.wrong
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
