"""Prometheus, from Debian's package, reading the metrics of every process of the stack that has any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localstack import debian
from localstack.checks import http_ok
from localstack.component import Component, Profile
from localstack.site import HOST, Site

PACKAGE = debian.Package("prometheus", "prometheus")
PATHS = {"ops": "/metrics", "metrics": "/metrics", "management": "/metrics", "admin": "/stats/prometheus"}
"""Where the metrics are, by the name of the port."""


async def prepare(site: Site) -> str | None:
    """Fetch it where that is needed, and list what to read."""
    await debian.provide(PACKAGE, site.cache)
    (site.folder / "prometheus.json").write_text(json.dumps(scrape_config(site), indent=2))
    return None


def scrape_config(site: Site) -> dict[str, Any]:
    """One job a process. It is YAML too."""
    jobs = [_job(site.name, site.ports["http"], "/metrics")]
    for name, ports in sorted(site.neighbours.items()):
        jobs += [_job(name, number, PATHS[port]) for port, number in ports.items() if port in PATHS]
    return {"global": {"scrape_interval": "5s"}, "scrape_configs": jobs}


def _job(name: str, port: int, path: str) -> dict[str, Any]:
    return {"job_name": name, "metrics_path": path, "static_configs": [{"targets": [f"{HOST}:{port}"]}]}


def command(site: Site) -> list[str]:
    """The server, keeping two days."""
    program = debian.locate(PACKAGE, site.cache)
    assert program is not None  # noqa: S101 - prepare provided it
    return [
        str(program.path), f"--config.file={site.folder / 'prometheus.json'}",
        f"--storage.tsdb.path={site.folder / 'series'}", "--storage.tsdb.retention.time=2d",
        f"--web.listen-address={site.address('http')}", "--log.level=warn",
    ]  # fmt: skip


async def ready(site: Site) -> None:
    """It answers queries."""
    await http_ok(f"http://{site.address('http')}/-/ready")


def gives(site: Site) -> Mapping[str, str]:
    """Where to ask."""
    return {"PROMETHEUS_URL": f"http://{site.address('http')}"}


PROMETHEUS = Component(
    name="prometheus",
    summary="metrics of every process",
    profile=Profile.FULL,
    ports={"http": 9090},
    prepare=prepare,
    command=command,
    ready=ready,
    gives=gives,
)
