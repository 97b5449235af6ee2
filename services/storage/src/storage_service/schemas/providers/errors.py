"""What an error of the driver or the server means to a caller. The server's own words go to the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from faults import Aborted, Conflict, Fault, Internal, Unavailable
from postgreskit.errors import describe

log = logging.getLogger(__name__)

PROVIDER = "postgres"
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

_NOT_WRITABLE = {"25006": "read_only", "53100": "full"}
# Somebody else holds a lock, or changed the same row of the catalogue at the same time.
_BUSY = frozenset({"55P03", "40001", "40P01", "55006"})
_CONCURRENT = "tuple concurrently"
_AWAY = frozenset({"08", "53", "57", "58", "3D"})
_REFUSED = frozenset({"28", "42501"})


@contextmanager
def translated(server: str, schema: str = "") -> Iterator[None]:
    """Raise a fault in place of every driver error of the block."""
    try:
        yield
    except DRIVER_ERRORS as error:
        log.warning("%s: %s", server, describe(error), extra={"server": server, "schema": schema})
        raise fault_of(error, server, schema).with_traceback(error.__traceback__) from None


def is_script_error(error: asyncpg.PostgresError) -> bool:
    """Whether the statement itself is to blame, and not the state of the server."""
    state = error.sqlstate or ""
    known = _NOT_WRITABLE.keys() | _BUSY | {"25P03", "25P04"}
    return not (state in known or state[:2] in _AWAY or _CONCURRENT in str(error))


def fault_of(error: BaseException, server: str, schema: str = "") -> Fault:
    """The fault an error is."""
    state = getattr(error, "sqlstate", None) or ""
    if state in _NOT_WRITABLE:
        return not_writable(server, _NOT_WRITABLE[state])
    if state in _BUSY or _CONCURRENT in str(error):
        return busy(server, schema)
    if state[:2] in _REFUSED or state in _REFUSED:
        return Conflict(
            f"The database server {server} refused the configured credentials.",
            reason="PROVIDER_CREDENTIALS_REFUSED",
            facts={"provider": PROVIDER, "server": server},
        )
    if not state or state[:2] in _AWAY:
        return away(server)
    return Internal("An unexpected error.", reason="UNEXPECTED", facts={"server": server}, domain="tenantmesh")


def away(server: str) -> Fault:
    """The fault of a server that does not answer."""
    return Unavailable(
        f"The database server {server} is away.",
        reason="PROVIDER_UNAVAILABLE",
        facts={"provider": PROVIDER, "server": server},
    )


def busy(server: str, schema: str) -> Fault:
    """The fault of meeting another change."""
    return Aborted(
        "Another call is changing the schema.", reason="SCHEMA_BUSY", facts={"schema": schema, "server": server}
    )


def not_writable(server: str, cause: str) -> Fault:
    """The fault of a server that answers and takes no changes."""
    return Unavailable(
        f"The database server {server} cannot be written to.",
        reason="SERVER_NOT_WRITABLE",
        facts={"server": server, "cause": cause},
    )
