"""The processes of the mesh itself: one entry each. A process joins the stack when its service has a `__main__`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping

from localstack.checks import http_ok
from localstack.component import Absent, Component
from localstack.site import HOST, Site

PORTS = {
    "tenants": (7101, 9101),
    "identity": (7102, 9102),
    "storage": (7103, 9103),
    "dns": (7104, 9104),
    "notifications": (7105, 9105),
    "infrastructure": (7106, 9106),
    "deployments": (7107, 9107),
    "provisioning": (7108, 9108),
}


def service(name: str, summary: str, *, needs: tuple[str, ...] = ()) -> Component:
    """A gRPC service of the mesh."""
    rpc, ops = PORTS[name]
    package = f"{name}_service"

    async def prepare(_: Site) -> str | None:
        if importlib.util.find_spec(f"{package}.__main__") is None:
            msg = f"{package} has nothing to run yet"
            raise Absent(msg)
        return None

    def gives(site: Site) -> Mapping[str, str]:
        prefix = name.upper()
        return {
            f"{prefix}_ADDRESS": site.address("rpc"),
            f"{prefix}_RPC_PORT": str(site.ports["rpc"]),
            f"{prefix}_OPS_PORT": str(site.ports["ops"]),
        }

    return Component(
        name=name,
        summary=summary,
        ports={"rpc": rpc, "ops": ops},
        needs=needs,
        prepare=prepare,
        command=lambda _: [sys.executable, "-m", package],
        environment=lambda _: {
            "MESH_MODE": "development",
            "AUTH_DEVELOPMENT": "true",
            "RPC_HOST": HOST,
            "OPS_HOST": HOST,
        },
        ready=ready,
        gives=gives,
    )


async def ready(site: Site) -> None:
    """Its dependencies are reachable, by its own word."""
    await http_ok(f"http://{site.address('ops')}/ready")
