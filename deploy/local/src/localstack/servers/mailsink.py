"""The mail server that keeps and shows every mail."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

from localstack.checks import http_ok
from localstack.component import Component, NotReady
from localstack.site import HOST, Site


def command(site: Site) -> list[str]:
    """Our own server."""
    ports = ["--smtp-port", str(site.ports["smtp"]), "--http-port", str(site.ports["http"])]
    return [sys.executable, "-m", "localstack.mailsink", *ports]


async def ready(site: Site) -> None:
    """It greets SMTP clients and shows its page."""
    reader, writer = await asyncio.open_connection(HOST, site.ports["smtp"])
    greeting = await reader.readline()
    writer.close()
    await writer.wait_closed()
    if not greeting.startswith(b"220 "):
        raise NotReady(greeting)
    await http_ok(f"http://{site.address('http')}/")


def gives(site: Site) -> Mapping[str, str]:
    """Where mails go, without encryption or credentials, and where they are shown."""
    return {
        "SMTP_HOST": HOST,
        "SMTP_PORT": str(site.ports["smtp"]),
        "SMTP_TLS": "none",
        "MAILSINK_URL": f"http://{site.address('http')}",
    }


MAILSINK = Component(
    name="mailsink",
    summary="mails: received, kept, shown",
    ports={"smtp": 1025, "http": 8025},
    command=command,
    ready=ready,
    gives=gives,
)
