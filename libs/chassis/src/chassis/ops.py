"""What a process tells its operators over HTTP: `/health` (it lives), `/ready` (it can work), `/metrics` (its numbers).

Small on purpose: GET and HEAD, one request a connection, everything bounded. It is for probes and scrapers on a private
port, and serves processes without gRPC as well.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from chassis.health import Health
from chassis.resources import StartFailed
from chassis.settings import OpsSettings

_log = logging.getLogger(__name__)
_HEAD_BYTES = 8192
_SECONDS = 5.0
_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Page:
    """What one address answers."""

    body: bytes
    content_type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK


@asynccontextmanager
async def ops_server(settings: OpsSettings, health: Health, metrics: Callable[[], Page]) -> AsyncIterator[str]:
    """Serve the pages for as long as the block lasts. Yields the address, `host:port`.

    Raises:
        StartFailed: when the port cannot be had.
    """
    pages = {"/health": _alive, "/ready": lambda: _readiness(health), "/metrics": metrics}
    exchanges: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())  # asyncio makes one for each connection
        exchanges.add(task)
        try:
            if len(exchanges) <= _CONNECTIONS:
                async with asyncio.timeout(_SECONDS):
                    await _exchange(reader, writer, pages)
        except (OSError, EOFError, TimeoutError):
            pass  # the other side went away or dawdled, which is its own affair
        finally:
            exchanges.discard(task)
            writer.close()

    try:
        server = await asyncio.start_server(connected, settings.host, settings.port, limit=_HEAD_BYTES)
    except OSError as error:
        msg = f"OPS_PORT: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        raise StartFailed(msg) from error
    try:
        yield f"{settings.host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in exchanges:
            task.cancel()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pages: Mapping[str, Callable[[], Page]]
) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        page, method = _error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), "GET"
    else:
        page, method = _answer(head, pages)
    length = len(page.body)
    writer.write(
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\nContent-Type: {page.content_type}\r\n"
        f"Content-Length: {length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n".encode()
    )
    writer.write(page.body if method != "HEAD" else b"")
    await writer.drain()


def _answer(head: bytes, pages: Mapping[str, Callable[[], Page]]) -> tuple[Page, str]:
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
        return _error(HTTPStatus.BAD_REQUEST), "GET"
    method, target, _ = words
    if method not in ("GET", "HEAD"):
        return _error(HTTPStatus.METHOD_NOT_ALLOWED), method
    make = pages.get(target.partition("?")[0])
    if make is None:
        return _error(HTTPStatus.NOT_FOUND), method
    try:
        return make(), method
    except Exception:  # noqa: BLE001 - the port answers whatever happens
        _log.exception("a page of the ops port failed", extra={"target": target})
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR), method


def _alive() -> Page:
    return Page(b'{"status":"alive"}\n')


def _readiness(health: Health) -> Page:
    document = {
        "status": "ready" if health.ready else "not ready",
        "dependencies": {
            dependency.name: {
                "status": "usable" if dependency.usable else "unusable",
                "since": dependency.since.isoformat(timespec="milliseconds"),
                **({"error": dependency.error} if dependency.error else {}),
            }
            for dependency in health.dependencies
        },
    }
    status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(json.dumps(document).encode() + b"\n", status=status)


def _error(status: HTTPStatus) -> Page:
    return Page(json.dumps({"error": status.phrase}).encode() + b"\n", status=status)
