"""The processes of the mesh itself: one entry each. A process joins the stack when its service has a `__main__`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping

from localstack.checks import http_ok
from localstack.component import Absent, Component, nothing_given
from localstack.servers import databases
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

EVERYWHERE = {"MESH_MODE": "development", "AUTH_DEVELOPMENT": "true", "RPC_HOST": HOST, "OPS_HOST": HOST}


def service(
    name: str,
    summary: str,
    *,
    needs: tuple[str, ...] = (),
    tables: bool = False,
    environment: Callable[[Site], Mapping[str, str]] = nothing_given,
) -> Component:
    """A gRPC service of the mesh.

    Args:
        name: what its package, its database and its settings are called after.
        summary: what it does, in a few words.
        needs: the components it talks to.
        tables: whether it has a database of its own, which PostgreSQL is then needed for.
        environment: what it is told beside what every service is told.
    """
    rpc, ops = PORTS[name]
    package = f"{name}_service"

    async def prepare(site: Site) -> str | None:
        _find(package)
        if tables:
            await databases.provide(site)
        return None

    return Component(
        name=name,
        summary=summary,
        ports={"rpc": rpc, "ops": ops},
        needs=(*needs, "postgres") if tables else needs,
        prepare=prepare,
        command=lambda _: [sys.executable, "-m", package],
        environment=lambda site: {
            **EVERYWHERE,
            # Tokens of lists and of watched events are good after a restart, too.
            "PAGE_TOKEN_KEY": site.secret("pages"),
            **(databases.addresses(site) if tables else {}),
            **environment(site),
        },
        ready=ready,
        gives=gives,
    )


def worker(needs: tuple[str, ...]) -> Component:
    """The process that runs the workflows: it serves no RPC, and calls all the others."""

    async def prepare(_: Site) -> str | None:
        _find("worker_service")
        return None

    return Component(
        name="worker",
        summary="runs the workflows",
        ports={"ops": 9109},
        needs=("temporal", *needs),
        prepare=prepare,
        command=lambda _: [sys.executable, "-m", "worker_service"],
        environment=lambda _: EVERYWHERE,
        ready=ready,
        gives=lambda site: {"WORKER_OPS_PORT": str(site.ports["ops"])},
    )


def gives(site: Site) -> Mapping[str, str]:
    """Where it is, under its own name."""
    prefix = site.name.upper()
    return {
        f"{prefix}_ADDRESS": site.address("rpc"),
        f"{prefix}_RPC_PORT": str(site.ports["rpc"]),
        f"{prefix}_OPS_PORT": str(site.ports["ops"]),
    }


async def ready(site: Site) -> None:
    """Its dependencies are reachable, by its own word."""
    await http_ok(f"http://{site.address('ops')}/ready")


def _find(package: str) -> None:
    if importlib.util.find_spec(f"{package}.__main__") is None:
        msg = f"{package} has nothing to run yet"
        raise Absent(msg)
