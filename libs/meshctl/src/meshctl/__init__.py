"""The typed Python client of tenantmesh, and the command line that stands on it.

async with open_mesh() as mesh:
    operation = await mesh.start(ProvisionTenantRequest(tenant_id=tenant_id))
    async for now in operation.watch():
        print(now.step, now.percent)
    done = await operation.result()
"""

from __future__ import annotations

from meshctl.client import Mesh, Operation, open_mesh
from meshctl.outcome import OperationCancelled, OperationEnded, OperationFailed
from meshctl.settings import MeshSettings

__all__ = [
    "Mesh",
    "MeshSettings",
    "Operation",
    "OperationCancelled",
    "OperationEnded",
    "OperationFailed",
    "open_mesh",
]
