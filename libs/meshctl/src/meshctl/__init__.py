"""The typed Python client of tenantmesh, and the command line that stands on it.

async with open_mesh() as mesh:
    operation = await mesh.start(ProvisionTenantRequest(tenant_id=tenant_id))
    async for now in operation.watch():
        print(now.step, now.percent)
    done = await operation.result()

The names are loaded when they are first asked for, so that the command line can say first how gRPC is to behave.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "client": ("Mesh", "Operation", "open_mesh"),
    "outcome": ("OperationCancelled", "OperationEnded", "OperationFailed"),
    "settings": ("MeshSettings",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
